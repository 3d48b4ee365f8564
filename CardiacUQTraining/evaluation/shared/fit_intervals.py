"""Fitting the intervals of sizes on predictions of folds that had not seen the case.

The width unit of a case is linear in few things it knows, with coefficients that are not negative, by
maximum likelihood of Laplace residuals. Which things is a competition of :class:`Form`, and whether a size
of 0 has an interval of its own; the narrowest wins, inside each fit. The residuals ``(truth - size) / w``
kept for the conformal step are themselves cross-fitted, so that the coefficients cannot make them look
smaller than they are.

What the fit cannot know: a bundle in use averages all its folds, a cross-validated case has one. The
ensemble's sizes are a little better than those fitted here, so its intervals err on the wide side.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from CardiacUQLib.measures.intervals import (
    FEWEST_CASES,
    LEVEL,
    Scale,
    SizeCalibration,
    crps,
    within_fold_spread,
)
from CardiacUQLib.measures.size_catalogue import SIZES

from .agreement import SizeRecord
from .fit_scale import fit_scale, quantile_scale

PARTS = 10
MOST_RESIDUALS = 199
FEWEST_BEYOND = 3
"""Cases beyond either quantile without which quantile regression only joins dots."""
DERIVED = tuple(info.key for info in SIZES if info.same_as is not None)
"""Not fitted: the same size as another one in another unit."""


class Form(enum.StrEnum):
    """What the width of an interval may depend on."""

    CONSTANT = "constant"
    ROOT = "root of the size"
    SPREAD = "size and spread of the passes"
    DOUBT = "doubt"
    QUANTILES = "quantile regression on size and doubt"

    @property
    def terms(self) -> tuple[str, ...]:
        """Fields of :class:`Scale` beside the constant."""
        return {
            Form.ROOT: ("per_root",),
            Form.SPREAD: ("per_size", "per_spread"),
            Form.DOUBT: ("per_doubt",),
            Form.QUANTILES: ("per_size", "per_doubt"),
        }.get(self, ())


WITHOUT_PASSES = (Form.ROOT,)
"""What knows nothing but the size itself: for labels that a reader has corrected. One form, since a choice
costs coverage and a constant width is wider in every size but LV mass, in which both are alike."""


@dataclass(frozen=True)
class Coverage:
    """How intervals of one size did on cases outside their fit; widths and scores in its unit.

    ``crps`` is the score of the calibrated distribution, ``crps_passes`` of the raw passes,
    ``crps_point`` that of the size without any spread (its mean absolute error). ``widths`` and ``scores``
    (interval score, Gneiting and Raftery, JASA 2007, eq. 43) are by case, in the order of the names.
    """

    cases: int
    coverage: float
    below: float
    above: float
    mean_width: float
    crps: float
    crps_passes: float
    crps_point: float
    widths: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Column:
    """One size over the cases in which it is defined."""

    truth: np.ndarray
    size: np.ndarray
    spread: np.ndarray
    doubt: np.ndarray
    passes: tuple[np.ndarray, ...]
    largest: float = np.inf

    def take(self, rows: np.ndarray) -> Column:
        """The cases in these rows."""
        return Column(
            self.truth[rows],
            self.size[rows],
            self.spread[rows],
            self.doubt[rows],
            tuple(self.passes[n] for n in rows),
            self.largest,
        )

    def term(self, name: str) -> np.ndarray:
        """What a field of :class:`Scale` multiplies."""
        return {
            "constant": np.ones_like(self.size),
            "per_size": np.abs(self.size),
            "per_root": np.sqrt(np.abs(self.size)),
            "per_spread": self.spread,
            "per_doubt": self.doubt,
        }[name]


def fit_intervals(
    records: Sequence[SizeRecord], passes_per_fold: int, forms: Sequence[Form] = tuple(Form)
) -> dict[str, dict[str, object]]:
    """Content of ``manifest.calibration["intervals"]``: one entry per size with enough cases.

    ``passes_per_fold`` is the number of views of the bundle, ``forms`` those that compete. Sizes defined in
    fewer than 19 cases, or of which every pass of every case gives one and the same value, are left out:
    their intervals stay marked as not calibrated.
    """
    fitted: dict[str, dict[str, object]] = {}
    for key in _keys(records):
        column = column_of(records, key, passes_per_fold)
        if column.truth.size >= FEWEST_CASES and (np.ptp(column.size) > 0 or column.spread.any()):
            form, calibration = narrowest(column, passes_per_fold, forms)
            fitted[key] = {"form": form, **calibration.as_json()}
    return fitted


def cross_validated_coverage(
    records: Sequence[SizeRecord],
    passes_per_fold: int,
    forms: Sequence[Form] = tuple(Form),
    *,
    divisions: int = 1,
) -> dict[str, Coverage]:
    """Coverage and score of every size, each tenth of the cases judged by a fit on the other nine, the choice
    of the form included.

    With several ``divisions`` the mean over as many ways to deal the cases into tenths: which cases share
    one moves the coverage of eighty by some points.
    """
    found = {}
    for key in _keys(records):
        column = column_of(records, key, passes_per_fold)
        if column.truth.size >= 2 * FEWEST_CASES:
            found[key] = _coverage(column, passes_per_fold, forms, divisions)
    return found


def _keys(records: Sequence[SizeRecord]) -> list[str]:
    return [key for key in (records[0].reference if records else ()) if key not in DERIVED]


def column_of(records: Sequence[SizeRecord], key: str, passes_per_fold: int) -> Column:
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
    return Column(
        np.array([r.reference[key] for r in known]),
        np.array([r.predicted[key] for r in known]),
        np.array([within_fold_spread(values, passes_per_fold) for values in passes]),
        np.array([r.doubts.get(key, 0.0) for r in known]),
        passes,
        100.0 if key.endswith("_percent") else np.inf,
    )


def narrowest(
    column: Column, passes_per_fold: int, forms: Sequence[Form] = tuple(Form)
) -> tuple[str, SizeCalibration]:
    """The form with the narrowest intervals on these cases, and its calibration.

    Every form holds nine tenths of the cross-fitted residuals, so that width alone decides. A calibration of
    its own for a size of 0 competes where there are enough cases on either side.
    """
    shown = column.size != 0
    parts = [np.flatnonzero(shown), np.flatnonzero(~shown)]
    found: list[tuple[float, str, SizeCalibration]] = []
    for form in [form for form in forms if _may_compete(form, column)] or [Form.CONSTANT]:
        calibration = _fit(column, form, passes_per_fold)
        found.append((_mean_width(calibration, column), form.value, calibration))
        if min(part.size for part in parts) >= 2 * FEWEST_CASES:
            there, absent = (_fit(column.take(part), form, passes_per_fold) for part in parts)
            both = dataclasses.replace(there, at_zero=absent)
            found.append((_mean_width(both, column), f"{form.value}, shown or not", both))
    return min(found, key=lambda one: one[0])[1:]


def _may_compete(form: Form, column: Column) -> bool:
    """Whether its terms differ between the cases, and enough of them lie beyond a quantile to draw it."""
    if form is Form.QUANTILES and column.truth.size * (1.0 - LEVEL) / 2 < FEWEST_BEYOND:
        return False
    return not form.terms or any(column.term(name).any() for name in form.terms)


def _mean_width(calibration: SizeCalibration, column: Column) -> float:
    intervals = [
        calibration.interval(*map(float, known), largest=column.largest)
        for known in zip(column.size, column.spread, column.doubt, strict=True)
    ]
    return float(np.mean([one.high - one.low for one in intervals]))


def _fit(column: Column, form: Form, passes_per_fold: int) -> SizeCalibration:
    below, above = _scales(column, form)
    residuals = np.empty(column.truth.size)
    for rows, others in _parts(column.truth.size):
        part = column.take(rows)
        residuals[rows] = _normalised(part, *_scales(column.take(others), form))
    upper = None if above is below else above
    return SizeCalibration(below, _thinned(residuals), int(residuals.size), passes_per_fold, upper)


def _scales(column: Column, form: Form) -> tuple[Scale, Scale]:
    """Those of what lies below and above the size."""
    names = ("constant", *form.terms)
    design = np.stack([column.term(name) for name in names], axis=1)
    residual = column.truth - column.size
    if form is Form.QUANTILES:
        below, above = (quantile_scale(design, sign * residual, 0.5 + LEVEL / 2) for sign in (-1.0, 1.0))
        return _scale(names, below), _scale(names, above)
    both = _scale(names, fit_scale(design, residual))
    return both, both


def _scale(names: Sequence[str], coefficients: np.ndarray) -> Scale:
    return Scale(**{name: float(f"{c:.6g}") for name, c in zip(names, coefficients, strict=True)})


def _normalised(column: Column, below: Scale, above: Scale) -> np.ndarray:
    error = column.truth - column.size
    widths = [
        (below if e < 0 else above).width(*map(float, known))
        for e, *known in zip(error, column.size, column.spread, column.doubt, strict=True)
    ]
    return error / np.array(widths)


def _coverage(column: Column, passes_per_fold: int, forms: Sequence[Form], divisions: int) -> Coverage:
    count = column.truth.size
    every = [_judged(column, passes_per_fold, forms, _parts(count, number)) for number in range(divisions)]
    rows = np.mean(every, axis=0)
    below, above, width, score, raw, point = (float(v) for v in rows[:, :6].mean(axis=0))
    by_case = (tuple(float(round(v, 4)) for v in rows[:, n]) for n in (2, 6))
    return Coverage(len(rows), 1 - below - above, below, above, width, score, raw, point, *by_case)


def _judged(
    column: Column,
    passes_per_fold: int,
    forms: Sequence[Form],
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    """One row per case: missed below, missed above, width, three CRPS, interval score."""
    rows = np.zeros((column.truth.size, 7))
    for part, others in parts:
        calibration = narrowest(column.take(others), passes_per_fold, forms)[1]
        for n in part:
            truth, *known = (float(v[n]) for v in (column.truth, column.size, column.spread, column.doubt))
            interval = calibration.interval(*known, largest=column.largest, level=LEVEL)
            samples = calibration.distribution(*known, largest=column.largest)
            width, missed = (
                interval.high - interval.low,
                max(interval.low - truth, truth - interval.high, 0.0),
            )
            rows[n] = (
                truth < interval.low - 1e-9,
                truth > interval.high + 1e-9,
                width,
                crps(samples, truth),
                crps(column.passes[n], truth),
                abs(truth - known[0]),
                width + 2 / (1 - LEVEL) * missed,
            )
    return rows


def _parts(count: int, division: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Every tenth case and all others, ten times; of the cases in their order, or shuffled from the second
    division on."""
    order = np.random.default_rng(division).permutation(count) if division else np.arange(count)
    place, rows, parts = np.argsort(order), np.arange(count), min(PARTS, count)
    return [(rows[place % parts == n], rows[place % parts != n]) for n in range(parts)]


def _thinned(residuals: np.ndarray) -> tuple[float, ...]:
    """Ascending; at most 199 quantiles of them, the extremes included."""
    ordered = np.sort(residuals)
    if ordered.size > MOST_RESIDUALS:
        ordered = np.quantile(ordered, np.linspace(0, 1, MOST_RESIDUALS))
    return tuple(float(round(r, 5)) for r in ordered)
