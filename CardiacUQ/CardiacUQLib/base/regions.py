"""Connected regions of a mask. SciPy is loaded with the first one, a quarter of a second after start-up."""

from __future__ import annotations

import numpy as np

Box = tuple[slice, ...]


def connected(mask: np.ndarray, structure: np.ndarray | None = None) -> tuple[np.ndarray, int]:
    """Regions numbered from 1 in an array like ``mask``, and how many there are.

    ``structure`` says what touches, as :func:`scipy.ndimage.label` takes it: by default faces, not corners.
    """
    from scipy import ndimage

    regions = np.zeros(np.shape(mask), np.int32)
    return regions, int(ndimage.label(mask, structure, output=regions))  # type: ignore[arg-type]


def boxes_of(regions: np.ndarray, highest: int = 0) -> list[Box | None]:
    """The bounding box of every region by its number, that of region 1 first; None for a number that is not
    there. ``highest`` is the last number that is looked for, 0 for all."""
    from scipy import ndimage

    return ndimage.find_objects(regions, max_label=highest)


def eroded(mask: np.ndarray) -> np.ndarray:
    """The mask without the voxels that touch its outside, bool."""
    from scipy import ndimage

    return np.asarray(ndimage.binary_erosion(mask), bool)


def without_holes(mask: np.ndarray) -> np.ndarray:
    """The mask with everything that it encloses, bool."""
    from scipy import ndimage

    return np.asarray(ndimage.binary_fill_holes(mask), bool)
