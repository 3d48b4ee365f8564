"""Base and apex of a cine frame: in which slices is a structure at all, judged by the stack as a whole?

Networks that see a slice and its neighbours cannot tell a basal ventricle from an atrium, and give up thin
apical structures. Where a structure begins and ends follows from how its area changes from slice to slice,
how much wall is around the cavity, and what the other structures do there. Logistic regressions on these, one
per structure and fold, fitted by ``CardiacUQTraining.evaluation.cine.fit_slices`` on frames that the fold's
networks were trained on, by the predictions of those that were not: so the figures of a held-out frame come
from networks and rules that have both not seen it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..base.errors import ModelError
from .linear import LinearModel

KEY = "slice_presence"
"""Name of the fit in ``manifest.calibration``."""
STRUCTURES = ("RV", "myocardium", "LV")
"""Class names, in the order of the rows below."""
PRESENT_FROM = 0.6
"""Probability from which on a structure is drawn in a slice. Drawing it is worth P D with D the Dice of such
a slice, not drawing it 1 - P, as in :mod:`.presence`; at base and apex D is about 0.7, so P = 1 / (1 + D)."""

_SHARED = (
    "share of largest: RV", "share of largest: myocardium", "share of largest: LV",
    "share of largest towards apex: myocardium", "share of largest towards apex: LV",
    "mean probability: RV", "mean probability: myocardium", "mean probability: LV",
    "cavity to wall here", "largest cavity to largest wall", "largest RV to largest cavity",
    "closed wall", "closed wall towards apex", "closed wall towards base",
    "below first cavity (cm)", "above last cavity (cm)", "first slice", "last slice", "basal half",
)  # fmt: skip
_OWN = (
    "share of largest", "area", "highest probability", "mean probability", "share of largest towards base",
    "share of largest towards apex", "growth from apex", "growth from base",
)  # fmt: skip
EVIDENCE = (*_OWN, *_SHARED)

_CM2, _PIXEL_CM2 = 100.0, 0.0225
"""mm2 in a cm2; the area, one pixel of 1.5 mm, that keeps logarithms of nothing finite."""


@dataclass(frozen=True)
class FoldPresence:
    """Log-odds, by class name, that a structure is in a slice; with what one network fold may know."""

    structures: Mapping[str, LinearModel]

    def __post_init__(self) -> None:
        if strange := sorted(set(self.structures) - set(STRUCTURES)):
            raise ValueError(f'"{strange[0]}" is no structure of a cine; known are {", ".join(STRUCTURES)}')


@dataclass(frozen=True)
class SlicePresence:
    """``manifest.calibration["slice_presence"]``: by network fold (as text)."""

    folds: Mapping[str, FoldPresence]
    fitted_on: Mapping[str, Any] = field(default_factory=dict)

    def probabilities(
        self, evidence: Mapping[str, Sequence[Mapping[str, float]]], folds: Sequence[int]
    ) -> dict[str, np.ndarray]:
        """P(structure in slice) (z,) by class name: the mean over ``folds``; raises ModelError if one is
        missing."""
        if missing := [fold for fold in folds if str(fold) not in self.folds]:
            raise ModelError(f"calibration: {KEY} knows no fold {missing[0]}; fit the bundle anew")
        chosen = [self.folds[str(fold)].structures for fold in folds]
        return {
            name: np.array(
                [np.mean([models[name].probability(row) for models in chosen]) for row in evidence[name]]
            )
            for name in STRUCTURES
            if all(name in models for models in chosen)
        }


def slice_evidence(
    areas: np.ndarray,
    highest: np.ndarray,
    mean: np.ndarray,
    closed: np.ndarray,
    drawn_cavity: np.ndarray,
    pixel_mm2: float,
    slice_mm: float,
) -> dict[str, list[dict[str, float]]]:
    """What speaks for a structure in a slice, by class name, slice by slice in the order given.

    ``areas`` (3, z) are sums of the probabilities of :data:`STRUCTURES` over the pixels, ``highest`` their
    maxima, ``mean`` their means where they are drawn (0 where they are not), ``closed`` (z,) the share of the
    cavity's rim that is wall, ``drawn_cavity`` (z,) whether a cavity is drawn. The base is the end with more
    heart.
    """
    slices = areas.shape[1]
    weight = np.arange(slices) - (slices - 1) / 2
    upwards = bool((areas.sum(axis=0) * weight).sum() > 0)
    order = slice(None, None, -1) if upwards else slice(None)
    cm2 = areas[:, order] * pixel_mm2 / _CM2
    highest, mean, closed = highest[:, order], mean[:, order], closed[order]
    shown = np.flatnonzero(drawn_cavity[order])
    first, last = (int(shown[0]), int(shown[-1])) if shown.size else (0, slices - 1)
    largest = cm2.max(axis=1) + _PIXEL_CM2
    share = cm2 / largest[:, None]
    log = np.log(cm2 + _PIXEL_CM2)
    places = np.arange(slices)
    shared = [
        *share, _apex(share[1]), _apex(share[2]), *mean,
        cm2[2] / (cm2[1] + 50 * _PIXEL_CM2),
        np.full(slices, largest[2] / largest[1]),
        np.full(slices, np.log(largest[0] / largest[2])),
        closed, _apex(closed), _base(closed),
        (places - first) * slice_mm / 10, (last - places) * slice_mm / 10,
        places == 0, places == slices - 1, places < slices / 2,
    ]  # fmt: skip
    nothing = np.log(_PIXEL_CM2)
    found = {}
    for number, name in enumerate(STRUCTURES):
        own = [
            share[number], log[number], highest[number], mean[number], _base(share[number]),
            _apex(share[number]), log[number] - _apex(log[number], nothing),
            log[number] - _base(log[number], nothing),
        ]  # fmt: skip
        table = np.array([*own, *shared], float)[:, order]
        found[name] = [dict(zip(EVIDENCE, row, strict=True)) for row in table.T.tolist()]
    return found


def _apex(values: np.ndarray, beyond: float = 0.0) -> np.ndarray:
    """The value of the next slice towards the apex."""
    return np.append(values[1:], beyond)


def _base(values: np.ndarray, beyond: float = 0.0) -> np.ndarray:
    return np.append(beyond, values[:-1])


def likely_stretch(p: np.ndarray, least: float = PRESENT_FROM) -> np.ndarray:
    """The one stretch of slices (z,), bool, with the highest sum of log-odds of ``p`` (z,) above those of
    ``least``: a structure is in all slices between its first and its last, and may be in none."""
    kept = np.clip(p, 1e-4, 1 - 1e-4)
    gain = np.log(kept / (1 - kept)) - np.log(least / (1 - least))
    sums = np.concatenate([[0.0], np.cumsum(gain)])
    inside, best = np.zeros(len(p), bool), 0.0
    for start in range(len(p)):
        end = start + 1 + int(np.argmax(sums[start + 1 :]))
        if sums[end] - sums[start] > best:
            best = float(sums[end] - sums[start])
            inside[:] = False
            inside[start:end] = True
    return inside
