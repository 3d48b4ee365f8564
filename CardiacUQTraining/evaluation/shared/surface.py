"""Distances between the surfaces of two masks, in millimetres."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def surface_voxels(mask: np.ndarray) -> np.ndarray:
    """Voxels of a boolean mask (z, y, x) with a face to its outside; beyond the array is outside."""
    mask = np.asarray(mask, bool)
    faces = ndimage.generate_binary_structure(mask.ndim, 1)
    return mask & ~np.asarray(ndimage.binary_erosion(mask, faces, border_value=0), bool)


def hausdorff_mm(predicted: np.ndarray, truth: np.ndarray, spacing_zyx: tuple[float, float, float]) -> float:
    """Symmetric Hausdorff distance in mm between the surfaces of two masks (z, y, x).

    NaN if exactly one of them is empty (no distance exists), 0 if both are.
    """
    predicted, truth = np.asarray(predicted, bool), np.asarray(truth, bool)
    if not predicted.any() and not truth.any():
        return 0.0
    if not predicted.any() or not truth.any():
        return float("nan")
    box = ndimage.find_objects((predicted | truth).astype(np.uint8))[0]  # nothing outside it is a surface
    surface_a, surface_b = surface_voxels(predicted[box]), surface_voxels(truth[box])
    to_b, to_a = (
        np.asarray(ndimage.distance_transform_edt(~surface, sampling=spacing_zyx))
        for surface in (surface_b, surface_a)
    )
    return float(max(to_b[surface_a].max(), to_a[surface_b].max()))
