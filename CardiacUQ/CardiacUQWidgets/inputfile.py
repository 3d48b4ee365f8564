"""The file that the child process reads for a volume of the scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.images.image_file import read_header
from CardiacUQLib.images.reading import MIN_IN_PLANE, MIN_SLICES
from CardiacUQLib.images.volume import IMAGE_SUFFIXES
from CardiacUQScene import is_ours
from CardiacUQScene.film import Film, frames_of
from CardiacUQScene.grid import geometry_of
from CardiacUQScene.voxels import volume_array


def check_volume(volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    """Raise InputError, with what to do, unless ``volume`` can be segmented."""
    if volume is None:
        raise InputError("Volume", "none is chosen", "load a short-axis stack and choose it under Input")
    name, image = volume.GetName(), volume.GetImageData()
    if image is None or 0 in image.GetDimensions():
        raise InputError(name, "the volume holds no voxels", "load it again")
    components = image.GetNumberOfScalarComponents()
    if components != 1:
        remedy = "choose a grey-value volume with one number per voxel"
        raise InputError(
            name, f"this is a vector or colour volume with {components} numbers per voxel", remedy
        )
    slices, *in_plane = sorted(image.GetDimensions())
    if slices < MIN_SLICES or in_plane[0] < MIN_IN_PLANE:
        size = " x ".join(str(n) for n in image.GetDimensions())
        remedy = (
            f"choose a short-axis stack of at least {MIN_SLICES} slices of {MIN_IN_PLANE} x {MIN_IN_PLANE}"
        )
        raise InputError(name, f"the volume is too small ({size} voxels)", remedy)
    _check_content(volume)
    transform = volume.GetParentTransformNode()
    if transform is not None and not transform.IsTransformToWorldLinear():
        raise InputError(name, "a non-linear transform is applied to it", "harden the transform first")


def write_film(film: Film, path: Path) -> Path:
    """A 4D file (.nii) of all frames of a film; raises InputError if they do not lie on one grid."""
    import SimpleITK as sitk

    name = film.volume.GetName()
    try:
        frames, _matrix = frames_of(film)
    except ValueError as error:
        raise InputError(name, str(error), "load the film again as one sequence") from error
    geometry = geometry_of(film.volume)
    joined = sitk.JoinSeries([sitk.GetImageFromArray(frame) for frame in frames])
    joined.SetSpacing((*geometry.spacing, 1.0))
    joined.SetOrigin((*geometry.origin, 0.0))
    direction = np.eye(4)
    direction[:3, :3] = np.reshape(geometry.direction, (3, 3))
    joined.SetDirection(direction.ravel().tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        sitk.WriteImage(joined, str(path), useCompression=False)
    except RuntimeError as error:
        raise InputError(name, "the film could not be written for computing", "check disk space") from error
    return path


def _check_content(volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """A map of ours or a volume of labels is no image."""
    remedy = "choose the image itself"
    if is_ours(volume):
        raise InputError(volume.GetName(), "this is a map made by CardiacUQ", remedy)
    array = volume_array(volume)
    if np.issubdtype(array.dtype, np.integer) and int(array.max()) - int(array.min()) <= _MOST_LABELS:
        raise InputError(volume.GetName(), "this holds labels, not grey values", remedy)


_MOST_LABELS = 31
"""Grey values of a scan span hundreds; a label volume of the heart a handful."""


def slice_count(volume: slicer.vtkMRMLScalarVolumeNode | None) -> int | None:
    """Number of slices of a volume, None without one."""
    image = volume.GetImageData() if volume is not None else None
    return min(image.GetDimensions()) if image is not None else None


def write_input(volume: slicer.vtkMRMLScalarVolumeNode, path: Path) -> Path:
    """A file with exactly this volume: the one it was loaded from, or a new one at ``path`` (.nrrd).

    Raises InputError if it cannot be written.
    """
    original = _original_file(volume)
    if original is not None:
        return original
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = slicer.vtkMRMLVolumeArchetypeStorageNode()
    writer.SetFileName(str(path))
    writer.SetUseCompression(0)
    # A copy outside the scene: writing must not change the user's node or its storage.
    copy = slicer.vtkMRMLScalarVolumeNode()
    copy.CopyOrientation(volume)
    copy.SetAndObserveImageData(volume.GetImageData())
    if not writer.WriteData(copy):
        raise InputError(
            volume.GetName(), "the volume could not be written for computing", "check disk space"
        )
    return path


def _original_file(volume: slicer.vtkMRMLScalarVolumeNode) -> Path | None:
    """The file the volume came from, if the node still is what the file holds."""
    storage = volume.GetStorageNode()
    if storage is None or storage.GetNumberOfFileNames() > 0 or volume.GetModifiedSinceRead():
        return None
    path = Path(storage.GetFullNameFromFileName() or "")
    if not path.name.lower().endswith(IMAGE_SUFFIXES) or not path.is_file():
        return None
    return path if _same_grid(volume, path) else None


def _same_grid(volume: slicer.vtkMRMLScalarVolumeNode, path: Path) -> bool:
    """True if the header of the file says the same grid: it may have been replaced or re-centred."""
    try:
        header = read_header(path)
    except InputError:
        return False
    return header.frames == 1 and geometry_of(volume).matches(header.geometry)
