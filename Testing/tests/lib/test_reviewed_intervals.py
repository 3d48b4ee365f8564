"""After a review, sizes have the interval of reviewed cases: everywhere, and only once all is decided."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from review_cases import make_placed

from CardiacUQLib.cases.casefolder import CaseFolder, read_case
from CardiacUQLib.cases.writing import write_case
from CardiacUQLib.measures.intervals import Scale, SizeCalibration
from CardiacUQLib.report import publish
from CardiacUQLib.review import CaseMaps, Review, corrected_measures, corrected_sizes

SHARE, MASS, INFARCT = "infarct_share_of_lv_percent", "lv_mass_g", "infarct_mass_g"
FITTED = {
    SHARE: SizeCalibration(Scale(1.0), tuple(np.linspace(-2, 2, 41)), 41).as_json(),
    "infarct_volume_ml": SizeCalibration(Scale(1.0), tuple(np.linspace(-1, 1, 41)), 41).as_json(),
}


@pytest.fixture
def case(tmp_path: Path) -> CaseFolder:
    """A case whose bundle knew intervals of reviewed cases."""
    result = make_placed(tmp_path)
    result = replace(result, measures={**result.measures, "reviewed_intervals": FITTED})
    return read_case(write_case(result, tmp_path / "cases"))


def review_of(case: CaseFolder) -> Review:
    return Review(CaseMaps.of(case), "Jane Doe")


def paint(review: Review) -> None:
    """Ten voxels of muscle become infarct."""
    labels = review.labels.copy()
    labels[tuple(np.argwhere(labels == 2)[:10].T)] = 3
    review.edited(-1, labels)


def decide_all(review: Review) -> None:
    for index in range(review.listed):
        review.keep(index)


def test_no_interval_before_all_places_are_decided(case: CaseFolder) -> None:
    review = review_of(case)
    paint(review)
    for content in (corrected_measures(review), corrected_sizes(review)):
        assert content["sizes"][SHARE]["interval"] is None
        assert "intervals follow when every listed place is decided" in content["notes"]


def test_then_the_interval_of_reviewed_cases_about_the_corrected_size(case: CaseFolder) -> None:
    review = review_of(case)
    paint(review)
    decide_all(review)
    full, quick = corrected_measures(review), corrected_sizes(review)
    for content in (full, quick):
        size = content["sizes"][SHARE]
        low, high = size["interval"]
        assert high - low == pytest.approx(3.8), "39 of 41 residuals a tenth apart"
        assert size["value"] - 2.0 <= low and high <= size["value"] + 2.0
        assert size["calibrated"] and size["level"] == 0.9
        assert "(90 %:" in content["headline"]
        assert content["sizes"][MASS]["interval"] is None, "none was fitted"
        grams = content["sizes"][INFARCT]
        assert grams["interval"][1] - grams["interval"][0] == pytest.approx(1.05 * 1.9, abs=1e-3)
    assert full["headline"] == quick["headline"]


def test_a_reader_who_changes_nothing_has_reviewed_all_the_same(case: CaseFolder) -> None:
    before, review = case.measures["sizes"][SHARE], review_of(case)
    decide_all(review)
    after = corrected_measures(review)["sizes"][SHARE]
    assert after["value"] == before["value"] and after["interval"] != before["interval"]
    assert after["interval"][1] - after["interval"][0] < 4.0


def test_it_is_written_and_gone_when_all_is_undone(case: CaseFolder) -> None:
    review = review_of(case)
    decide_all(review)
    publish(review)
    written = json.loads((case.folder / "measures.json").read_text("utf-8"))
    assert written["sizes"][SHARE]["interval"] == pytest.approx(
        corrected_measures(review)["sizes"][SHARE]["interval"], abs=1e-3
    )
    while review.can_undo:
        review.undo()
    publish(review)
    assert json.loads((case.folder / "measures.json").read_text("utf-8")) == dict(case.model_measures)


def test_a_bundle_without_such_fits_gives_none(tmp_path: Path) -> None:
    case = read_case(write_case(make_placed(tmp_path), tmp_path / "cases"))
    review = review_of(case)
    paint(review)
    decide_all(review)
    content = corrected_measures(review)
    assert content["sizes"][SHARE]["interval"] is None
    assert not any("intervals follow" in note for note in content["notes"])
