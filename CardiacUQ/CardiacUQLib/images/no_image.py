"""Voxels that are no image: padding values, NaN and infinity, empty slices.

They are found before anything else is computed, left out of every mean and range, labelled nowhere, and
told by slice number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .slice_number import slices_text

_PADDING_KINDS = 3
_SHARE = 5e-4
"""A negative value that stands apart counts as padding if at least that share of the voxels has it."""
_TYPE_LIMITS = (-32768.0, 32767.0, 65535.0, -2147483648.0, 2147483647.0, 4294967295.0)
_HUGE = 1e30
_LISTED = 8


@dataclass(frozen=True)
class NoImage:
    """``mask`` (z, y, x), None if every voxel holds an image; ``empty`` slices (z,); lines for the reader."""

    mask: np.ndarray | None
    empty: np.ndarray
    notes: tuple[str, ...]


def find_no_image(array: np.ndarray, declared: float | None = None) -> NoImage:
    """Look for voxels of ``array`` (z, y, x), float32, that hold no image.

    ``declared`` is the padding value that the header names. An undeclared value counts as padding if it
    is the lowest, negative, and further from the rest than the rest is wide, or if it is a limit of its
    type and stands as far apart. Slices without two different grey values are empty.
    """
    mask = ~np.isfinite(array)
    notes = []
    if bad := int(np.count_nonzero(mask)):
        notes.append(f"{bad} voxels were NaN or infinite and are left out ({_slices(mask)})")
    for _ in range(_PADDING_KINDS):
        value = _padding_value(array, mask, declared)
        if value is None:
            break
        found = (array == np.float32(value)) & ~mask
        count = np.count_nonzero(found)
        notes.append(f"{count} voxels hold the padding value {value:g} and are left out ({_slices(found)})")
        mask |= found
    empty = _empty_slices(array, mask)
    blank = np.zeros_like(mask)
    blank[empty] = True
    if empty.any() and not empty.all():
        plural = np.count_nonzero(empty) > 1
        notes.append(f"{_slices(blank)} {'are' if plural else 'is'} empty and left out")
        mask |= blank
    return NoImage(mask if mask.any() else None, empty, tuple(notes))


def _padding_value(array: np.ndarray, mask: np.ndarray, declared: float | None) -> float | None:
    known = array[~mask]
    if known.size == 0:
        return None
    low, high = float(known.min()), float(known.max())
    if low == high:
        return None
    if declared not in (None, 0.0) and declared in (low, high):
        return declared
    inner = known[known > low]
    if low < 0 and high - (second := float(inner.min())) < second - low:
        share = 1 - inner.size / known.size
        if low in _TYPE_LIMITS or low < -_HUGE or (share >= _SHARE and inner.size > 1 and second < high):
            return low
    if high in _TYPE_LIMITS or high > _HUGE:
        below = float(known[known < high].max())
        if below - low < high - below:
            return high
    return None


def _empty_slices(array: np.ndarray, mask: np.ndarray) -> np.ndarray:
    low = np.where(mask, np.inf, array).min(axis=(1, 2))
    high = np.where(mask, -np.inf, array).max(axis=(1, 2))
    return ~(low < high)


def _slices(mask: np.ndarray) -> str:
    """ "slice 3" or "slices 1, 2, 5", counted from 1."""
    found = np.flatnonzero(mask.any(axis=(1, 2)))
    return "in all slices" if 1 < len(found) == len(mask) else slices_text(found, _LISTED)
