"""What a scan and what was found in it look like, in numbers free of scanner, grey scale and position.

A network answers whatever it is shown. These traits describe what it was shown and what it made of it, each
with a meaning that can be told: grey values, texture and contrast in the region of the heart, the shape of
the left ventricle over the slices, the agreement of the passes. How they are judged: :mod:`.likeness`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..bundles.manifest import ClassInfo
from .evidence import evidence_key
from .linear import expit
from .sides import side_figures

POOLS, WALLS = ("blood pool", "LV"), ("healthy myocardium", "infarct", "MVO", "myocardium")
MUSCLE = ("healthy myocardium", "myocardium")
PER_VIEW = "agreement, "
"""What the names of traits begin with that mean something else when fewer views are run."""
AGREEMENT = ("promised Dice", "Dice of the views", "Dice of the opinions")
MOST_COUNTED, ENOUGH_GREY = 200_000, 40
"""Voxels among which distinct grey values are counted, and from how many on it is an image whatever its
depth."""


def scan_traits(
    image: np.ndarray,
    normalised: np.ndarray,
    inside: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[ClassInfo],
    pixel_mm: float,
    slice_mm: float,
    evidence: Mapping[str, float],
) -> dict[str, float]:
    """Traits of one scan.

    ``image`` is the whole scan (z, y, x); all else lies in the pixels of the networks: ``normalised`` grey
    values (z, size, size), each slice with mean 0 and variance 1, ``inside`` (size, size) True where the
    region lies within the image, final ``labels``. Distances in mm.
    """
    found = _grey(image, normalised) | {"share beyond the image": 1.0 - float(inside.mean())}
    names = {info.name: info.value for info in classes if info.value}
    pool = np.isin(labels, [names[n] for n in POOLS if n in names])
    wall = np.isin(labels, [names[n] for n in WALLS if n in names])
    found |= _contrast(normalised, pool, wall) | _shape(pool, wall, pixel_mm, slice_mm)
    found |= side_figures(normalised, inside, pool | wall, pixel_mm)
    return found | {
        f"{PER_VIEW}{key}": evidence[key]
        for structure in names
        if structure in POOLS or structure in MUSCLE
        for key in (evidence_key(structure, figure) for figure in AGREEMENT)
    }


def trait_names(evidence: Mapping[str, float]) -> tuple[str, ...]:
    """The traits among the evidence of a case: what is told of no structure, and the agreement."""
    return tuple(name for name in evidence if ": " not in name or name.startswith(PER_VIEW))


def heart_likeness(evidence: Mapping[str, float], *, all_views: bool = True) -> float:
    """How much like a heart what was found is, 0 .. 1: the share of the cavity's rim that is muscle, times
    the Dice of the cavity between the views where ``all_views`` were run; 1 where nothing is known."""
    agreed = [
        expit(evidence[key])
        for pool in POOLS
        if all_views and (key := f"{PER_VIEW}{evidence_key(pool, AGREEMENT[1])}") in evidence
    ]
    return evidence.get("closed wall", 1.0) * min(agreed, default=1.0)


def readable(name: str, value: float) -> float:
    """A trait's value as people know it: agreement as a Dice, the ventricle in ml, ratios as such."""
    if name.startswith(PER_VIEW):
        return expit(value)
    if name == "volume of the ventricle":
        return math.exp(value) - 1.0
    return math.exp(value) if name == "muscle to blood" else value


def _grey(image: np.ndarray, n: np.ndarray) -> dict[str, float]:
    sample = image.ravel()[:: max(1, image.size // MOST_COUNTED)]
    next_slice = _apart(n, 1) if len(n) > 1 else 1.0
    p5, p50, p95 = np.percentile(n, (5, 50, 95))
    return {
        "distinct grey values": float(min(np.unique(sample).size, ENOUGH_GREY)),
        "smoothness": _correlation(n[..., 1:], n[..., :-1]),
        "smoothness across": _correlation(n[..., 1:, :], n[..., :-1, :]),
        "likeness of neighbouring slices": next_slice,
        "likeness lost by skipping a slice": next_slice - _apart(n, 2) if len(n) > 2 else 0.0,
        "bright tail": float(p95 - p50),
        "dark tail": float(p50 - p5),
    }


def _contrast(n: np.ndarray, pool: np.ndarray, wall: np.ndarray) -> dict[str, float]:
    from scipy import ndimage  # not at start-up

    heart = pool | wall
    around = np.array([ndimage.binary_dilation(plane, iterations=6) for plane in heart], bool) & ~heart
    level = {name: _mean(n, mask) for name, mask in (("pool", pool), ("wall", wall), ("around", around))}
    return {
        "blood against muscle": level["pool"] - level["wall"],
        "muscle against around": level["wall"] - level["around"],
        "blood": level["pool"],
        "evenness of the blood": float(n[pool].std()) if pool.any() else 0.0,
    }


def _shape(pool: np.ndarray, wall: np.ndarray, pixel_mm: float, slice_mm: float) -> dict[str, float]:
    from scipy import ndimage  # not at start-up

    heart = pool | wall
    voxel_ml = pixel_mm**2 * slice_mm / 1000.0
    areas = heart.sum(axis=(1, 2)).astype(float)
    shown = np.flatnonzero(areas > 0)
    centres = np.array([ndimage.center_of_mass(heart[z]) for z in shown]).reshape(-1, 2)
    steps = np.hypot(*np.diff(centres, axis=0).T) * pixel_mm if len(shown) > 1 else np.zeros(1)
    roundness = [_roundness(heart[z]) for z in shown if areas[z] > 20] or [0.0]
    rim = np.array([ndimage.binary_dilation(plane) for plane in pool]) & ~pool
    change = np.abs(np.diff(areas[shown])).mean() / areas.max() if len(shown) > 1 else 0.0
    return {
        "volume of the ventricle": math.log(heart.sum() * voxel_ml + 1.0),
        "muscle to blood": math.log((wall.sum() + 1.0) / (pool.sum() + 1.0)),
        "share of slices with a ventricle": float((areas > 0).mean()),
        "roundness": float(np.mean(roundness)),
        "closed wall": float(wall[rim].mean()) if rim.any() else 0.0,
        "shift between slices": float(steps.mean()),
        "change of area between slices": float(change),
        "unevenness of the area": float(np.abs(np.diff(areas[shown], 2)).mean() / areas.max())
        if len(shown) > 2
        else 0.0,
    }


def _roundness(plane: np.ndarray) -> float:
    """Ratio of the second moments' axes, 1 for a disc."""
    y, x = np.nonzero(plane)
    low, high = np.linalg.eigvalsh(np.cov(np.stack([y, x]).astype(float)) + 1e-9 * np.eye(2))
    return float(np.sqrt(max(low, 0.0) / high))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).mean() / max(float(a.std() * b.std()), 1e-9))


def _apart(n: np.ndarray, slices: int) -> float:
    """Mean correlation of slices this far apart."""
    return _correlation(n[slices:], n[:-slices])


def _mean(n: np.ndarray, mask: np.ndarray) -> float:
    return float(n[mask].mean()) if mask.any() else 0.0
