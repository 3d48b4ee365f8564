"""Phantoms as volumes of the pipeline and as image files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..images.volume import Geometry, Matrix3, StorageOrder, Vector3, Volume
from .model import LabelledPhantom

IDENTITY: Matrix3 = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def as_volume(
    phantom: LabelledPhantom, *, direction: Matrix3 | None = None, origin: Vector3 | None = None
) -> Volume:
    """The phantom's image as the pipeline reads it: stored in slice order, by default an axial stack at 0.

    ``direction`` is the row-major 3 x 3 matrix of SimpleITK, ``origin`` in mm (LPS).
    """
    depth, rows, columns = phantom.image.shape
    geometry = Geometry(
        (columns, rows, depth), phantom.spacing, origin or (0.0, 0.0, 0.0), direction or IDENTITY
    )
    return Volume(np.asarray(phantom.image, np.float32), geometry, geometry, StorageOrder(), modality="MR")


def _image(array: np.ndarray, volume: Volume) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(volume.geometry.spacing)
    image.SetOrigin(volume.geometry.origin)
    image.SetDirection(volume.geometry.direction)
    return image


def write_phantom(
    phantom: LabelledPhantom,
    folder: Path | str,
    name: str,
    *,
    emidec_layout: bool = False,
    direction: Matrix3 | None = None,
    origin: Vector3 | None = None,
) -> tuple[Path, Path]:
    """Write image (float32) and labels (uint8) as NIfTI; returns both paths.

    Plain layout: ``folder/name.nii.gz`` and ``folder/name_label.nii.gz``. EMIDEC layout:
    ``folder/name/Images/name.nii.gz`` and ``folder/name/Contours/name.nii.gz``.
    """
    folder = Path(folder)
    if emidec_layout:
        image_path = folder / name / "Images" / f"{name}.nii.gz"
        label_path = folder / name / "Contours" / f"{name}.nii.gz"
    else:
        image_path, label_path = folder / f"{name}.nii.gz", folder / f"{name}_label.nii.gz"
    volume = as_volume(phantom, direction=direction, origin=origin)
    for path, array in ((image_path, volume.array), (label_path, phantom.labels)):
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(_image(array, volume), str(path), useCompression=True)
    return image_path, label_path
