"""How sure is a figure over patients? Bootstrap intervals, paired tests, correction for many tests."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

RESAMPLES = 2000

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Summary:
    """Mean and standard deviation (n - 1) over patients with a 95 % bootstrap interval of the mean.

    ``count`` is the number of patients for whom the figure is defined.
    """

    mean: float
    sd: float
    low: float
    high: float
    count: int


def summarise(values: Sequence[float] | np.ndarray, seed: int = 0) -> Summary:
    """Summary of one figure over patients; undefined (NaN) ones are left out, not counted as zero."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return Summary(np.nan, np.nan, np.nan, np.nan, 0)
    low, high = bootstrap_interval(values, seed=seed)
    sd = float(values.std(ddof=1)) if values.size > 1 else float("nan")
    return Summary(float(values.mean()), sd, low, high, int(values.size))


def bootstrap_interval(
    values: np.ndarray, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean over patients; NaN for fewer than two of them."""
    from scipy.stats import bootstrap

    values = np.asarray(values, float)
    if values.size < 2:
        return (float("nan"), float("nan"))
    interval = bootstrap(
        (values,),
        np.mean,
        confidence_level=confidence,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return (float(interval.low), float(interval.high))


def paired_wilcoxon(first: ArrayLike, second: ArrayLike) -> float:
    """Two-sided p of the Wilcoxon signed-rank test over pairs in which both figures are defined.

    Equal pairs are split between the signs (Pratt would bias small samples the other way: scipy's
    "zsplit"); 1 if all pairs are equal or none is left.
    """
    from scipy.stats import wilcoxon

    a, b = np.asarray(first, float), np.asarray(second, float)
    if a.shape != b.shape:
        raise ValueError(f"pairs needed: {a.size} and {b.size} values")
    difference = (a - b)[np.isfinite(a) & np.isfinite(b)]
    if difference.size == 0 or not difference.any():
        return 1.0
    found: Any = wilcoxon(difference, zero_method="zsplit")
    return float(found.pvalue)


def holm(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """Holm's step-down correction (Scand. J. Statist. 1979): adjusted p per test, same keys and order."""
    ordered = sorted(p_values, key=lambda name: p_values[name])
    adjusted: dict[Name, float] = {}
    running = 0.0
    for done, name in enumerate(ordered):
        running = max(running, (len(ordered) - done) * p_values[name])
        adjusted[name] = min(1.0, running)
    return {name: adjusted[name] for name in p_values}
