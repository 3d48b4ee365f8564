"""Class probabilities of a whole volume in one small file: 8 bits per class, a vector image on its grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .volume import Volume

WHOLE = 255
"""What the values of a voxel add up to: probability 1."""


def quantised(p: np.ndarray) -> np.ndarray:
    """Probabilities (C, ...) in 255ths, uint8, that add up to 255 in every voxel.

    Rounded down first; what is missing goes to the classes that lost most (largest remainder).
    """
    exact = np.asarray(p, np.float64) * WHOLE
    exact *= WHOLE / np.maximum(exact.sum(axis=0), 1e-12)
    whole = np.floor(exact + 1e-9)
    missing = WHOLE - whole.sum(axis=0)
    rank = np.argsort(np.argsort(whole - exact, axis=0, kind="stable"), axis=0, kind="stable")
    return (whole + (rank < missing)).astype(np.uint8)


def write_probabilities(p: np.ndarray, volume: Volume, path: Path) -> None:
    """Write probabilities (C, z, y, x) of ``volume`` on the grid of its file as a compressed vector image.

    Voxels in which nothing was computed (all 0) are certain background. Raises ValueError for another shape.
    """
    if p.shape[1:] != volume.geometry.shape:
        raise ValueError(f"probabilities of shape {p.shape} on a volume of shape {volume.geometry.shape}")
    import SimpleITK as sitk  # only here: importing it takes a third of a second

    p = np.array(p, np.float64)
    p[0] += np.where(p.sum(axis=0) < 1e-6, 1.0, 0.0)
    stored = np.stack([volume.storage.to_stored(channel) for channel in quantised(p)], axis=-1)
    image = sitk.GetImageFromArray(np.ascontiguousarray(stored), isVector=True)
    geometry = volume.source_geometry
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    sitk.WriteImage(image, str(path), useCompression=True)
