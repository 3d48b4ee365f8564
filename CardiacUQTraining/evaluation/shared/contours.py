"""Fitting contour bands: how the reader's contour lies to the scores, and the narrowest band that holds it.

Of every case is kept which share of the reader's contour, and how much area, lies at which score. The limits
are the pair with the narrowest mean band whose mean share outside, one case of the worst kind added, stays
below what is allowed (conformal risk control); of the forms of the score the one with the narrowest band is
taken. Both choices are made inside a fit and judged on cases outside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from CardiacUQLib.bundles.manifest import ClassInfo
from CardiacUQLib.uncertainty.bands import (
    SHARE,
    BandCalibration,
    BandFit,
    BandForm,
    band_structures,
    contour_scores,
    covered_share,
    structure_score,
)

REACH, BINS = 12.0, 240
EDGES = np.linspace(-REACH, REACH, BINS + 1)
"""Scores at which limits may lie; a contour beyond is in no band."""
FEWEST_CONTOURS = 19


@dataclass(frozen=True)
class ContourHistogram:
    """Per bin of the score: ``share`` of the length of the reader's contour, and ``width_mm``, the area of
    the pixels by that length. The shares add up to less than 1 where a part is out of reach."""

    share: tuple[float, ...]
    width_mm: tuple[float, ...]


Contours = Mapping[str, Mapping[str, ContourHistogram]]
"""By structure and form of the score; without a structure that the reader has not drawn."""


@dataclass(frozen=True)
class JudgedBand:
    """What the band of one structure of a case held of the reader's contour, and its width in mm."""

    covered: float
    width_mm: float


def contours_of(
    both: np.ndarray,
    labels: np.ndarray,
    truth: np.ndarray,
    classes: Sequence[ClassInfo],
    pixel_mm: tuple[float, float],
) -> dict[str, dict[str, ContourHistogram]]:
    """Histograms of one case; ``both`` (C, z, y, x) is the mean softmax of both opinions, ``labels`` and
    ``truth`` (z, y, x), ``pixel_mm`` (y, x)."""
    found: dict[str, dict[str, ContourHistogram]] = {}
    for name, values in band_structures(classes).items():
        reader = np.isin(truth, values)
        if not reader.any():
            continue
        found[name] = {
            form.value: _histogram(form, both, labels, reader, values, pixel_mm) for form in BandForm
        }
    return found


def _histogram(
    form: BandForm,
    both: np.ndarray,
    labels: np.ndarray,
    reader: np.ndarray,
    values: Sequence[int],
    pixel_mm: tuple[float, float],
) -> ContourHistogram:
    score, _, window = structure_score(form, both, labels, values, pixel_mm)
    at, lengths = contour_scores(score, reader[window], pixel_mm)
    total = contour_scores(np.zeros(reader.shape), reader, pixel_mm)[1].sum()
    share = np.histogram(at, EDGES, weights=lengths)[0] / total
    area = np.histogram(score[np.isfinite(score)], EDGES)[0] * pixel_mm[0] * pixel_mm[1] / total
    return ContourHistogram(*(tuple(float(f"{v:.4g}") for v in column) for column in (share, area)))


def fit_bands(cases: Sequence[Contours]) -> BandCalibration | None:
    """The bands of every structure that enough readers have drawn; None if there is none."""
    names = dict.fromkeys(name for case in cases for name in case)
    fits = {name: _fit([case[name] for case in cases if name in case]) for name in names}
    found = {name: fit for name, fit in fits.items() if fit is not None}
    return BandCalibration(found) if found else None


def _fit(cases: Sequence[Mapping[str, ContourHistogram]]) -> BandFit | None:
    if len(cases) < FEWEST_CONTOURS:
        return None
    best: tuple[float, BandFit] | None = None
    for form in BandForm:
        share, width = (
            np.concatenate([[0.0], np.mean([getattr(case[form.value], name) for case in cases], axis=0)])
            for name in ("share", "width_mm")
        )
        limits = narrowest(np.cumsum(share), np.cumsum(width), len(cases))
        if limits is not None and (best is None or limits[2] < best[0]):
            inner, outer = (round(float(EDGES[at]), 2) for at in limits[:2])
            best = limits[2], BandFit(form, inner, outer)
    return None if best is None else best[1]


def narrowest(
    share: np.ndarray, width: np.ndarray, cases: int, wanted: float = SHARE
) -> tuple[int, int, float] | None:
    """Bins of the limits and the width of the narrowest band; ``share`` and ``width`` are cumulative means.

    The share within must reach ``(n + 1) wanted / n``, so that it does with one more case that has nothing
    within. Limits at either end of the reach are none: there the contour is out of reach.
    """
    least = wanted * (cases + 1) / cases
    within = share[None, :] - share[:, None]
    across = np.where(within >= least - 1e-9, width[None, :] - width[:, None], np.inf)
    across[0], across[:, -1] = np.inf, np.inf
    first, last = np.unravel_index(int(across.argmin()), across.shape)
    if not math.isfinite(across[first, last]):
        return None
    return int(first), int(last), float(across[first, last])


def judge_histograms(fit: BandCalibration | None, contours: Contours) -> dict[str, JudgedBand]:
    """What bands with these limits hold of the contours of a case."""
    found = {}
    for name, by_form in contours.items():
        one = None if fit is None else fit.structures.get(name)
        if one is None:
            continue
        first, last = (round((limit + REACH) / (2 * REACH) * BINS) for limit in (one.inner, one.outer))
        at = by_form[one.form.value]
        found[name] = JudgedBand(sum(at.share[first:last]), sum(at.width_mm[first:last]))
    return found


def judge_bands(
    fit: BandCalibration | None,
    both: np.ndarray,
    labels: np.ndarray,
    band_maps: Mapping[str, np.ndarray],
    truth: np.ndarray,
    classes: Sequence[ClassInfo],
    pixel_mm: tuple[float, float],
) -> dict[str, JudgedBand]:
    """What the bands of a case, as they are given to a user, hold of the reader's contours."""
    found = {}
    for name, values in band_structures(classes).items():
        reader = np.isin(truth, values)
        if fit is None or name not in band_maps or not reader.any():
            continue
        one = fit.structures[name]
        score, _, window = structure_score(one.form, both, labels, values, pixel_mm)
        inside = covered_share(score, one, reader[window], pixel_mm)
        total = contour_scores(np.zeros(reader.shape), reader, pixel_mm)[1].sum()
        held = contour_scores(np.zeros(score.shape), reader[window], pixel_mm)[1].sum() / total
        area = (band_maps[name] == 1).sum() * pixel_mm[0] * pixel_mm[1]
        covered = 0.0 if math.isnan(inside) else inside * held
        found[name] = JudgedBand(float(covered), float(area / total))
    return found


def measured(
    fit: BandCalibration | None, judged: Sequence[Mapping[str, JudgedBand]]
) -> BandCalibration | None:
    """The fit with what bands held on cases outside of theirs."""
    if fit is None:
        return None
    structures = {}
    for name, one in fit.structures.items():
        cases = [bands[name] for bands in judged if name in bands]
        figures: dict[str, float | None] = {"covered": None, "width_mm": None}
        if cases:
            figures = {key: round(float(np.mean([getattr(c, key) for c in cases])), 4) for key in figures}
        structures[name] = BandFit(one.form, one.inner, one.outer, **figures)
    return BandCalibration(structures, fit.share)
