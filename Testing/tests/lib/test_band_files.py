"""Contour bands of a case: in its folder, read back, in its report, and from the way that segments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from review_cases import make_result, with_bands, write_image

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.cases.writing import write_case
from CardiacUQLib.images.reading import read_stored_map
from CardiacUQLib.inference.result import Result
from CardiacUQLib.report import can_render
from CardiacUQLib.report.page import render_report
from CardiacUQLib.uncertainty.bands import BETWEEN, INSIDE
from CardiacUQLib.uncertainty.verdict import Verdict, Word


def banded(folder: Path, storage: str = "axial") -> Result:
    """A case of the phantom with bands around its labels."""
    image = folder / "heart.nii.gz"
    return with_bands(make_result(image, write_image(image, storage)))


@pytest.mark.parametrize("storage", ["axial", "sagittal", "left-handed"])
def test_a_folder_holds_the_bands_on_the_grid_of_the_scan(tmp_path: Path, storage: str) -> None:
    result = banded(tmp_path, storage)
    case = read_case(write_case(result, tmp_path / "cases"))
    assert case.bands == result.bands and set(case.band_maps) == {"blood pool", "infarct"}
    for name, band in case.band_maps.items():
        np.testing.assert_array_equal(band, result.band_maps[name])
    stored = read_stored_map(case.folder / "band_blood_pool.nii.gz", case.source_geometry)
    np.testing.assert_array_equal(case.storage.from_stored(stored), result.band_maps["blood pool"])
    inside, band = (case.band_maps["blood pool"] == value for value in (INSIDE, BETWEEN))
    assert (inside <= (case.segmentation == 1)).all() and band.any()
    (case.folder / "band_infarct.nii.gz").unlink()
    with pytest.raises(InputError, match="band_infarct"):
        read_case(case.folder)


@pytest.mark.skipif(not can_render(), reason="the report needs jinja2 and Pillow")
def test_the_report_draws_them_and_says_what_they_are(tmp_path: Path) -> None:
    result = banded(tmp_path)
    page = render_report(result)
    assert "Contour bands" in page and "mm inside to" in page and "90 % of a reader" in page
    assert page.count("no RV insertion point") == 1, "said once, under the bull's-eyes"
    assert "contour bands of blood pool" in page and "it held 91 % in unseen cases" in page
    odd = replace(result, verdict=Verdict(Word.REDO, "unlike the training scans: noise"))
    assert "it held" not in (page := render_report(odd)) and "not measured on scans like this" in page
    assert "Contour bands" not in render_report(replace(result, bands=(), band_maps={}))
