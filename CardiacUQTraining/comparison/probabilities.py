"""Class probabilities of others, as an image or as the folds of an nnU-Net prediction, on the scan's grid."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.images.image_file import read_components
from CardiacUQLib.images.volume import Volume

from ..evaluation.shared.opinions import check_sums

NPZ_NAMES = ("probabilities", "softmax")
"""How nnU-Net 2 and 1 call the array in their ``.npz`` files."""


def read_passes(path: Path, scan: Volume) -> np.ndarray:
    """Probabilities of every pass, float32 (passes, classes, k, j, i) as stored on the scan's grid.

    ``path`` is a 4D or vector image, a ``.npz`` of nnU-Net (``--save_probabilities``), or a folder with
    one ``.npz`` per fold. Raises InputError.
    """
    files = sorted(path.rglob("*.npz")) if path.is_dir() else [path]
    if not files:
        raise InputError(path, "holds no .npz files", "give the folds of one nnU-Net prediction")
    passes = [_read_one(file, scan) for file in files]
    if len({one.shape for one in passes}) > 1:
        raise InputError(path, "its folds have different numbers of classes", "give folds of one model")
    return np.stack(passes)


def _read_one(path: Path, scan: Volume) -> np.ndarray:
    if path.suffix.lower() == ".npz":
        stored = _from_npz(path)
        if stored.shape[1:] != scan.source_geometry.shape:
            problem = f"its shape {stored.shape[1:]} is not that of {scan.path} {scan.source_geometry.shape}"
            raise InputError(path, problem, "give the prediction of this scan, not of a resampled one")
    else:
        stored, geometry = read_components(path)
        if len(stored) < 2:
            raise InputError(
                path, "holds one value per voxel", "probabilities have one per class (4D or vector)"
            )
        if not geometry.matches(scan.source_geometry, 0.01):
            raise InputError(path, f"does not lie on the grid of {scan.path}", "resample it to the scan")
    check_sums(path, stored)
    return stored.astype(np.float32)


def _from_npz(path: Path) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as content:
            name = next((name for name in NPZ_NAMES if name in content), None)
            if name is None:
                raise InputError(
                    path, f"holds none of {', '.join(NPZ_NAMES)}", "predict with --save_probabilities"
                )
            return np.asarray(content[name], np.float32)
    except (OSError, ValueError, zipfile.BadZipFile):
        raise InputError(path, "cannot be read as .npz", "copy it again") from None
