"""Sizes of judged phantoms: the page tells agreement, the bundle learns intervals that segment() uses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind, Manifest, RoiSpec, View
from CardiacUQTraining.evaluation.assessment.looking import CaseLooks
from CardiacUQTraining.evaluation.lge.reviewed import reviewed_record
from CardiacUQTraining.evaluation.lge.sizes import size_figures, size_record, sizes_section
from CardiacUQTraining.evaluation.shared.cases import CaseArrays, CaseFigures, CaseStore
from CardiacUQTraining.evaluation.shared.judged import Judged

MANIFEST = Manifest(
    "toy", "1", BundleKind.CASCADE, "toy", "none", "none", LGE_CLASSES, RoiSpec(96, None), {}, (),
    views=(View.IDENTITY, View.HORIZONTAL),
)  # fmt: skip


def case(random, name, infarct=True):
    """Labels with a wall of 400 voxels, 100 of them infarct in truth, up to 20 off in the prediction."""
    truth, predicted = np.zeros((2, 4, 20, 20), np.uint8)
    for labels, extra in ((truth, 0), (predicted, int(random.integers(-20, 21)))):
        flat = labels.reshape(-1)
        flat[:200] = 1
        flat[200:600] = 2
        if infarct:
            flat[200 : 300 + extra] = 3
    arrays = CaseArrays(
        np.zeros(truth.shape, np.float32), truth, predicted, predicted, {}, (2.0, 2.0, 10.0), (7, 0, 0, 2, 0),
        np.zeros(truth.shape, np.float32),
    )  # fmt: skip
    volumes = np.bincount(predicted.ravel(), minlength=5) * 0.04
    outside = np.array((7, 0, 0, 2, 0))
    reference = (np.bincount(truth.ravel(), minlength=5) + outside) * 0.04
    passes = [(volumes * factor).tolist() for factor in (0.95, 1.05)]
    figures = CaseFigures(name, "P", (0,), 0.1, {}, {}, {}, passes, reference.tolist(), volumes.tolist())
    return figures, arrays


@pytest.fixture
def judged(tmp_path):
    random = np.random.default_rng(0)
    store = CaseStore(tmp_path, "key")
    figures = {}
    for n in range(48):
        one, arrays = case(random, f"c{n:02d}", infarct=n % 4 > 0)
        store.save(one, arrays)
        figures[one.case] = store.load(one.case)
    return Judged(figures, {}, store)


def test_sizes_are_those_of_the_whole_image():
    one, _ = case(np.random.default_rng(1), "a")
    record = size_record(one, MANIFEST)
    assert record.reference["infarct_volume_ml"] == pytest.approx(102 * 0.04)
    assert record.reference["lv_mass_g"] == pytest.approx(1.05 * 402 * 0.04)
    assert record.passes["lv_mass_g"] == pytest.approx(1.05 * 400 * 0.04 * np.array([0.95, 1.05]))


def test_sizes_agree_and_intervals_cover(judged):
    found = size_figures(judged, MANIFEST, {}, fit=True)
    assert found.agreement["lv_mass_g"].count == 48
    assert found.agreement["infarct_volume_ml"].concordance > 0.9
    assert 0.8 <= found.coverage["infarct_share_of_lv_percent"].coverage <= 1.0
    assert found.fitted["infarct_volume_ml"]["cases"] == 48
    assert found.fitted["infarct_volume_ml"]["passes_per_fold"] == 2


def test_page_lists_agreement_and_coverage_only_where_fitted(judged):
    page = sizes_section(size_figures(judged, MANIFEST, {}, fit=True))
    assert "| Infarct share of LV mass (%) | 48 |" in page
    assert "CRPS" in page
    assert "CRPS" not in sizes_section(size_figures(judged, MANIFEST, {}, fit=False))


def test_nothing_to_measure_gives_nothing(judged):
    no_heart = dataclasses.replace(MANIFEST, classes=LGE_CLASSES[:1])
    assert size_figures(judged, no_heart, {}, fit=True) is None
    assert size_figures(dataclasses.replace(judged, figures={}), MANIFEST, {}, fit=True) is None


def test_a_reviewed_case_is_right_where_the_reader_looked_and_its_interval_narrower(judged):
    """The first half of all slices is listed and corrected, the third place is not listed."""
    first, rest = np.zeros((4, 20, 20), bool), np.zeros((4, 20, 20), bool)
    first.reshape(-1)[:310], rest.reshape(-1)[310:] = True, True
    looks = {case: CaseLooks((first, rest), 1, {}, {}, {}, {}) for case in judged.figures}
    one, arrays = judged.figures["c01"], judged.store.arrays("c01")
    record = reviewed_record(one, arrays, looks["c01"], LGE_CLASSES)
    corrected = np.where(first, arrays.truth, arrays.segmentation)
    assert record.predicted["infarct_volume_ml"] == pytest.approx((corrected == 3).sum() * 0.04)
    assert record.reference["infarct_volume_ml"] == pytest.approx(one.reference_ml[3])
    found = size_figures(judged, MANIFEST, looks, fit=True)
    key = "infarct_volume_ml"
    assert found.reviewed.cases == 48 and found.reviewed.fitted[key]["per_spread"] == 0
    assert found.reviewed.coverage[key].mean_width < found.coverage[key].mean_width
    page = sizes_section(found)
    assert "Intervals of reviewed cases: 48 cases" in page and "The form of the width" in page
