"""Views drawn off-screen look as they are meant to: by what must be in them, and by reference pictures.

``CARDIACUQ_NEW_PICTURES=1 pytest Testing/tests/scene/test_pictures.py`` writes the references anew; look
at them before they are committed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from scene_fixtures import Shown

from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQScene import (
    ReviewSession,
    align_views,
    set_corrections,
    set_heat_map,
    set_outlines_2d,
    set_surfaces_3d,
    show_case,
)
from CardiacUQScene.grid import ijk_to_ras
from CardiacUQScene.render import BACKDROP, SliceView, SurfaceView, montage, read_png, write_png
from CardiacUQScene.views import heart_bounds, jump_to
from CardiacUQScene.voxels import set_volume_array, volume_array

REFERENCES = Path(__file__).parent / "pictures"
FEW_PIXELS = 0.01
"""Share of pixels that may differ by more than the tolerance: anti-aliased edges of another Mesa."""

TOLERANCE = 24


class Stage:
    """A Red view with a case and its review at the first region."""

    def __init__(self, made: Shown, **options: object) -> None:
        self.red = SliceView(made.app, "Red", (360, 360))
        self.made = made
        self.nodes = show_case(made.case, made.volume)
        made.volume.GetDisplayNode().SetAutoWindowLevel(False)
        made.volume.GetDisplayNode().SetWindowLevelMinMax(0, 260)
        align_views(self.nodes)
        set_heat_map(self.nodes, None)
        self.session = ReviewSession(self.nodes, made.case, "Jane")
        self.session.jump(next(n for n, i in enumerate(self.session.items) if i.became == 3))


@pytest.fixture
def stage(shown: Callable[..., Shown]) -> Iterator[Stage]:
    staged = Stage(shown("oblique"))
    yield staged
    staged.red.close()


def compare(name: str, picture: np.ndarray) -> None:
    """Fail if too many pixels differ from the reference picture."""
    path = REFERENCES / f"{name}.png"
    if os.environ.get("CARDIACUQ_NEW_PICTURES"):
        write_png(picture, path)
    expected = read_png(path)
    assert picture.shape == expected.shape
    apart = np.abs(picture.astype(int) - expected.astype(int)).max(axis=-1) > TOLERANCE
    assert apart.mean() <= FEW_PIXELS, f"{name}: {apart.mean():.2%} of the pixels differ"


def count(picture: np.ndarray, colour: str, near: int = 30) -> int:
    """Pixels of about this colour (#RRGGBB)."""
    target = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
    return int((np.abs(picture.astype(int) - target).max(axis=-1) <= near).sum())


def test_outlines_region_and_plain_image(stage: Stage) -> None:
    picture = stage.red.pixels()
    assert count(picture, "#0072B2") > 300  # the wall
    assert count(picture, "#D55E00") > 200  # the cavity
    assert count(picture, "#FFFFFF", near=8) > 150  # the region under review
    set_outlines_2d(stage.nodes, False)
    stage.session.close()
    plain = stage.red.pixels()
    assert (np.ptp(plain.astype(int), axis=-1) <= 2).mean() > 0.999  # grey values alone
    compare("outlines", picture)


def test_heat_map_shows_doubt_and_leaves_certain_tissue_grey(stage: Stage) -> None:
    set_outlines_2d(stage.nodes, False)
    stage.session.close()
    plain = stage.red.pixels()
    set_heat_map(stage.nodes, MapName.SCS, opacity=0.6, threshold=0.15)
    heated = stage.red.pixels()
    changed = np.abs(heated.astype(int) - plain.astype(int)).max(axis=-1) > 10
    legend_side = np.zeros_like(changed)
    legend_side[:, 250:] = True
    assert 0.005 < changed[~legend_side].mean() < 0.2
    assert changed[legend_side].any()  # the legend
    set_heat_map(stage.nodes, MapName.SCS, opacity=0.6, threshold=0.39)
    hidden = stage.red.pixels()
    assert (np.abs(hidden.astype(int) - plain.astype(int)).max(axis=-1) > 10)[~legend_side].mean() < 0.001
    set_heat_map(stage.nodes, None)
    assert np.array_equal(stage.red.pixels(), plain)
    set_outlines_2d(stage.nodes, True)
    set_heat_map(stage.nodes, MapName.SCS, opacity=0.6, threshold=0.05)
    compare("heat_map", stage.red.pixels())


def test_a_decision_is_seen_at_once(stage: Stage) -> None:
    stage.session.close()
    before = stage.red.pixels()
    stage.session.assign(4)
    after = stage.red.pixels()
    assert count(after, "#CC79A7") > count(before, "#CC79A7") + 100
    stage.session.undo()
    stage.session.close()
    assert np.array_equal(stage.red.pixels(), before)


def test_corrections_tint_weakly_and_are_listed(stage: Stage) -> None:
    stage.session.close()
    before = stage.red.pixels()
    set_corrections(stage.nodes, True)
    picture = stage.red.pixels()
    assert count(picture, "#F6EF95", near=40) > 20  # "healthy myocardium -> infarct" in the legend or outline
    assert (picture != before).any()
    compare("corrections", picture)


def test_surfaces_show_infarct_and_mvo_through_the_wall(stage: Stage) -> None:
    set_surfaces_3d(stage.nodes, True)
    view = SurfaceView(stage.made.app, size=(400, 360))
    view.look_at(stage.nodes, azimuth=-60.0, elevation=15.0)
    picture = view.pixels().astype(int)
    red, green, blue = (picture[..., n] for n in range(3))
    backdrop = (np.abs(picture - np.round(255 * np.array(BACKDROP))).max(axis=-1) <= 3).mean()
    assert 0.3 < backdrop < 0.9
    assert ((blue > red + 25) & (blue > green)).mean() > 0.05  # the wall
    assert ((red > blue + 40) & (green > blue + 30)).mean() > 0.005  # the infarct
    compare("surfaces", view.pixels())
    view.close()


def test_pictures_survive_writing_and_joining(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 31, 3), dtype=np.uint8)
    assert np.array_equal(read_png(write_png(picture, tmp_path / "new" / "a.png")), picture)
    both = montage([picture, picture[:, :5]])
    assert both.shape == (20, 31 + 6 + 5, 3)
    assert np.array_equal(both[:, :31], picture)


def test_the_volume_is_drawn_where_the_patient_is(stage: Stage) -> None:
    """One bright voxel lights up at its distance in mm from the heart, which is in the middle of the view."""
    array = np.zeros_like(volume_array(stage.made.volume))
    k, j, i = stage.made.case.segmentation.shape[0] // 2, 40, 30
    array[k, j, i] = 250
    set_volume_array(stage.made.volume, array, ijk_to_ras(stage.made.volume))
    set_outlines_2d(stage.nodes, False)
    stage.session.close()
    bounds = heart_bounds(stage.nodes)
    bright = (ijk_to_ras(stage.made.volume) @ [i, j, k, 1.0])[:3]
    jump_to(stage.nodes, tuple(bright.tolist()))
    rows, columns = np.nonzero(stage.red.pixels().max(axis=-1) > 128)
    assert rows.size > 4
    heart = np.array(bounds).reshape(3, 2).mean(axis=1)
    node = stage.red.logic.GetSliceNode()
    right_mm, up_mm = np.array(
        [[node.GetSliceToRAS().GetElement(row, column) for row in range(3)] for column in range(2)]
    ) @ (bright - heart)
    pixel_mm = node.GetFieldOfView()[0] / 360
    assert columns.mean() == pytest.approx(179.5 + right_mm / pixel_mm, abs=4.0)
    assert rows.mean() == pytest.approx(179.5 - up_mm / pixel_mm, abs=4.0)
