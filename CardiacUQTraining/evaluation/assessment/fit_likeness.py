"""What the training scans look like: ranges, correlations, the distance that is still usual, the sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from CardiacUQLib.uncertainty.likeness import LikenessCalibration, TraitRange
from CardiacUQLib.uncertainty.linear import LinearModel
from CardiacUQLib.uncertainty.sides import side_names
from CardiacUQLib.uncertainty.traits import trait_names

from ..shared.material import CaseMaterial
from .groups import groups_of

SHRINKAGE = 0.3
"""Share of the correlations that is given up: eighty scans are few for two dozen traits."""
LEAST_SPREAD = 1e-3
MARGIN_SHARE, LEAST_MARGIN = 0.05, 0.1
"""Of the size of a trait that hardly varies, and at least: how far beyond its range is still usual. Such
traits are shares of slices, one of ten of which says little, and counts."""
USUAL_SPREADS = 3.0
"""Robust spreads of the logarithm of the distance, above its median, up to which a distance is usual."""
SIDES_PENALTY = 1.0
NEWTON_STEPS = 30


def fit_likeness(cases: Sequence[CaseMaterial]) -> LikenessCalibration:
    """The fit on cases that no network of theirs had seen. The limit of the distance is taken from distances
    to the cases of the other groups, as a new scan has no part in the ranges either; a case beyond it, on
    which the networks failed or which is no scan of this kind, has no part in what is usual."""
    apart: dict[str, float] = {}
    for group in groups_of(cases):
        away = {case.case for case in group}
        others = _ranges([case for case in cases if case.case not in away])
        apart |= {case.case: others.distance(case.evidence)[0] for case in group}
    logs = np.log(np.maximum(list(apart.values()), 1e-6))
    middle = float(np.median(logs))
    spread = 1.4826 * float(np.median(np.abs(logs - middle)))
    limit = float(f"{np.exp(middle + USUAL_SPREADS * spread):.5g}")
    found = _ranges([case for case in cases if apart[case.case] <= limit])
    return LikenessCalibration(found.traits, found.joint, found.correlation, limit, fit_sides(cases))


def _ranges(cases: Sequence[CaseMaterial]) -> LikenessCalibration:
    """Ranges, means, spreads and shrunk correlations; the limit is still 1."""
    names = trait_names(cases[0].evidence)
    values = np.array([[case.evidence[name] for name in names] for case in cases]).reshape(-1, len(names))
    low, high, mean, spread = values.min(0), values.max(0), values.mean(0), values.std(0)
    size = np.maximum(np.abs(low), np.abs(high))
    varies = spread > LEAST_SPREAD * np.maximum(size, 1.0)
    margin = np.where(varies, 0.0, np.maximum(MARGIN_SHARE * size, LEAST_MARGIN))
    numbers = np.stack([low, high, margin, mean, np.where(varies, spread, 0.0)], axis=1)
    traits = {
        name: TraitRange(*(float(f"{number:.5g}") for number in row))
        for name, row in zip(names, numbers, strict=True)
    }
    joint = tuple(name for name, one in zip(names, varies, strict=True) if one)
    if not joint:
        return LikenessCalibration(traits)
    z = (values[:, varies] - mean[varies]) / spread[varies]
    shrunk = (1 - SHRINKAGE) * (z.T @ z) / len(cases) + SHRINKAGE * np.eye(len(joint))
    correlation = tuple(tuple(float(f"{number:.4g}") for number in row) for row in shrunk)
    return LikenessCalibration(traits, joint, correlation)


def fit_sides(cases: Sequence[CaseMaterial]) -> LinearModel | None:
    """The log-odds that a stack is mirrored, from every case as it is and as its mirror image, whose figures
    have the other sign: so there is no intercept. None for cases that do not know their sides."""
    names = side_names()
    if any(name not in case.evidence for case in cases for name in names):
        return None
    x = np.array([[case.evidence[name] for name in names] for case in cases])
    scales = np.maximum(np.sqrt((x**2).mean(axis=0)), LEAST_SPREAD)
    z, w = x / scales, np.zeros(len(names))
    for _ in range(NEWTON_STEPS):  # of all cases as they are: P(mirrored) = expit(z w) shall be small
        p = expit(z @ w)
        gradient = 2 * z.T @ p + SIDES_PENALTY * w
        curvature = 2 * (z.T * (p * (1 - p))) @ z + SIDES_PENALTY * np.eye(len(names))
        w = w - np.linalg.solve(curvature, gradient)
    scale, weight = (tuple(float(f"{v:.5g}") for v in values) for values in (scales, w))
    return LinearModel(names, (0.0,) * len(names), scale, weight, 0.0)
