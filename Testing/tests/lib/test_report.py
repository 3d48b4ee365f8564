"""The report: what the page says and shows, and that nothing on it is rescaled per case or left outside."""

from __future__ import annotations

import base64
import dataclasses
import io
import re

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.bundles.colours import correction_colour, heat_colours
from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.images.volume import Geometry, Volume
from CardiacUQLib.inference.components import find_components
from CardiacUQLib.inference.maps import discrete_correction_map
from CardiacUQLib.inference.result import Result, RunRecord
from CardiacUQLib.report import render_report
from CardiacUQLib.report.canvas import PIXELS, boundary_pieces
from CardiacUQLib.report.contents import contents_of
from CardiacUQLib.report.first_screen import headlines, millilitres
from CardiacUQLib.report.page import transitions
from CardiacUQLib.report.pictures import columns_of, field_of_view, slice_pictures
from CardiacUQLib.uncertainty.bands import Band
from CardiacUQLib.uncertainty.look import Look, LookKind
from CardiacUQLib.uncertainty.quality import PredictedDice
from CardiacUQLib.uncertainty.verdict import Verdict, Word

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@pytest.fixture(scope="module")
def result() -> Result:
    """Three slices: a ring of myocardium with an infarct of 5 x 4 voxels that the 2D stage has missed."""
    geometry = Geometry((60, 50, 3), (2.0, 2.0, 10.0), (0.0, 0.0, 0.0), IDENTITY)
    rows, columns = np.mgrid[:50, :60]
    radius = np.hypot(rows - 25, columns - 30)
    final = np.zeros((3, 50, 60), np.uint8)
    final[:, radius < 14] = 2
    final[:, radius < 9] = 1
    stage2d = final.copy()
    final[1, 23:28, 40:44] = 3
    scs = np.where(final != stage2d, np.float32(0.4), np.float32(0))
    image = (1000 - 20 * radius).astype(np.float32) + np.zeros((3, 1, 1), np.float32)
    dcm = discrete_correction_map(stage2d, final, 5)
    found = find_components(dcm, scs, geometry, 5)
    run = RunRecord(
        "a-model", "1.2", "cd" * 32, "cpu", "float32", (0,), ("identity",), {"maps": 1.0}, 900.0, {}, ("odd",)
    )
    return Result(
        volume=Volume(image, geometry, geometry, sha256="ab" * 32),
        kind=BundleKind.CASCADE,
        classes=LGE_CLASSES,
        segmentation=final,
        opinion=stage2d,
        maps={MapName.SCS: scs},
        dcm=found.dcm,
        component_ids=found.component_ids,
        components=found.components,
        pass_volumes_ml=np.zeros((1, 5)),
        run=run,
        measures={"volumes_ml": {"infarct": 0.8}},
    )


def pictures_of(page: str) -> list[np.ndarray]:
    """All pictures of a page as RGB arrays."""
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    return [as_rgb(base64.b64decode(text)) for text in found]


def as_rgb(png: bytes) -> np.ndarray:
    """Pixels (y, x, 3) of a PNG."""
    return np.array(Image.open(io.BytesIO(png)).convert("RGB"))


def test_the_page_is_whole_and_needs_nothing_beside_it(result: Result) -> None:
    page = render_report(result, name="Case 1")
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "http" not in page.replace("http-equiv", "")
    assert "esearch use only" in page
    pictures = pictures_of(page)
    assert len(pictures) == 3 * 4
    assert {picture.shape for picture in pictures} == {(PIXELS, PIXELS, 3)}
    for fact in ("<h1>Case 1</h1>", "a-model 1.2", "ab" * 32, "cd" * 32, "<li>odd</li>", "60 × 50 × 3"):
        assert fact in page


def test_the_legend_lists_only_what_occurs(result: Result) -> None:
    listed = [(t.was, t.became, t.voxels, t.volume) for t in transitions(contents_of(result))]
    assert listed == [("healthy myocardium", "infarct", 20, "0.80")]
    page = render_report(result)
    assert "healthy myocardium → infarct, 0.80 ml" in page
    assert page.count("→ infarct, ") == 1
    assert "→ MVO" not in page


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_scale_is_fixed_whatever_the_case_holds(result: Result, share: float) -> None:
    scaled = dataclasses.replace(result, maps={MapName.SCS: result.maps[MapName.SCS] * np.float32(share)})
    contents = contents_of(scaled)
    assert contents.heat_maps[0].maximum == pytest.approx(2 / 5)
    field = field_of_view(result.segmentation > 0, result.volume.geometry)
    column = round((41.5 * 2 - field.left) / field.size_mm * PIXELS)
    row = round((25 * 2 - field.top) / field.size_mm * PIXELS)
    seen = as_rgb(next(iter(slice_pictures(contents, [1])))[2].png)[row, column].astype(int)
    colour = 255 * np.array(colormaps["inferno"](share)[:3])
    assert (seen >= 0.85 * colour - 3).all(), "85 % of the colour of this value, whatever the largest is"
    assert (seen <= 0.85 * colour + 0.15 * 255 + 3).all()


def test_every_picture_stands_under_its_title(result: Result) -> None:
    banded = dataclasses.replace(
        result,
        bands=(Band("infarct", 2.0, 3.0, 0.9, 0.91),),
        band_maps={"infarct": (result.segmentation == 3).astype(np.uint8)},
    )
    for one in (result, banded):
        contents = contents_of(one)
        columns, row = columns_of(contents), next(iter(slice_pictures(contents, [1])))
        for column, picture in zip(columns, row, strict=True):
            words = {"Image": "image", "Corrections (DCM)": "corrections"}.get(column.title, column.title)
            assert f": {words}".lower() in picture.description.lower()


def test_certain_slices_show_the_image_alone(result: Result) -> None:
    heat = next(iter(slice_pictures(contents_of(result), [0])))[2]
    picture = as_rgb(heat.png).astype(int)
    assert np.abs(picture[..., 0] - picture[..., 2]).max() == 0, "no colour where nothing is unsure"


def test_a_correction_is_outlined_in_its_colour_and_hardly_tinted(result: Result) -> None:
    contents = contents_of(result)
    picture = np.array(
        Image.open(io.BytesIO(next(iter(slice_pictures(contents, [1])))[3].png)).convert("RGB")
    )
    colour = correction_colour(2, 3, LGE_CLASSES)
    wanted = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)])
    assert (np.abs(picture.astype(int) - wanted).max(axis=2) < 12).sum() > 50


def test_every_pair_of_labels_has_its_own_colour() -> None:
    pairs = [(was, became) for was in range(5) for became in range(5) if was != became]
    colours = {correction_colour(was, became, LGE_CLASSES) for was, became in pairs}
    assert len(colours) == 20
    assert all(re.fullmatch(r"#[0-9A-F]{6}", colour) for colour in colours)
    with pytest.raises(ValueError, match="not corrected"):
        correction_colour(3, 3, LGE_CLASSES)


def test_a_cine_speaks_of_members_not_of_stages(result: Result) -> None:
    page = render_report(dataclasses.replace(result, kind=BundleKind.STREAMING))
    assert "one member said → ensemble says" in page
    assert "one member where it differs" in page
    assert "how far the members of the ensemble are apart" in page
    assert "2D said" not in page and "stage" not in page
    alike = dataclasses.replace(result, kind=BundleKind.STREAMING, dcm=np.zeros_like(result.dcm))
    assert "all members agree everywhere" in render_report(alike)


def test_a_model_without_lesions_puts_no_scar_at_stake(result: Result) -> None:
    looks = (Look(1, LookKind.DOUBT, 1, (0.0, 0.0, 0.0), 15.0, 0.03, 0.4, "background, or rather LV?"),)
    wrong = result.maps[MapName.SCS]
    with_looks = dataclasses.replace(
        result, looks=looks, maps={**result.maps, MapName.ERROR_PROBABILITY: wrong}
    )
    page = render_report(with_looks)
    assert "about 0.40 ml of scar at stake" in page and "Scar at stake (ml)" in page
    cine = dataclasses.replace(with_looks, classes=CINE_CLASSES, kind=BundleKind.STREAMING)
    page = render_report(cine)
    assert "Look here first" in page and "0.030" in page
    assert "scar" not in page.lower()


def test_calibrated_cases_get_a_column_more(result: Result) -> None:
    wrong = result.maps[MapName.SCS] * np.float32(2)
    calibrated = dataclasses.replace(result, maps={**result.maps, MapName.ERROR_PROBABILITY: wrong})
    page = render_report(calibrated)
    assert len(pictures_of(page)) == 3 * 5
    assert "P(wrong)" in page
    assert ">0.80</td>" in page, "the mean probability of the region of 0.4 x 2"


def test_names_cannot_smuggle_markup(result: Result) -> None:
    page = render_report(result, name="<script>alert(1)</script>")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_sizes_with_intervals_come_from_the_measures(result: Result) -> None:
    sizes = {
        "infarct_share_of_lv_percent": {
            "label": "Infarct share of LV mass", "unit": "%", "value": 18.3,
            "interval": [13.2, 24.1], "level": 0.9, "calibrated": True,
        },
        "mvo_share_of_infarct_percent": {"label": "MVO share", "unit": "%", "value": None, "interval": None},
    }  # fmt: skip
    measured = dataclasses.replace(result, measures={"sizes": sizes, "headline": "Infarct 18 % of LV mass"})
    share, mvo = headlines(contents_of(measured))
    assert (share.value, share.unit, share.interval, share.colour) == ("18", "%", "90 %: 13–24", "#F0E442")
    assert (mvo.value, mvo.unit, mvo.colour) == ("not defined", "", "#CC79A7")
    assert '<p class="lead">Infarct 18 % of LV mass</p>' in render_report(measured)


MVO_SIZES = {
    "mvo_volume_ml": {
        "label": "MVO volume", "unit": "ml", "value": 0.0, "interval": [0.0, 1.0], "level": 0.9,
        "calibrated": True,
    },
    "mvo_share_of_infarct_percent": {"label": "MVO share", "unit": "%", "value": 0.0, "interval": None},
}  # fmt: skip


def test_an_mvo_that_is_only_proposed_is_one_tile_and_no_dice(result: Result) -> None:
    proposals = np.zeros_like(result.segmentation)
    proposals[1, 24:27, 41:43] = 4
    missed = dataclasses.replace(
        result,
        measures={"sizes": MVO_SIZES},
        proposals=proposals,
        verdict=Verdict(Word.REDO, "MVO may be missed, probability 0.67", 0.52, 0.7),
        predicted_dice=(PredictedDice("infarct", 0.6, 0.5, 0.7), PredictedDice("MVO", 0.3, 0.0, 0.9)),
    )
    (volume,) = headlines(contents_of(missed))
    assert (volume.value, volume.interval) == ("0", "90 %: 0–1; 0.24 ml proposed")
    page = render_report(missed)
    assert "none drawn" in page and "0.00–0.90" not in page and "0.50–0.70" in page
    assert "the scan itself may be good" in page, "to redo means the contours"
    drawn = np.where(proposals, 4, result.segmentation).astype(np.uint8)
    assert "0.00–0.90" in render_report(dataclasses.replace(missed, segmentation=drawn))


def test_nothing_measured_elsewhere_is_said_of_a_scan_that_does_not_belong(result: Result) -> None:
    sizes = {"mvo_volume_ml": MVO_SIZES["mvo_volume_ml"] | {"value": 2.0, "interval": [0.5, 4.0]}}
    look = Look(1, LookKind.DOUBT, 1, (0.0, 0.0, 10.0), 15.0, 0.04, 0.5, "infarct, or rather MVO?")
    odd = dataclasses.replace(
        result,
        measures={"sizes": sizes, "headline": "Unlike the training scans: MVO 2 ml"},
        verdict=Verdict(Word.REDO, "unlike the training scans: looks like cine"),
        looks=(look,),
    )
    page = render_report(odd)
    assert "no interval" in page and "0.5–4" not in page and 'class="lead"' not in page
    assert "<details><summary>1 places to look at" not in page and "<summary>1 place to look at" in page
    assert "First make sure that this image and this model belong together." in page
    assert "Look here first" in render_report(dataclasses.replace(odd, verdict=None))


def test_an_empty_result_is_still_a_page(result: Result) -> None:
    nothing = np.zeros_like(result.segmentation)
    empty = dataclasses.replace(
        result, segmentation=nothing, opinion=nothing, dcm=nothing, components=(),
        component_ids=nothing.astype(np.int32), maps={MapName.SCS: nothing.astype(np.float32)},
    )  # fmt: skip
    page = render_report(empty)
    assert "agree everywhere" in page
    assert len(pictures_of(page)) == 3 * 4


def test_the_heart_fills_the_pictures(result: Result) -> None:
    geometry = result.volume.geometry
    field = field_of_view(result.segmentation > 0, geometry)
    columns = np.flatnonzero((result.segmentation > 0).any(axis=(0, 1))) * 2.0
    assert field.left < columns.min()
    assert field.right > columns.max()
    assert field.size_mm < 2 * (columns.max() - columns.min())
    anisotropic = dataclasses.replace(geometry, spacing=(1.0, 4.0, 10.0))
    tall = field_of_view(result.segmentation > 0, anisotropic)
    assert tall.bottom - tall.top == pytest.approx(tall.size_mm), "square in mm, not in pixels"


@pytest.mark.parametrize(
    ("volume", "text"),
    [(0.0, "0"), (0.423, "0.42"), (0.951, "1.0"), (3.14, "3.1"), (9.96, "10"), (117.6, "118")],
)
def test_volumes_have_one_sensible_digit(volume: float, text: str) -> None:
    assert millilitres(volume) == text


def test_the_border_of_one_voxel_is_a_diamond() -> None:
    mask = np.zeros((3, 4), bool)
    mask[1, 2] = True
    pieces = boundary_pieces(mask)
    corners = {(2.5, 1.0), (2.0, 1.5), (1.5, 1.0), (2.0, 0.5)}
    assert {tuple(end) for end in pieces.reshape(-1, 2).tolist()} == corners
    assert len(pieces) == 4
    assert len(boundary_pieces(mask, every_second=True)) == 2


def test_heat_colours_are_those_of_inferno() -> None:
    shares = np.linspace(0, 1, 101)
    np.testing.assert_allclose(heat_colours(shares), 255 * colormaps["inferno"](shares)[:, :3], atol=4)


def test_the_verdict_comes_first_and_what_the_bundle_lacks_last(result: Result) -> None:
    dice = (PredictedDice("mean", 0.66, 0.5, 0.8), PredictedDice("infarct", 0.61, 0.48, 0.72))
    judged = dataclasses.replace(
        result, verdict=Verdict(Word.CHECK, "infarct unsure", 0.31, 0.7), predicted_dice=dice
    )
    page = render_report(judged)
    assert page.index(">Check<") < page.index('class="sizes"')
    assert "Infarct unsure" in page and "Mean Dice below 0.70: probability 0.31" in page
    assert "<td>0.61</td>" in page and "0.48–0.72" in page
    bare = render_report(dataclasses.replace(result, lacking=("presence", "predicted_dice")))
    assert '<section class="verdict' not in bare
    assert "<dt>Not fitted</dt><dd>presence, predicted dice</dd>" in bare
