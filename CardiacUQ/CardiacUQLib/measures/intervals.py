"""Intervals of sizes: the spread over the ensemble's passes, made honest by conformal calibration.

A fitted calibration holds, per size, a scale ``w`` that is linear in the size, its root, ``spread`` and
``doubt``, and the sorted residuals ``(truth - size) / w`` of cases the networks had not seen (normalised
split conformal prediction; Papadopoulos et al., ECML 2002; Lei et al., JASA 2018). The residuals keep their
sign, so intervals may be lopsided: each is the shortest that covers its level. The distribution of a size
is ``size + w * residuals``. A scale of its own for what lies above the size gives conformalised quantile
regression (Romano et al., NeurIPS 2019), a calibration of its own holds for a size of 0.

``spread`` is the standard deviation over the views of one fold, averaged over folds; ``doubt`` the sum of
p (1 - p) over the structure, in the unit of the size. An out-of-fold case has passes of one fold only, so
these mean the same while fitting and in use; what the folds disagree about is covered by the residuals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
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
class Scale:
    """Width unit of an interval, in the unit of the size; no coefficient is negative."""

    constant: float
    per_size: float = 0.0
    per_spread: float = 0.0
    per_root: float = 0.0
    per_doubt: float = 0.0

    def width(self, size: float, spread: float = 0.0, doubt: float = 0.0) -> float:
        """The unit for a size of which the passes know ``spread`` and ``doubt``."""
        known = self.per_spread * spread + self.per_doubt * doubt
        return self.constant + self.per_size * abs(size) + self.per_root * math.sqrt(abs(size)) + known

    def in_unit(self, factor: float) -> Scale:
        """The same for the size in another unit, ``factor`` of which make one: only what is not
        proportional to something in the unit of the size changes."""
        return replace(self, constant=self.constant * factor, per_root=self.per_root * math.sqrt(factor))


@dataclass(frozen=True)
class SizeCalibration:
    """The fitted numbers of one size; ``residuals`` ascending and dimensionless, ``cases`` fitted on.

    ``above`` is the scale of what lies above the size where it is not ``scale``; ``at_zero`` holds for a
    size of 0, which none of the networks' structure is.
    """

    scale: Scale
    residuals: tuple[float, ...]
    cases: int
    passes_per_fold: int = 3
    above: Scale | None = None
    at_zero: SizeCalibration | None = None

    def interval(
        self,
        size: float,
        spread: float = 0.0,
        doubt: float = 0.0,
        *,
        largest: float = math.inf,
        level: float = LEVEL,
    ) -> Interval:
        """Interval around ``size``, clipped to 0..``largest``; it never leaves out the size itself."""
        if self.at_zero is not None and size == 0:
            return self.at_zero.interval(size, spread, doubt, largest=largest, level=level)
        low, high = shortest_range(self.residuals, level)
        below, above = self._widths(size, spread, doubt)
        return Interval(
            float(np.clip(size + below * min(low, 0.0), 0.0, largest)),
            float(np.clip(size + above * max(high, 0.0), 0.0, largest)),
            calibrated=True,
            level=level,
        )

    def distribution(
        self, size: float, spread: float = 0.0, doubt: float = 0.0, *, largest: float = math.inf
    ) -> np.ndarray:
        """Equally likely values of the true size, ascending."""
        if self.at_zero is not None and size == 0:
            return self.at_zero.distribution(size, spread, doubt, largest=largest)
        residuals, (below, above) = np.asarray(self.residuals), self._widths(size, spread, doubt)
        return np.clip(size + np.where(residuals < 0, below, above) * residuals, 0.0, largest)

    def _widths(self, size: float, spread: float, doubt: float) -> tuple[float, float]:
        below = self.scale.width(size, spread, doubt)
        return below, below if self.above is None else self.above.width(size, spread, doubt)

    def in_unit(self, factor: float) -> SizeCalibration:
        """The calibration of the same size in another unit, ``factor`` of which make one."""
        return replace(
            self,
            scale=self.scale.in_unit(factor),
            above=None if self.above is None else self.above.in_unit(factor),
            at_zero=None if self.at_zero is None else self.at_zero.in_unit(factor),
        )

    def as_json(self) -> dict[str, Any]:
        """Plain numbers for ``manifest.calibration["intervals"][size]``."""
        entry: dict[str, Any] = {
            **asdict(self.scale),
            "residuals": list(self.residuals),
            "cases": self.cases,
            "passes_per_fold": self.passes_per_fold,
        }
        entry |= {} if self.above is None else {"above": asdict(self.above)}
        return entry | ({} if self.at_zero is None else {"at_zero": self.at_zero.as_json()})

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> SizeCalibration:
        """Inverse of :meth:`as_json`; earlier bundles have three coefficients."""
        above, at_zero = entry.get("above"), entry.get("at_zero")
        return cls(
            _scale(entry),
            tuple(float(r) for r in entry["residuals"]),
            int(entry["cases"]),
            int(entry.get("passes_per_fold", 3)),
            None if above is None else _scale(above),
            None if at_zero is None else cls.from_json(at_zero),
        )


def _scale(entry: Mapping[str, Any]) -> Scale:
    return Scale(**{one.name: float(entry.get(one.name, 0.0)) for one in fields(Scale)})


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
    name: str,
    size: float | None,
    pass_values: np.ndarray | None,
    fitted: Mapping[str, SizeCalibration],
    doubt: float = 0.0,
) -> tuple[Interval | None, np.ndarray | None]:
    """Interval and distribution of the size called ``name`` (key with unit, e.g. ``lv_mass_g``).

    ``fitted`` is what :func:`fitted_intervals` reads. Without an entry for ``name`` the 5th to 95th
    percentile of the passes is given and marked as not calibrated; None without passes or without a size,
    and where all passes give that very size: that they agree does not make it certain.
    """
    finite = None if pass_values is None else np.asarray(pass_values, float)[np.isfinite(pass_values)]
    if size is None or finite is None or finite.size == 0:
        return None, None
    largest = 100.0 if name.endswith(PERCENT_SUFFIX) else math.inf
    if name in fitted:
        calibration = fitted[name]
        spread = within_fold_spread(finite, calibration.passes_per_fold)
        return (
            calibration.interval(size, spread, doubt, largest=largest),
            calibration.distribution(size, spread, doubt, largest=largest),
        )
    if finite.size < 2:
        return None, None
    if np.ptp(finite) == 0 and finite[0] == size:
        return None, None
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(min(float(low), size), max(float(high), size), calibrated=False), np.sort(finite)


def fitted_intervals(stored: Mapping[str, Any] | None) -> dict[str, SizeCalibration]:
    """The calibrations of ``manifest.calibration["intervals"]`` by key of the size."""
    return {
        key: SizeCalibration.from_json(entry) for key, entry in (stored or {}).items() if "residuals" in entry
    }


def reviewed_interval_of(
    name: str, size: float | None, fitted: Mapping[str, SizeCalibration]
) -> tuple[Interval | None, np.ndarray | None]:
    """Interval and distribution of a size that a reader has corrected, from calibrations of reviewed cases:
    they know no passes. None without one."""
    if size is None or name not in fitted:
        return None, None
    largest = 100.0 if name.endswith(PERCENT_SUFFIX) else math.inf
    return fitted[name].interval(size, largest=largest), fitted[name].distribution(size, largest=largest)


def crps(samples: np.ndarray, truth: float) -> float:
    """Continuous ranked probability score of equally likely ``samples``, in their unit; 0 is perfect.

    CRPS = E|X - y| - E|X - X'| / 2 (Gneiting and Raftery, JASA 2007, eq. 21).
    """
    x = np.sort(np.asarray(samples, float))
    n = x.size
    half_gini = float(np.sum((2 * np.arange(1, n + 1) - n - 1) * x)) / n**2
    return float(np.abs(x - truth).mean()) - half_gini
