"""Contour bands and class probabilities in the browser: what is sent, drawn and said at the cursor."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from review_cases import make_banded, make_placed, make_result, with_bands, write_image
from serving import change_case, enter, serving

from CardiacUQLib.cases.casefolder import CaseFolder, read_case
from CardiacUQLib.cases.probabilities import read_class_probabilities
from CardiacUQLib.cases.writing import write_case


def with_probabilities(folder: Path, storage: str = "sagittal") -> CaseFolder:
    """A case with bands and the probabilities of its classes, sure of nothing."""
    image = folder / "heart.nii.gz"
    result = with_bands(make_result(image, write_image(image, storage)))
    random = np.random.default_rng(3)
    p = random.dirichlet(np.ones(5), result.segmentation.shape).astype(np.float32)
    result = replace(result, probabilities=np.moveaxis(p, -1, 0))
    return read_case(write_case(result, folder / "out", name="heart"))


def test_bands_travel_as_they_lie_in_the_files(tmp_path: Path) -> None:
    case = with_probabilities(tmp_path)
    with serving(case.folder) as server:
        server.enter()
        about = server.json("/api/cases/0")
        assert [band["name"] for band in about["bands"]] == ["band_blood_pool", "band_infarct"]
        assert about["bands"][0]["words"].endswith("it held 91 % in unseen cases")
        assert about["bands"][0]["colour"] == "#D55E00" and about["bands"][0]["share"] == "90 %"
        stored = case.read_stored("band_infarct")
        sent = server.runs("/api/cases/0/labels/band_infarct", stored.shape)
        np.testing.assert_array_equal(sent, stored)
        assert server.ask("GET", "/api/cases/0/labels/band_mvo")[0] == 400


def test_chances_are_the_words_of_the_file(tmp_path: Path) -> None:
    case = with_probabilities(tmp_path)
    chances = read_class_probabilities(case.folder, case.classes)
    with serving(case.folder) as server:
        server.enter()
        assert server.json("/api/cases/0")["has_probabilities"]
        shape = chances.geometry.shape
        for voxel in (0, 4711, int(np.prod(shape)) - 1):
            place = tuple(map(int, np.unravel_index(voxel, shape)))
            assert server.json(f"/api/cases/0/chances/{voxel}") == {"words": chances.words(place)}
        status, _, content = server.ask("GET", f"/api/cases/0/chances/{np.prod(shape)}")
        assert status == 400 and b"has no voxel" in content


def test_a_case_without_probabilities_says_so(tmp_path: Path) -> None:
    case = make_banded(tmp_path)
    with serving(case.folder) as server:
        server.enter()
        assert not server.json("/api/cases/0")["has_probabilities"]
        status, _, content = server.ask("GET", "/api/cases/0/chances/1")
        assert status == 422 and b"class probabilities were not stored" in content


def test_the_list_counts_places_and_not_corrected_regions(tmp_path: Path) -> None:
    result = make_placed(tmp_path)
    result = replace(result, looks=result.looks[:2])
    folder = write_case(result, tmp_path / "out", name="heart")
    with serving(folder) as server:
        server.enter()
        (listed,) = server.json("/api/cohort")["cases"]
        assert listed["regions"] == server.json("/api/cases/0")["listed"] == 2 < len(result.components)
        change_case(folder, evidence={})
        assert server.json("/api/cohort")["cases"][0]["regions"] == len(result.components)


# -- in a real browser


def drawn(browser) -> np.ndarray:
    """Pixels of the large slice, uint8 (rows, columns, RGB)."""
    address = browser.js("review.stage.paint(); return review.stage.canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"))


def test_bands_are_drawn_by_one_key_and_said(browser, tmp_path: Path) -> None:
    case = with_probabilities(tmp_path, "oblique")
    with serving(case.folder) as server:
        enter(browser, server)
        browser.press("h", "l")  # neither heat map nor outlines
        browser.js("review.stage.setItem(null); review.stage.go(2)")
        plain = drawn(browser)
        assert browser.element("#bands").is_displayed()
        browser.press("b")
        browser.wait(lambda: browser.js("return review.case.bandCodes.size") == 2)
        browser.wait(lambda: "it held 91 % in unseen cases" in browser.text("legend"))
        assert "90 % of a reader's contour" in browser.text("legend")
        changed = np.abs(drawn(browser).astype(int) - plain).max(axis=-1) > 8
        assert 0.005 < changed.mean() < 0.5
        browser.press("b")
        browser.wait(lambda: "unseen cases" not in browser.text("legend"))
        np.testing.assert_array_equal(drawn(browser), plain)
        assert browser.complaints() == []


def test_a_case_without_bands_has_no_switch(browser, cohort: Path) -> None:
    with serving(cohort) as server:
        enter(browser, server)
        assert not browser.element("#bands").is_displayed()
        browser.press("b")
        assert browser.complaints() == []


@pytest.mark.parametrize("stored", [True, False])
def test_the_cursor_tells_the_class_probabilities(browser, tmp_path: Path, stored: bool) -> None:
    case = with_probabilities(tmp_path) if stored else make_banded(tmp_path, "sagittal")
    with serving(case.folder) as server:
        enter(browser, server)
        browser.move(*browser.centre())
        if not stored:
            browser.wait(lambda: browser.text("probe").endswith("class probabilities were not stored"))
            return
        browser.wait(lambda: browser.text("probe").count("%") >= 1)
        voxel = browser.js("return [...review.case.said.keys()].pop()")
        chances = read_class_probabilities(case.folder, case.classes)
        place = tuple(map(int, np.unravel_index(int(voxel), chances.geometry.shape)))
        assert browser.text("probe").endswith(f"· {chances.words(place)}")
        assert browser.complaints() == []
