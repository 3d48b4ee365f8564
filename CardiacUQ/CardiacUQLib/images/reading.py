"""Images in: NIfTI, NRRD, MetaImage and DICOM folders to a :class:`Volume`; maps out on its grid."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..base.checksum import sha256_of
from ..base.errors import InputError
from . import nifti
from .itk_silence import quiet_itk
from .orientation import canonical_order, reorder_geometry
from .volume import Geometry, Volume

MIN_SLICES = 3
MIN_IN_PLANE = 32
_IMAGE_IO = {
    ".nii": "NiftiImageIO",
    ".nii.gz": "NiftiImageIO",
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
}
_FORMATS = "give a NIfTI (.nii, .nii.gz), NRRD or MetaImage file, or a folder with a DICOM series"
_COPY_AGAIN = "copy or export it again"


def read_volume(path: str | Path, *, series: str | None = None) -> Volume:
    """Read one 3D image and turn it into slice order.

    ``series`` chooses a DICOM series of a folder by (the end of) its UID. Raises InputError, one
    line, for anything that is not one finite, non-constant 3D stack of at least 3 slices of at
    least 32 x 32 pixels. NaN and infinite voxels become the smallest finite value, with a warning.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, "there is no such file or folder", "check the path")
    if path.is_dir():
        from .dicom_series import read_series

        stack = read_series(path, series)
        stored, source = stack.stored, stack.geometry
        digest, modality, warnings = sha256_of(stack.files), stack.modality, stack.warnings
        series = stack.uid
    else:
        stored, source, warnings = _read_file(path)
        digest, modality, series = sha256_of(_files_of(path)), "", ""
    return volume_of(path, stored, source, digest, warnings, modality, series or "")


def volume_of(
    path: Path,
    stored: np.ndarray,
    source: Geometry,
    digest: str,
    warnings: Sequence[str] = (),
    modality: str = "",
    series: str = "",
) -> Volume:
    """Check voxels as stored (k, j, i) with their geometry and turn them into slice order.

    Raises InputError as :func:`read_volume` does; ``path`` names the file in it.
    """
    _check_grid(path, source)
    storage = canonical_order(source.spacing, source.direction, source.size)
    geometry = reorder_geometry(source, storage)
    _check_size(path, geometry)
    array, voxel_warnings = _clean(path, storage.from_stored(stored))
    return Volume(
        array=array,
        geometry=geometry,
        source_geometry=source,
        storage=storage,
        path=path,
        sha256=digest,
        modality=modality,
        warnings=tuple(f"{path.name}: {line}" for line in (*warnings, *voxel_warnings)),
        series=series,
    )


def write_map(array_zyx: np.ndarray, volume: Volume, path: str | Path) -> None:
    """Write a map (z, y, x) of ``volume`` on the grid of its file, compressed where the format can.

    Integers and booleans are stored as uint8 (uint16 if they exceed 255), everything else as float32.
    Raises ValueError for another shape or for integers outside 0..65535, OSError if the file could
    not be written whole.
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
    image = sitk.GetImageFromArray(volume.storage.to_stored(array))
    image.SetSpacing(volume.source_geometry.spacing)
    image.SetOrigin(volume.source_geometry.origin)
    image.SetDirection(volume.source_geometry.direction)
    path = Path(path)
    incomplete = f"{path}: the file could not be written whole; free some space or choose another folder"
    with quiet_itk():
        try:
            sitk.WriteImage(image, os.fspath(path), useCompression=True)
        except RuntimeError as error:
            raise OSError(incomplete) from error
    if path.name.lower().endswith((".nii", ".nii.gz")):
        try:  # ITK does not notice a full disk
            nifti.check_complete(path, nifti.read_header(path))
        except InputError as error:
            raise OSError(incomplete) from error


def read_stored_map(path: str | Path, geometry: Geometry) -> np.ndarray:
    """A map that :func:`write_map` wrote, (k, j, i) as stored, of its own voxel type.

    Raises InputError if the file is damaged or does not lie on ``geometry``.
    """
    path = Path(path)
    nifti.check_complete(path, nifti.read_header(path))
    image = _read_itk(path, "NiftiImageIO")
    if not geometry_of(image).matches(geometry, tolerance_mm=0.01):
        raise InputError(path, "it lies on another grid than its image", "segment the image again")
    return sitk.GetArrayFromImage(image)


def geometry_of(image: sitk.Image) -> Geometry:
    """Geometry of a 3D SimpleITK image."""
    return Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def _read_file(path: Path) -> tuple[np.ndarray, Geometry, tuple[str, ...]]:
    """Voxels as stored (k, j, i), geometry of the file, warnings."""
    name = path.name.lower()
    suffix = next((s for s in sorted(_IMAGE_IO, key=len, reverse=True) if name.endswith(s)), None)
    try:
        with path.open("rb") as stream:
            start = stream.read(132)
    except OSError as error:
        raise InputError(
            path, f"the file cannot be opened ({error.strerror})", "check its permissions"
        ) from None
    if start[128:] == b"DICM":
        raise InputError(path, "this is a single DICOM file", "give the folder that holds the series")
    if suffix is None:
        raise InputError(path, "this is not an image format that can be read", _FORMATS)
    if not start:
        raise InputError(path, "the file is empty", _COPY_AGAIN)
    if _IMAGE_IO[suffix] == "NiftiImageIO":
        return _read_nifti(path)
    image = _read_itk(path, _IMAGE_IO[suffix])
    return sitk.GetArrayFromImage(image), geometry_of(image), ()


def _read_nifti(path: Path) -> tuple[np.ndarray, Geometry, tuple[str, ...]]:
    header = nifti.read_header(path)
    _check_dimensions(path, header.dims)
    nifti.check_complete(path, header)
    if not header.pixdim_usable and not header.sform_usable:
        sizes = " x ".join(f"{p:g}" for p in header.pixdim)
        raise InputError(path, f"the voxel size is {sizes} mm", "export it again with its true voxel size")
    warnings = nifti.oddities(header)
    zipped_by_name = path.name.lower().endswith(".gz")
    if not header.pixdim_usable or (nifti.is_gzipped(path) and not zipped_by_name):
        return (*nifti.read_stored(path, header), warnings)
    if header.first_voxel < nifti.FIRST_VOXEL:
        no_start = "the NIfTI header gives no start of the voxels; the usual place is taken"
        return (*nifti.read_stored(path, header), (*warnings, no_start))
    try:
        image = _read_itk(path, "NiftiImageIO")
    except InputError as error:
        if "orthonormal" not in str(error.__cause__):
            raise
        stored, geometry = nifti.read_stored(path, header)
        sheared = "the NIfTI axes are not at right angles; the nearest right-angled ones are taken"
        return stored, geometry, (*warnings, sheared)
    stored = sitk.GetArrayFromImage(image)
    if header.datatype in nifti.FLOATING:  # nifti_clib turns NaN and infinity into 0 without a word
        raw, _ = nifti.read_stored(path, header)
        stored = stored if np.isfinite(raw).all() else raw
    return stored, geometry_of(image), warnings


def _read_itk(path: Path, image_io: str) -> sitk.Image:
    """One scalar 3D image; the ImageIO is named so that ITK need not probe (and log) all of them."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(os.fspath(path))
    reader.SetImageIO(image_io)
    with quiet_itk():
        try:
            reader.ReadImageInformation()
            size = list(reader.GetSize())
            while len(size) > 3 and size[-1] == 1:
                size.pop()
            _check_dimensions(path, size)
            if reader.GetNumberOfComponents() != 1 or "complex" in sitk.GetPixelIDValueAsString(
                reader.GetPixelIDValue()
            ):
                problem = f"its voxels have {reader.GetNumberOfComponents()} values each"
                raise InputError(path, problem, "give a grey-value image with one number per voxel")
            image = reader.Execute()
        except RuntimeError as error:
            problem = "the file is truncated, damaged or not what its name says"
            raise InputError(path, problem, _COPY_AGAIN) from error
    while image.GetDimension() > 3:
        image = image[(*[slice(None)] * (image.GetDimension() - 1), 0)]
    return image


def _check_dimensions(path: Path, size: Sequence[int]) -> None:
    if len(size) > 3:
        text = " x ".join(str(n) for n in size)
        raise InputError(
            path, f"the image has {len(size)} dimensions ({text})", "give one 3D stack, one phase"
        )
    if len(size) < 3 or min(size) < 1:
        raise InputError(path, f"the image has {len(size)} dimensions", "give a 3D stack")


def _check_grid(path: Path, geometry: Geometry) -> None:
    spacing = np.asarray(geometry.spacing)
    if not (np.isfinite(spacing).all() and (spacing > 0).all()):
        sizes = " x ".join(f"{s:g}" for s in spacing)
        raise InputError(path, f"the voxel size is {sizes} mm", "export it again with its true voxel size")
    if not np.isfinite([*geometry.origin, *geometry.direction]).all():
        raise InputError(path, "position or direction are not finite numbers", "export it again")


def _check_size(path: Path, geometry: Geometry) -> None:
    columns, rows, slices = geometry.size
    if slices < MIN_SLICES:
        remedy = f"give a short-axis stack of at least {MIN_SLICES} slices"
        raise InputError(path, f"the image has only {slices} slice{'s' * (slices != 1)}", remedy)
    if min(columns, rows) < MIN_IN_PLANE:
        remedy = f"give slices of at least {MIN_IN_PLANE} x {MIN_IN_PLANE} pixels"
        raise InputError(path, f"the slices have only {columns} x {rows} pixels", remedy)


def _clean(path: Path, array: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Contiguous float32 without NaN or infinity; raises InputError if nothing is to be seen."""
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype=np.float32)
    finite = np.isfinite(array)
    bad = int(array.size - np.count_nonzero(finite))
    if bad == array.size:
        raise InputError(path, "every voxel is NaN or infinite", "export the image again")
    lowest = array.min() if not bad else array[finite].min()
    highest = array.max() if not bad else array[finite].max()
    if lowest == highest:
        raise InputError(path, f"the image is constant (all {lowest:g})", "export the image again")
    if not bad:
        return array, ()
    array[~finite] = lowest
    return array, (f"{bad} voxels were NaN or infinite and were set to the minimum ({lowest:g})",)


def _files_of(path: Path) -> list[Path]:
    """The file and, for a header that names one separate data file (.mhd, .nhdr), that file."""
    if path.suffix.lower() not in (".mhd", ".nhdr"):
        return [path]
    for line in path.read_text("latin-1").splitlines():
        key, separator, value = line.replace("=", ":", 1).partition(":")
        if separator and key.strip().lower() in ("elementdatafile", "data file", "datafile"):
            data = path.parent / value.strip()
            return [path, data] if data.is_file() else [path]
    return [path]
