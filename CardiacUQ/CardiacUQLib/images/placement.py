"""Two voxel grids at one place in the patient, whatever the order in which their axes are stored."""

from __future__ import annotations

import itertools

import numpy as np

from .volume import Geometry, StorageOrder

SAME_PLACE_MM = 0.5
"""Voxel centres that lie closer are the same: less than any pixel, more than any rounding of a header."""


def same_place(
    stored: Geometry, wanted: Geometry, tolerance_mm: float = SAME_PLACE_MM
) -> StorageOrder | None:
    """The transposition and flips that bring an array stored on ``stored`` to the order of ``wanted``.

    None unless every voxel centre of one grid then lies on one of the other within ``tolerance_mm``.
    """
    if sorted(stored.size) != sorted(wanted.size):
        return None
    to_stored = np.linalg.inv(stored.index_to_lps) @ wanted.index_to_lps
    steps = to_stored[:3, :3]
    axes = np.abs(steps).argmax(axis=0)  # wanted axis -> stored axis
    if sorted(axes) != [0, 1, 2]:
        return None
    if any(stored.size[axes[n]] != wanted.size[n] for n in range(3)):
        return None
    flipped = [bool(steps[axes[n], n] < 0) for n in range(3)]
    for corner in itertools.product(*[(0, n - 1) for n in wanted.size]):
        index = np.zeros(3)
        for n, at in enumerate(corner):
            index[axes[n]] = wanted.size[n] - 1 - at if flipped[n] else at
        apart = stored.index_to_ras(index) - wanted.index_to_ras(np.array(corner, float))
        if np.abs(apart).max() > tolerance_mm:
            return None
    return StorageOrder(
        axes=(int(2 - axes[2]), int(2 - axes[1]), int(2 - axes[0])),
        flipped=(flipped[2], flipped[1], flipped[0]),
    )
