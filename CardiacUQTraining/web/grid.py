"""From the order of the files to what lies on the screen: strides, sides of the patient, grey values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from CardiacUQLib.images.volume import Geometry, StorageOrder

_LETTERS = (("L", "R"), ("P", "A"), ("S", "I"))
"""Towards the positive and the negative end of the LPS axes."""

_SLANTED = 0.35
"""A direction with a share of this much along a second axis gets its letter too."""


@dataclass(frozen=True)
class Strides:
    """Voxel (z, y, x) of slice order lies at ``offset + z*s0 + y*s1 + x*s2`` of the flat (k, j, i) array."""

    offset: int
    steps: tuple[int, int, int]


def strides_of(storage: StorageOrder, shape_kji: tuple[int, int, int]) -> Strides:
    """Strides of an array of this stored shape, read in slice order."""
    stored = (shape_kji[1] * shape_kji[2], shape_kji[2], 1)
    offset, steps = 0, []
    for axis, flipped in zip(storage.axes, storage.flipped, strict=True):
        step = stored[axis]
        if flipped:
            offset += step * (shape_kji[axis] - 1)
        steps.append(-step if flipped else step)
    return Strides(offset, (steps[0], steps[1], steps[2]))


def side_letters(geometry: Geometry) -> dict[str, str]:
    """Letters of the patient's sides at the edges of a slice shown with x to the right and y downwards."""
    x, y, _ = np.reshape(geometry.direction, (3, 3)).T
    return {"right": _letters(x), "left": _letters(-x), "bottom": _letters(y), "top": _letters(-y)}


def _letters(direction: np.ndarray) -> str:
    order = np.argsort(-np.abs(direction))[:2]
    chosen = [n for rank, n in enumerate(order) if rank == 0 or abs(direction[n]) > _SLANTED]
    return "".join(_LETTERS[n][0 if direction[n] > 0 else 1] for n in chosen)


def voxel_at(geometry: Geometry, ras: tuple[float, float, float]) -> tuple[int, int, int]:
    """(z, y, x) of the voxel of ``geometry`` nearest to a point in mm, kept inside the grid."""
    lps = np.array([-ras[0], -ras[1], ras[2], 1.0])
    xyz = np.rint(np.linalg.solve(geometry.index_to_lps, lps)[:3]).astype(int)
    x, y, z = np.clip(xyz, 0, np.array(geometry.size) - 1).tolist()
    return (z, y, x)


@dataclass(frozen=True)
class Greys:
    """Grey values as uint16 codes: value = ``low + code * step``; ``window`` is what to show first."""

    codes: np.ndarray
    low: float
    step: float
    window: tuple[float, float]


def greys_of(scan: np.ndarray, storage: StorageOrder) -> Greys:
    """Codes of a scan (z, y, x), in the order of its file; exact for whole numbers of a range below 65536.

    The first window goes from the 1st to the 99.5th percentile of the central quarter of the slices.
    """
    low, high = float(scan.min()), float(scan.max())
    whole = high - low <= 65535 and bool((scan == np.rint(scan)).all())
    step = 1.0 if whole else (high - low) / 65535.0
    codes = np.rint((storage.to_stored(scan) - low) / step).astype("<u2")
    _, rows, columns = scan.shape
    centre = scan[:, rows // 4 : rows - rows // 4 : 2, columns // 4 : columns - columns // 4 : 2]
    first, last = (float(v) for v in np.percentile(centre, (1.0, 99.5)))
    return Greys(codes, low, step, (first, last if last > first else first + step))
