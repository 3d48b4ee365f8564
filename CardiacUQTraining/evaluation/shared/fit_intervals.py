"""Fitting the intervals of sizes on predictions of folds that had not seen the case.

The width unit of a case is ``w = constant + per_size * |size| + per_spread * spread`` with coefficients
that are not negative, by maximum likelihood of Laplace residuals: a case whose passes disagree, or whose
size is large, gets a wider interval. The residuals ``(truth - size) / w`` kept for the conformal step are
themselves cross-fitted, so that three coefficients cannot make them look smaller than they are.

What the fit cannot know: a bundle in use averages all its folds, a cross-validated case has one. The
ensemble's sizes are a little better than those fitted here, so its intervals err on the wide side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from CardiacUQLib.measures.intervals import (
    FEWEST_CASES,
    LEVEL,
    SizeCalibration,
    crps,
    within_fold_spread,
)
from CardiacUQLib.measures.size_catalogue import SIZES

from .agreement import SizeRecord

PARTS = 10
MOST_RESIDUALS = 199
DERIVED = tuple(info.key for info in SIZES if info.same_as is not None)
"""Not fitted: the same size as another one in another unit."""


@dataclass(frozen=True)
class Coverage:
    """How intervals of one size did on cases outside their fit; widths and scores in its unit.

    ``crps`` is the score of the calibrated distribution, ``crps_passes`` of the raw passes,
    ``crps_point`` that of the size without any spread (its mean absolute error).
    """

    cases: int
    coverage: float
    below: float
    above: float
    mean_width: float
    crps: float
    crps_passes: float
    crps_point: float


@dataclass(frozen=True)
class _Column:
    """One size over the cases in which it is defined."""

    truth: np.ndarray
    size: np.ndarray
    spread: np.ndarray
    passes: tuple[np.ndarray, ...]

    def take(self, rows: np.ndarray) -> _Column:
        return _Column(
            self.truth[rows], self.size[rows], self.spread[rows], tuple(self.passes[n] for n in rows)
        )


def fit_intervals(records: Sequence[SizeRecord], passes_per_fold: int) -> dict[str, dict[str, object]]:
    """Content of ``manifest.calibration["intervals"]``: one entry per size with enough cases.

    ``passes_per_fold`` is the number of views of the bundle. Sizes defined in fewer than 19 cases,
    or of which every pass of every case gives one and the same value, are left out: their intervals
    stay marked as not calibrated.
    """
    fitted = {}
    for key in _keys(records):
        column = _column(records, key, passes_per_fold)
        if column.truth.size >= FEWEST_CASES and (np.ptp(column.size) > 0 or column.spread.any()):
            fitted[key] = _fit(column, passes_per_fold).as_json()
    return fitted


def cross_validated_coverage(records: Sequence[SizeRecord], passes_per_fold: int) -> dict[str, Coverage]:
    """Coverage and score of every size, each tenth of the cases judged by a fit on the other nine."""
    return {
        key: _coverage(_column(records, key, passes_per_fold), key, passes_per_fold)
        for key in _keys(records)
        if _column(records, key, passes_per_fold).truth.size >= 2 * FEWEST_CASES
    }


def _keys(records: Sequence[SizeRecord]) -> list[str]:
    return [key for key in (records[0].reference if records else ()) if key not in DERIVED]


def _column(records: Sequence[SizeRecord], key: str, passes_per_fold: int) -> _Column:
    """Cases in which reader and model both have the size, ordered by name so that parts are the same
    whatever the order of the data."""
    known = [
        r
        for r in sorted(records, key=lambda r: r.case)
        if np.isfinite(r.reference[key])
        and np.isfinite(r.predicted[key])
        and np.isfinite(r.passes[key]).any()
    ]
    passes = tuple(r.passes[key][np.isfinite(r.passes[key])] for r in known)
    return _Column(
        np.array([r.reference[key] for r in known]),
        np.array([r.predicted[key] for r in known]),
        np.array([within_fold_spread(values, passes_per_fold) for values in passes]),
        passes,
    )


def _fit(column: _Column, passes_per_fold: int) -> SizeCalibration:
    constant, per_size, per_spread = (
        float(c) for c in fit_scale(column.truth - column.size, column.size, column.spread)
    )
    residuals = np.empty(column.truth.size)
    for rows, others in _parts(column.truth.size):
        part, rest = column.take(rows), column.take(others)
        scale = _scale(fit_scale(rest.truth - rest.size, rest.size, rest.spread), part.size, part.spread)
        residuals[rows] = (part.truth - part.size) / scale
    return SizeCalibration(
        constant, per_size, per_spread, _thinned(residuals), int(residuals.size), passes_per_fold
    )


def fit_scale(residual: np.ndarray, size: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Coefficients (constant, per size, per spread) of the width unit, none negative.

    Minimises the mean of log w + |residual| / w. The constant is at least a tenth of the mean absolute
    residual: a row of cases without any error must not promise that there never is one.
    """
    error = np.abs(residual)
    typical = max(float(error.mean()), 1e-9)
    sizes, spreads = max(float(np.abs(size).mean()), 1e-9), max(float(spread.mean()), 1e-9)
    design = np.stack([np.ones_like(error), np.abs(size) / sizes, spread / spreads], axis=1)

    def loss(c: np.ndarray) -> tuple[float, np.ndarray]:
        w = design @ c
        return float(np.mean(np.log(w) + error / typical / w)), design.T @ (
            1 / w - error / typical / w**2
        ) / w.size

    bounds = [(0.1, None), (0.0, None), (0.0, None)]
    found = minimize(loss, np.array([0.4, 0.3, 0.3]), jac=True, bounds=bounds, method="L-BFGS-B").x
    return found * typical / np.array([1.0, sizes, spreads])


def _scale(coefficients: np.ndarray, size: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return coefficients[0] + coefficients[1] * np.abs(size) + coefficients[2] * spread


def _coverage(column: _Column, key: str, passes_per_fold: int) -> Coverage:
    largest = 100.0 if key.endswith("_percent") else np.inf
    rows = []
    for part, others in _parts(column.truth.size):
        calibration = _fit(column.take(others), passes_per_fold)
        for n in part:
            truth, size, spread = (float(values[n]) for values in (column.truth, column.size, column.spread))
            interval = calibration.interval(size, spread, largest=largest, level=LEVEL)
            samples = calibration.distribution(size, spread, largest=largest)
            rows.append(
                (
                    truth < interval.low - 1e-9,
                    truth > interval.high + 1e-9,
                    interval.high - interval.low,
                    crps(samples, truth),
                    crps(column.passes[n], truth),
                    abs(truth - size),
                )
            )
    below, above, width, score, raw, point = np.mean(np.asarray(rows, float), axis=0)
    return Coverage(
        len(rows), *(float(v) for v in (1 - below - above, below, above, width, score, raw, point))
    )


def _parts(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Every tenth case and all others, ten times."""
    rows = np.arange(count)
    parts = min(PARTS, count)
    return [(rows[rows % parts == n], rows[rows % parts != n]) for n in range(parts)]


def _thinned(residuals: np.ndarray) -> tuple[float, ...]:
    """Ascending; at most 199 quantiles of them, the extremes included."""
    ordered = np.sort(residuals)
    if ordered.size > MOST_RESIDUALS:
        ordered = np.quantile(ordered, np.linspace(0, 1, MOST_RESIDUALS))
    return tuple(float(round(r, 5)) for r in ordered)
