"""Statistics over patients, pinned by values worked out by hand."""

import numpy as np
import pytest

from CardiacUQTraining.evaluation.shared.statistics import (
    bootstrap_interval,
    holm,
    paired_wilcoxon,
    summarise,
)


def test_summary_leaves_undefined_patients_out():
    found = summarise([1.0, float("nan"), 3.0])
    assert (found.mean, found.count) == (2.0, 2)
    assert found.sd == pytest.approx(np.sqrt(2))
    assert found.low == 1.0 and found.high == 3.0


def test_summary_of_nothing_and_of_one():
    assert summarise([]).count == 0 and np.isnan(summarise([]).mean)
    one = summarise([0.5])
    assert one.mean == 0.5 and np.isnan(one.sd) and np.isnan(one.low)


def test_bootstrap_interval_covers_the_mean_and_shrinks_with_n(rng):
    small, large = rng.normal(0.7, 0.1, 20), rng.normal(0.7, 0.1, 2000)
    low, high = bootstrap_interval(large)
    assert low < large.mean() < high
    # normal theory: 2 * 1.96 * 0.1 / sqrt(2000)
    assert high - low == pytest.approx(2 * 1.96 * large.std() / np.sqrt(2000), rel=0.1)
    assert np.subtract(*bootstrap_interval(small)[::-1]) > high - low
    assert bootstrap_interval(small) == bootstrap_interval(small)


def test_wilcoxon_exact_value():
    # five positive differences without ties: exact two-sided p = 2 / 2**5
    assert paired_wilcoxon([2, 4, 6, 8, 11], [1, 2, 3, 4, 5]) == pytest.approx(2 / 32)


def test_wilcoxon_ignores_undefined_pairs_and_equal_series():
    assert paired_wilcoxon([2, 4, 6, 8, 11, np.nan], [1, 2, 3, 4, 5, 0]) == pytest.approx(2 / 32)
    assert paired_wilcoxon([1, 2], [1, 2]) == 1.0
    assert paired_wilcoxon([], []) == 1.0
    with pytest.raises(ValueError, match="pairs"):
        paired_wilcoxon([1.0], [1.0, 2.0])


def test_holm_by_hand():
    # sorted: .01*4, .02*3, .03*2, .04*1 made non-decreasing
    adjusted = holm({"a": 0.04, "b": 0.01, "c": 0.03, "d": 0.02})
    assert adjusted == pytest.approx({"a": 0.06, "b": 0.04, "c": 0.06, "d": 0.06})
    assert list(adjusted) == ["a", "b", "c", "d"]
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}
