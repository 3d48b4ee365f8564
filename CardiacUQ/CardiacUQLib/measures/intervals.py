"""Intervals of sizes: the spread over the ensemble's passes, made honest by conformal calibration.

A fitted calibration holds, per size, a scale ``w = constant + per_size * size + per_spread * spread``
and the sorted residuals ``(truth - size) / w`` of cases the networks had not seen (normalised split
conformal prediction; Papadopoulos et al., ECML 2002; Lei et al., JASA 2018). The residuals keep their
sign, so intervals may be lopsided: each is the shortest that covers its level. The distribution of a size
is ``size + w * residuals``.

``spread`` is the standard deviation over the views of one fold, averaged over folds. An out-of-fold
case has passes of one fold only, so this is the one spread that means the same while fitting and in
use; what the folds disagree about is covered by the residuals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LEVEL = 0.90
FEWEST_CASES = 19
"""Below this a 90 % interval needs residuals that were never seen."""
PERCENT_SUFFIX = "_percent"


@dataclass(frozen=True)
class Interval:
    """A 90 % interval in the unit of its size; ``calibrated`` False means raw spread of the passes."""

    low: float
    high: float
    calibrated: bool
    level: float = LEVEL


@dataclass(frozen=True)
class SizeCalibration:
    """The fitted numbers of one size; ``residuals`` ascending and dimensionless, ``cases`` fitted on."""

    constant: float
    per_size: float
    per_spread: float
    residuals: tuple[float, ...]
    cases: int
    passes_per_fold: int = 3

    def scale(self, size: np.ndarray | float, spread: np.ndarray | float) -> np.ndarray | float:
        """Width unit of the interval, in the unit of the size."""
        return self.constant + self.per_size * np.abs(size) + self.per_spread * spread

    def interval(
        self, size: float, spread: float, *, largest: float = math.inf, level: float = LEVEL
    ) -> Interval:
        """Interval around ``size``, clipped to 0..``largest``; it never leaves out the size itself."""
        low, high = shortest_range(self.residuals, level)
        width = self.scale(size, spread)
        return Interval(
            float(np.clip(size + width * min(low, 0.0), 0.0, largest)),
            float(np.clip(size + width * max(high, 0.0), 0.0, largest)),
            calibrated=True,
            level=level,
        )

    def distribution(self, size: float, spread: float, *, largest: float = math.inf) -> np.ndarray:
        """Equally likely values of the true size, ascending."""
        values = size + self.scale(size, spread) * np.asarray(self.residuals)
        return np.clip(values, 0.0, largest)

    def as_json(self) -> dict[str, Any]:
        """Plain numbers for ``manifest.calibration["intervals"][size]``."""
        return {
            "constant": self.constant,
            "per_size": self.per_size,
            "per_spread": self.per_spread,
            "residuals": list(self.residuals),
            "cases": self.cases,
            "passes_per_fold": self.passes_per_fold,
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> SizeCalibration:
        """Inverse of :meth:`as_json`."""
        return cls(
            float(entry["constant"]),
            float(entry["per_size"]),
            float(entry["per_spread"]),
            tuple(float(r) for r in entry["residuals"]),
            int(entry["cases"]),
            int(entry.get("passes_per_fold", 3)),
        )


def residual_quantiles(residuals: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Lower and upper conformal quantile of ascending residuals, with the finite-sample correction.

    The ranks are floor((n + 1) a / 2) and ceil((n + 1) (1 - a / 2)) for a = 1 - level, so each side
    misses at most a / 2 of exchangeable cases.
    """
    n, tail = len(residuals), (1.0 - level) / 2
    below = max(1, math.floor((n + 1) * tail + 1e-9))
    above = min(n, math.ceil((n + 1) * (1 - tail) - 1e-9))
    return residuals[below - 1], residuals[above - 1]


def shortest_range(residuals: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Ends of the shortest stretch of ascending residuals that holds ceil((n + 1) level) + 1 of them.

    Errors of sizes are skewed (a lesion is missed as a whole, or none is there), so equal tails waste width
    on one side. The one residual more pays for having looked for the shortest stretch.
    """
    n = len(residuals)
    held = min(n, math.ceil((n + 1) * level - 1e-9) + 1)
    first = min(range(n - held + 1), key=lambda i: residuals[i + held - 1] - residuals[i])
    return residuals[first], residuals[first + held - 1]


def within_fold_spread(values: np.ndarray, passes_per_fold: int) -> float:
    """Standard deviation over the passes of one fold, root mean square over folds.

    ``values`` (passes,) is ordered fold by fold. Zero for a single pass per fold.
    """
    values = np.asarray(values, float)
    if passes_per_fold < 2 or values.size < 2:
        return 0.0
    if values.size % passes_per_fold:
        return float(values.std(ddof=1))
    return float(np.sqrt(values.reshape(-1, passes_per_fold).var(axis=1, ddof=1).mean()))


def interval_of(
    name: str, size: float | None, pass_values: np.ndarray | None, fitted: Mapping[str, Any] | None
) -> tuple[Interval | None, np.ndarray | None]:
    """Interval and distribution of the size called ``name`` (key with unit, e.g. ``lv_mass_g``).

    ``fitted`` is ``manifest.calibration["intervals"]``. Without an entry for ``name`` the 5th to 95th
    percentile of the passes is given and marked as not calibrated; None without passes or without a size,
    and where all passes give that very size: that they agree does not make it certain.
    """
    finite = None if pass_values is None else np.asarray(pass_values, float)[np.isfinite(pass_values)]
    if size is None or finite is None or finite.size == 0:
        return None, None
    largest = 100.0 if name.endswith(PERCENT_SUFFIX) else math.inf
    if fitted and name in fitted:
        calibration = SizeCalibration.from_json(fitted[name])
        spread = within_fold_spread(finite, calibration.passes_per_fold)
        return (
            calibration.interval(size, spread, largest=largest),
            calibration.distribution(size, spread, largest=largest),
        )
    if finite.size < 2:
        return None, None
    if np.ptp(finite) == 0 and finite[0] == size:
        return None, None
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(min(float(low), size), max(float(high), size), calibrated=False), np.sort(finite)


def crps(samples: np.ndarray, truth: float) -> float:
    """Continuous ranked probability score of equally likely ``samples``, in their unit; 0 is perfect.

    CRPS = E|X - y| - E|X - X'| / 2 (Gneiting and Raftery, JASA 2007, eq. 21).
    """
    x = np.sort(np.asarray(samples, float))
    n = x.size
    half_gini = float(np.sum((2 * np.arange(1, n + 1) - n - 1) * x)) / n**2
    return float(np.abs(x - truth).mean()) - half_gini
