"""Label maps of a reader or a model, brought to the grid of their image by where they lie in the patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..base.errors import InputError
from .image_file import ImageFile, read_image
from .placement import same_place
from .volume import Volume


def read_label_file(path: Path) -> ImageFile:
    """A label file of three or four dimensions; ``stored`` int64 (frame, k, j, i).

    Raises InputError if it is unreadable, truncated or holds fractions.
    """
    file = read_image(path)
    labels = np.rint(file.stored).astype(np.float64)
    if not np.array_equal(labels, file.stored) or np.abs(labels).max(initial=0) > 2**31:
        raise InputError(path, "holds fractional values", "expected whole label values")
    return ImageFile(path, labels.astype(np.int64), file.geometry, file.files, file.sha256, file.warnings)


def read_labels(path: Path, volume: Volume, frame: int = 0) -> np.ndarray:
    """Label values as stored, int64 (z, y, x) in the slice order of ``volume``.

    Axes may be stored in another order and direction than those of the image. Raises :class:`InputError` if
    the file is unreadable, holds fractions, has no such ``frame`` or lies on another grid.
    """
    file = read_label_file(path)
    if not 0 <= frame < len(file.stored):
        raise InputError(path, f"has no frame {frame}", f"its frames are 0 to {len(file.stored) - 1}")
    theirs, ours = file.geometry.size, volume.source_geometry.size
    if sorted(theirs) != sorted(ours):
        raise InputError(
            path, f"has {theirs} voxels but its image has {ours}", "labels must lie on the image's grid"
        )
    order = same_place(file.geometry, volume.geometry)
    if order is None:
        raise InputError(
            path, "lies elsewhere than its image", "labels must have the image's origin and spacing"
        )
    return order.from_stored(file.stored[frame])
