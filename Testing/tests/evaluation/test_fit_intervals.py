"""Intervals fitted on simulated readers: coverage on fresh cases, use of the spread, no false promise."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from CardiacUQLib.measures.intervals import LEVEL, fitted_intervals, interval_of
from CardiacUQTraining.evaluation.shared.agreement import SizeRecord
from CardiacUQTraining.evaluation.shared.fit_intervals import (
    Form,
    column_of,
    cross_validated_coverage,
    fit_intervals,
    narrowest,
)
from CardiacUQTraining.evaluation.shared.fit_scale import fit_scale, quantile_scale

KEY = "infarct_share_of_lv_percent"


def simulated(seed: int, count: int, passes: int = 3) -> list[SizeRecord]:
    """Shares of 0 to 40 %, a third of them zero; errors lopsided and twice the spread of the passes."""
    random = np.random.default_rng(seed)
    records = []
    for n in range(count):
        size = 0.0 if n % 3 == 0 else random.uniform(2.0, 40.0)
        spread = 0.1 + 0.05 * size * random.uniform(0.3, 3.0)
        truth = max(0.0, size + 2.0 * spread * random.gamma(2.0, 1.0) - 2.0 * spread)
        values = np.clip(size + random.normal(0, spread, passes), 0, 100)
        records.append(SizeRecord(f"c{n:04d}", {KEY: truth}, {KEY: size}, {KEY: values}))
    return records


@pytest.fixture(scope="module")
def fitted():
    return fitted_intervals(fit_intervals(simulated(1, 300), passes_per_fold=3))


def test_fresh_cases_are_covered_as_promised(fitted):
    fresh = simulated(2, 1500)
    inside = 0
    for record in fresh:
        interval, _ = interval_of(KEY, record.predicted[KEY], record.passes[KEY], fitted)
        inside += interval.low - 1e-9 <= record.reference[KEY] <= interval.high + 1e-9
    assert inside / len(fresh) == pytest.approx(LEVEL, abs=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_eighty_cases_suffice_for_honest_coverage(seed):
    found = cross_validated_coverage(simulated(seed, 80), passes_per_fold=3)[KEY]
    assert found.cases == 80
    assert 0.85 <= found.coverage <= 0.98
    assert found.coverage == pytest.approx(1 - found.below - found.above)


def test_several_divisions_make_coverage_a_figure_of_the_cases_and_not_of_their_names():
    """The same cases by other names are dealt into other tenths."""
    records, orders = simulated(7, 60, passes=1), range(6)
    found = {1: [], 6: []}
    for order in orders:
        names = np.random.default_rng(order).permutation(len(records))
        renamed = [dataclasses.replace(r, case=f"c{n:04d}") for r, n in zip(records, names, strict=True)]
        for divisions, shares in found.items():
            one = cross_validated_coverage(renamed, 1, (Form.ROOT,), divisions=divisions)[KEY]
            shares.append(one.coverage)
    assert np.ptp(found[6]) < np.ptp(found[1])
    assert np.mean(found[6]) == pytest.approx(LEVEL, abs=0.04)


def test_calibrated_distribution_scores_better_than_raw_passes():
    found = cross_validated_coverage(simulated(5, 240), passes_per_fold=3)[KEY]
    assert found.crps < found.crps_passes
    assert found.crps < found.crps_point


def test_a_case_whose_passes_disagree_gets_a_wider_interval(fitted):
    calm, _ = interval_of(KEY, 20.0, np.array([19.9, 20.0, 20.1]), fitted)
    torn, _ = interval_of(KEY, 20.0, np.array([15.0, 20.0, 25.0]), fitted)
    assert torn.high - torn.low > 1.5 * (calm.high - calm.low)


def test_many_folds_without_disagreement_inside_are_no_wider(fitted):
    one, _ = interval_of(KEY, 20.0, np.array([19.0, 20.0, 21.0]), fitted)
    five, _ = interval_of(KEY, 20.0, np.tile([19.0, 20.0, 21.0], 5), fitted)
    assert (one.low, one.high) == pytest.approx((five.low, five.high))


def test_scale_finds_its_coefficients():
    random = np.random.default_rng(0)
    size, spread = random.uniform(0, 40, 20000), random.uniform(0, 3, 20000)
    residual = random.laplace(0, 0.5 + 0.05 * size + 0.8 * spread)
    design = np.stack([np.ones_like(size), size, spread], axis=1)
    assert fit_scale(design, residual) == pytest.approx([0.5, 0.05, 0.8], rel=0.1)


def test_quantile_regression_finds_the_quantile_of_every_size():
    random = np.random.default_rng(0)
    size = random.uniform(0, 40, 2000)
    residual = random.uniform(0, 1, 2000) * (2.0 + 0.1 * size)
    design = np.stack([np.ones_like(size), size], axis=1)
    assert quantile_scale(design, residual, 0.95) == pytest.approx([1.9, 0.095], rel=0.05)


def test_the_form_that_knows_what_matters_wins():
    """Errors as wide as what is in doubt, which the spread of the passes says nothing about."""
    random = np.random.default_rng(7)
    records = []
    for n in range(120):
        size, doubt = random.uniform(5, 40), random.uniform(0.1, 6.0)
        truth, values = size + doubt * random.laplace(), size + random.normal(0, 1.0, 3)
        records.append(SizeRecord(f"c{n:04d}", {KEY: truth}, {KEY: size}, {KEY: values}, {KEY: doubt}))
    chosen, calibration = narrowest(column_of(records, KEY, 3), 3)
    assert chosen == Form.DOUBT
    sure, unsure = (calibration.interval(20.0, 1.0, doubt) for doubt in (0.2, 5.0))
    assert unsure.high - unsure.low > 5 * (sure.high - sure.low)
    ours, constant = (
        cross_validated_coverage(records, 3, forms)[KEY] for forms in (tuple(Form), (Form.CONSTANT,))
    )
    assert ours.coverage >= 0.86 and ours.mean_width < constant.mean_width
    assert np.mean(ours.scores) < np.mean(constant.scores) and len(ours.widths) == 120


def test_a_size_of_zero_gets_its_own_interval_where_that_is_narrower():
    """Nothing shown is nearly always right; what is shown is off by up to ten."""
    random = np.random.default_rng(8)
    records = []
    for n in range(120):
        size = 0.0 if n % 2 else random.uniform(10, 40)
        truth = size + (random.uniform(0, 0.2) if n % 2 else random.uniform(-10, 10))
        records.append(SizeRecord(f"c{n:04d}", {KEY: truth}, {KEY: size}, {KEY: np.full(3, size)}))
    chosen, calibration = narrowest(column_of(records, KEY, 3), 3, (Form.CONSTANT,))
    assert chosen == "constant, shown or not"
    assert calibration.interval(0.0).high < 0.5 and calibration.interval(20.0).high > 25


def test_flawless_cases_promise_no_flawless_future():
    """All but one case without error: the unit of width stays above zero."""
    residual = np.zeros(40)
    residual[7] = 4.0
    coefficients = fit_scale(np.stack([np.ones(40), np.zeros(40)], axis=1), residual)
    assert coefficients[0] >= 0.1 * 4.0 / 40


def test_too_few_cases_are_not_calibrated():
    assert fit_intervals(simulated(1, 18), passes_per_fold=3) == {}
    assert cross_validated_coverage(simulated(1, 30), passes_per_fold=3) == {}


def test_undefined_sizes_do_not_count():
    records = simulated(1, 40)
    for n, record in enumerate(records):
        share = float("nan") if n % 2 else 5.0
        record.reference["mvo_share_of_infarct_percent"] = share
        record.predicted["mvo_share_of_infarct_percent"] = 4.0
        record.passes["mvo_share_of_infarct_percent"] = np.array([3.0, 4.0, 5.0])
    entry = fit_intervals(records, passes_per_fold=3)["mvo_share_of_infarct_percent"]
    assert entry["cases"] == 20


def test_order_of_the_cases_does_not_matter():
    records = simulated(4, 60)
    assert fit_intervals(records, 3) == fit_intervals(records[::-1], 3)


def test_large_data_sets_keep_a_bounded_number_of_residuals():
    entry = fit_intervals(simulated(3, 400), 3)[KEY]
    assert entry["cases"] == 400
    assert len(entry["residuals"]) == 199
    assert entry["residuals"] == sorted(entry["residuals"])
