"""Images in: image files and DICOM folders to a :class:`Volume`; maps out on its grid."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..base.errors import InputError, UsageError
from .image_file import read_image
from .itk_silence import quiet_itk
from .no_image import find_no_image
from .orientation import canonical_order, reorder_geometry
from .placement import same_place
from .stored_grid import check_spacing
from .volume import Geometry, StorageOrder, Volume

MIN_SLICES = 3
MIN_IN_PLANE = 32
_NIFTI_HEADER_BYTES = 352


def read_volume(path: str | Path, *, series: str | None = None) -> Volume:
    """Read one 3D image and turn it into slice order.

    ``series`` chooses a DICOM series of a folder by (the end of) its UID. Raises InputError, one
    line, for anything that is not one finite, non-constant 3D stack of at least 3 slices of at
    least 32 x 32 pixels. Voxels without an image are marked and get the smallest grey value.
    """
    path = Path(path)
    if path.is_dir():
        from .dicom_series import read_series

        stack = read_series(path, series)
        return volume_of(
            path,
            stack.stored,
            stack.geometry,
            stack.sha256,
            stack.warnings,
            stack.modality,
            stack.uid,
            padding=stack.padding,
        )
    image = read_image(path)
    if len(image.stored) > 1:
        size = " x ".join(str(n) for n in (*image.geometry.size, len(image.stored)))
        problem = f"the image has 4 dimensions ({size})"
        raise InputError(path, problem, "give one 3D stack, one phase, or choose a cine bundle")
    return volume_of(path, image.stored[0], image.geometry, image.sha256, image.warnings)


def volume_of(
    path: Path,
    stored: np.ndarray,
    source: Geometry,
    digest: str,
    warnings: Sequence[str] = (),
    modality: str = "",
    series: str = "",
    *,
    padding: float | None = None,
) -> Volume:
    """Check voxels as stored (k, j, i) with their geometry and turn them into slice order.

    Raises InputError as :func:`read_volume` does; ``path`` names the file in it. ``padding`` is the value
    that the header names for pixels without an image.
    """
    check_spacing(path, source.spacing)
    storage = canonical_order(source.spacing, source.direction, source.size)
    geometry = reorder_geometry(source, storage)
    _check_size(path, geometry)
    array, no_image, notes = _clean(path, storage.from_stored(stored), padding)
    return Volume(
        array=array,
        geometry=geometry,
        source_geometry=source,
        storage=storage,
        path=path,
        sha256=digest,
        modality=modality,
        warnings=tuple(f"{path.name}: {line}" for line in (*warnings, *notes)),
        series=series,
        no_image=no_image,
    )


def write_map(array_zyx: np.ndarray, volume: Volume, path: str | Path) -> None:
    """Write a map (z, y, x) of ``volume`` on the grid of its file, compressed where the format can.

    Integers and booleans are stored as uint8 (uint16 if they exceed 255), everything else as float32.
    Raises ValueError for another shape or for integers outside 0..65535, OSError if the file could
    not be written whole, UsageError for a name that is no text.
    """
    array = np.asarray(array_zyx)
    if array.shape != volume.geometry.shape:
        raise ValueError(f"map of shape {array.shape} on a volume of shape {volume.geometry.shape}")
    if array.dtype.kind not in "biu":
        array = array.astype(np.float32)
    elif 0 <= array.min() <= array.max() <= 65535:
        array = array.astype(np.uint8 if array.max() <= 255 else np.uint16)
    else:
        raise ValueError(f"labels {array.min()}..{array.max()} do not fit 0..65535")
    write_stored(volume.storage.to_stored(array), volume.source_geometry, Path(path))


def write_stored(stored: np.ndarray, geometry: Geometry, path: Path) -> None:
    """Write voxels (k, j, i) on ``geometry``, compressed where the format can.

    Raises OSError if the file could not be written whole, UsageError for a name that is no text.
    """
    try:
        os.fspath(path).encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{path}: this name is not valid text (UTF-8); choose another folder") from None
    import SimpleITK as sitk  # a third of the memory of a program that only reads

    image = sitk.GetImageFromArray(stored)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    incomplete = f"{path}: the file could not be written whole; free some space or choose another folder"
    with quiet_itk():
        try:
            sitk.WriteImage(image, os.fspath(path), useCompression=True)
        except RuntimeError as error:
            raise OSError(incomplete) from error
    if path.name.lower().endswith((".nii", ".nii.gz")) and not _is_whole(path, stored.nbytes):
        raise OSError(incomplete)  # ITK does not notice a full disk


def _is_whole(path: Path, voxel_bytes: int) -> bool:
    """Whether a NIfTI file that ITK wrote has all of so many bytes of voxels, without reading them again.

    A gzip stream names its uncompressed bytes, modulo 2^32, in its last four (RFC 1952), so that one that
    was cut ends with something else.
    """
    expected = _NIFTI_HEADER_BYTES + voxel_bytes
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        if not path.name.lower().endswith(".gz"):
            return size == expected
        stream.seek(max(0, size - 4))
        return int.from_bytes(stream.read(), "little") == expected % 2**32


def read_stored_map(path: str | Path, geometry: Geometry) -> np.ndarray:
    """A map that :func:`write_map` wrote, (k, j, i) as stored, of its own voxel type.

    Raises InputError if the file is damaged or does not lie on ``geometry``.
    """
    path = Path(path)
    image = read_image(path)
    if same_place(image.geometry, geometry) != StorageOrder() or len(image.stored) > 1:
        raise InputError(path, "it lies on another grid than its image", "segment the image again")
    return image.stored[0]


def _check_size(path: Path, geometry: Geometry) -> None:
    columns, rows, slices = geometry.size
    if slices < MIN_SLICES:
        remedy = f"give a short-axis stack of at least {MIN_SLICES} slices"
        raise InputError(path, f"the image has only {slices} slice{'s' * (slices != 1)}", remedy)
    if min(columns, rows) < MIN_IN_PLANE:
        remedy = f"give slices of at least {MIN_IN_PLANE} x {MIN_IN_PLANE} pixels"
        raise InputError(path, f"the slices have only {columns} x {rows} pixels", remedy)


def _clean(
    path: Path, array: np.ndarray, padding: float | None
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Contiguous float32 with the smallest grey value where there is no image, the mask of those voxels,
    and notes; raises InputError if nothing is to be seen."""
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype=np.float32)
    finite = np.isfinite(array)
    if not finite.any():
        raise InputError(path, "every voxel is NaN or infinite", "export the image again")
    found = find_no_image(array, padding)
    if found.empty.all():
        lowest = float(array[finite].min())
        raise InputError(path, f"the image is constant (all {lowest:g})", "export the image again")
    if np.count_nonzero(~found.empty) < MIN_SLICES:
        filled = np.count_nonzero(~found.empty)
        problem = f"only {filled} of {len(found.empty)} slices hold an image"
        raise InputError(path, problem, "export the image again")
    if found.mask is None:
        return array, None, ()
    array = array.copy()
    array[found.mask] = array[~found.mask].min()
    return array, found.mask, found.notes
