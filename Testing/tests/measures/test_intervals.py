"""Conformal intervals: ranks by hand, coverage by simulation, the score of a distribution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from CardiacUQLib.measures.intervals import (
    Scale,
    SizeCalibration,
    crps,
    fitted_intervals,
    interval_of,
    residual_quantiles,
    reviewed_interval_of,
    shortest_range,
    within_fold_spread,
)


def test_conformal_ranks_of_eighty_cases():
    residuals = np.arange(1.0, 81.0)
    assert residual_quantiles(residuals, 0.90) == (4.0, 77.0)  # floor(81 * 0.05), ceil(81 * 0.95)


def test_fewest_cases_give_the_extremes():
    assert residual_quantiles(np.arange(19.0), 0.90) == (0.0, 18.0)


def test_spread_is_taken_inside_folds():
    folds_apart = np.array([10.0, 12.0, 14.0, 110.0, 112.0, 114.0])
    assert within_fold_spread(folds_apart, 3) == pytest.approx(2.0)
    assert within_fold_spread(folds_apart, 1) == 0.0
    assert within_fold_spread(folds_apart[:3], 3) == pytest.approx(2.0)


def test_interval_is_size_plus_scaled_residuals_clipped():
    fitted = SizeCalibration(Scale(1.0, 0.1, 2.0), tuple(np.linspace(-1, 1, 39)), 39)
    interval = fitted.interval(20.0, 0.5)  # scale 1 + 2 + 1 = 4; 37 of 39 residuals, the first such stretch
    low, high = np.linspace(-1, 1, 39)[[0, 36]]
    assert (interval.low, interval.high) == pytest.approx((20 + 4 * low, 20 + 4 * high))
    near_zero = fitted.interval(0.3, 0.0)
    assert near_zero.low == 0.0
    assert fitted.interval(99.9, 5.0, largest=100.0).high == 100.0


def test_biased_residuals_never_exclude_the_size():
    fitted = SizeCalibration(Scale(1.0), tuple(np.linspace(2, 5, 30)), 30)
    interval = fitted.interval(10.0, 0.0)
    assert interval.low == 10.0
    assert interval.high > 14.0


def test_calibration_survives_json():
    fitted = SizeCalibration(Scale(0.5, 0.25, 1.5), (-1.0, 0.0, 2.0), 3, passes_per_fold=2)
    assert SizeCalibration.from_json(fitted.as_json()) == fitted
    whole = replace(fitted, above=Scale(2.0, per_doubt=1.0), at_zero=fitted)
    assert fitted_intervals({"lv_mass_g": whole.as_json(), "fitted_on": {"cases": 3}}) == {"lv_mass_g": whole}


def test_an_earlier_bundle_has_three_coefficients():
    entry = {"constant": 1.0, "per_size": 0.1, "per_spread": 2.0, "residuals": [-1.0, 1.0], "cases": 2}
    found = SizeCalibration.from_json(entry)
    assert found == SizeCalibration(Scale(1.0, 0.1, 2.0), (-1.0, 1.0), 2)


def test_every_term_of_the_scale_counts():
    scale = Scale(1.0, per_size=0.1, per_spread=2.0, per_root=0.5, per_doubt=3.0)
    assert scale.width(16.0, 0.5, 0.2) == pytest.approx(1.0 + 1.6 + 1.0 + 2.0 + 0.6)


def test_a_scale_above_and_a_calibration_at_zero():
    residuals = tuple(np.linspace(-1, 1, 41))
    zero = SizeCalibration(Scale(0.5), residuals, 41)
    fitted = SizeCalibration(Scale(1.0), residuals, 41, above=Scale(3.0, per_doubt=1.0), at_zero=zero)
    shown, none = fitted.interval(20.0, doubt=2.0), fitted.interval(0.0, doubt=2.0)
    low, high = shortest_range(residuals)
    assert (shown.low, shown.high) == pytest.approx((20 + low, 20 + 5 * high))
    assert (none.low, none.high) == pytest.approx((0.0, 0.5 * high))
    assert fitted.distribution(20.0, doubt=2.0)[[0, -1]] == pytest.approx([19.0, 25.0])


def test_another_unit_changes_nothing_but_the_unit():
    residuals = tuple(np.linspace(-1, 1, 41))
    fitted = SizeCalibration(Scale(1.0, 0.1, 2.0, 0.5, 3.0), residuals, 41, above=Scale(2.0, per_root=1.0))
    ml, grams = fitted.interval(20.0, 0.5, 0.2), fitted.in_unit(1.05).interval(21.0, 0.525, 0.21)
    assert (grams.low, grams.high) == pytest.approx((1.05 * ml.low, 1.05 * ml.high))


def test_a_reviewed_size_needs_no_passes():
    fitted = {"infarct_share_of_lv_percent": SizeCalibration(Scale(1.0), tuple(np.linspace(-1, 1, 41)), 41)}
    interval, distribution = reviewed_interval_of("infarct_share_of_lv_percent", 99.8, fitted)
    assert interval.calibrated and interval.high == 100.0 and len(distribution) == 41
    assert reviewed_interval_of("infarct_share_of_lv_percent", None, fitted) == (None, None)
    assert reviewed_interval_of("lv_mass_g", 99.8, fitted) == (None, None)


def test_without_calibration_the_passes_are_shown_as_such():
    interval, distribution = interval_of("lv_mass_g", 100.0, np.arange(90.0, 111.0), {})
    assert not interval.calibrated
    assert (interval.low, interval.high) == pytest.approx((91.0, 109.0))
    assert len(distribution) == 21


def test_no_passes_no_interval():
    assert interval_of("lv_mass_g", 100.0, None, {}) == (None, None)
    assert interval_of("lv_mass_g", None, np.ones(3), {}) == (None, None)
    assert interval_of("lv_mass_g", 100.0, np.array([100.0]), {}) == (None, None)
    assert interval_of("ef_percent", 50.0, np.array([np.nan, np.nan]), {}) == (None, None)


def test_passes_that_all_agree_make_no_interval_of_width_zero():
    assert interval_of("mvo_volume_ml", 0.0, np.zeros(15), {}) == (None, None)
    interval, _ = interval_of("mvo_volume_ml", 0.5, np.zeros(15), {})
    assert (interval.low, interval.high) == (0.0, 0.5), "the final size lies elsewhere: that is a spread"


def test_crps_by_hand():
    assert crps(np.array([3.0]), 5.0) == pytest.approx(2.0)
    assert crps(np.array([0.0, 2.0]), 1.0) == pytest.approx(1.0 - 0.5)
    assert crps(np.array([1.0, 2.0, 4.0]), 2.0) == pytest.approx(1.0 - (2 * (1 + 3 + 2) / 9) / 2)


def test_crps_of_a_normal_distribution():
    """Closed form at the mean: sigma (sqrt(2) - 1) / sqrt(pi)."""
    from scipy.stats import norm

    samples = 7.0 + 3.0 * norm.ppf((np.arange(2000) + 0.5) / 2000)
    assert crps(samples, 7.0) == pytest.approx(3.0 * (np.sqrt(2) - 1) / np.sqrt(np.pi), rel=1e-3)


@settings(deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.floats(-100, 100))
def test_crps_is_never_negative_and_moves_along(samples, truth):
    score = crps(np.array(samples), truth)
    assert score >= -1e-9
    assert crps(np.array(samples) + 3.0, truth + 3.0) == pytest.approx(score, abs=1e-9)


def test_distribution_has_the_interval_inside():
    fitted = SizeCalibration(Scale(1.0, per_spread=1.0), tuple(np.linspace(-2, 3, 80)), 80)
    interval, distribution = interval_of(
        "ef_percent", 50.0, np.full(6, 50.0), fitted_intervals({"ef_percent": fitted.as_json()})
    )
    inside = np.mean((distribution >= interval.low) & (distribution <= interval.high))
    assert interval.calibrated
    assert inside == pytest.approx(74 / 80)  # ranks 4 to 77 of 80


def test_the_shortest_range_leaves_out_the_far_tail() -> None:
    residuals = np.concatenate([np.linspace(0, 1, 36), [5.0, 6.0, 7.0]])  # 39: holds ceil(36) + 1 = 37
    assert shortest_range(residuals, 0.90) == (0.0, 5.0)
    assert shortest_range(np.arange(10.0), 0.90) == (0.0, 9.0)
    both = np.sort(np.concatenate([-np.linspace(0, 1, 40), np.linspace(0, 1, 40)]))
    low, high = shortest_range(both, 0.90)
    assert high - low < 2.0 and np.mean((both >= low) & (both <= high)) >= 0.90
