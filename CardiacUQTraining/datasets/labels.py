"""Reading a label file that belongs to an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.images import nifti
from CardiacUQLib.images.itk_silence import quiet_itk
from CardiacUQLib.images.volume import Geometry, Volume

GRID_TOLERANCE_MM = 0.5


def read_label_image(path: Path) -> sitk.Image:
    """The image in a label file of any dimension; raises InputError if it is unreadable or truncated."""
    if path.name.lower().endswith((".nii", ".nii.gz")):  # ITK fills the missing end with background
        nifti.check_complete(path, nifti.read_header(path))
    with quiet_itk():
        try:
            return sitk.ReadImage(str(path))
        except RuntimeError:
            raise InputError(
                path, "cannot be read", "expected a label image in NIfTI, NRRD or MetaImage"
            ) from None


def read_labels(path: Path, volume: Volume) -> np.ndarray:
    """Label values as stored, int64 (z, y, x) in the slice order of ``volume``.

    Raises :class:`InputError` if the file is unreadable, holds fractions or lies on another grid.
    """
    image = read_label_image(path)
    theirs, ours = image.GetSize(), volume.source_geometry.size
    if theirs != ours:
        raise InputError(
            path, f"has {theirs} voxels but its image has {ours}", "labels must lie on the image's grid"
        )
    geometry = Geometry(theirs, image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    if not geometry.matches(volume.source_geometry, GRID_TOLERANCE_MM):
        raise InputError(
            path, "lies elsewhere than its image", "labels must have the image's origin and spacing"
        )
    stored = sitk.GetArrayFromImage(image)
    labels = np.rint(stored).astype(np.int64)
    if not np.array_equal(labels, stored):
        raise InputError(path, "holds fractional values", "expected whole label values")
    return volume.storage.from_stored(labels)
