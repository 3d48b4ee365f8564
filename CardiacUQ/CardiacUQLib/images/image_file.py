"""The gate: every image and label file of the program is opened here, in three dimensions or four.

A header is parsed in Python and checked (sizes, bytes, places) before a voxel is read; then all voxels are
read with their checksum. A house rule forbids reading an image file anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.checksum import sha256_of
from ..base.errors import InputError
from . import metaimage, nifti, nrrd
from .regular_file import open_regular
from .stored_grid import StoredGrid, checked
from .volume import Geometry
from .voxels import read_voxels, scaled

FORMATS = "give a NIfTI (.nii, .nii.gz), NRRD or MetaImage file, or a folder with a DICOM series"
LOST_SIZE = "voxels of 1 x 1 x 1 mm: the voxel size was probably lost, and volumes with it"
_PARSERS: Mapping[tuple[str, ...], Callable[[Path], StoredGrid]] = {
    nifti.SUFFIXES: nifti.parse_nifti,
    nrrd.SUFFIXES: nrrd.parse_nrrd,
    metaimage.SUFFIXES: metaimage.parse_metaimage,
}


@dataclass(frozen=True)
class ImageFile:
    """All voxels of one file: ``stored`` (frame, k, j, i) of any number type, on one 3D ``geometry``.

    ``files`` are all that were read; ``sha256`` is that of their bytes one after the other.
    """

    path: Path
    stored: np.ndarray
    geometry: Geometry
    files: tuple[Path, ...]
    sha256: str
    warnings: tuple[str, ...]


def read_header(path: Path) -> StoredGrid:
    """What the header of an image file says, checked, without its voxels; raises InputError, one line."""
    with open_regular(path) as stream:
        start = stream.read(132)
    if start[128:] == b"DICM":
        raise InputError(path, "this is a single DICOM file", "give the folder that holds the series")
    name = path.name.lower()
    parse = next((parse for suffixes, parse in _PARSERS.items() if name.endswith(suffixes)), None)
    if parse is None:
        raise InputError(path, "this is not an image format that can be read", FORMATS)
    if not start:
        raise InputError(path, "the file is empty", "copy or export it again")
    return checked(parse(path))


def read_image(path: Path) -> ImageFile:
    """All frames of an image file with one number per voxel; raises InputError, one line."""
    grid = read_header(path)
    if grid.components != 1:
        problem = f"its voxels have {grid.components} values each"
        raise InputError(path, problem, "give a grey-value image with one number per voxel")
    alone = path.name.lower().endswith(nifti.SUFFIXES)
    stored = scaled(read_voxels(grid, alone=alone)[..., 0], grid)
    files = files_of(grid)
    warnings = grid.warnings
    if not grid.placed or all(abs(mm - 1) < 1e-6 for mm in grid.geometry.spacing):
        warnings = (*warnings, LOST_SIZE)
    return ImageFile(path, stored, grid.geometry, files, sha256_of(files), warnings)


def read_components(path: Path) -> tuple[np.ndarray, Geometry]:
    """Several values per voxel, (component, k, j, i), given as a vector image or as a fourth dimension;
    a scalar image as one component. Raises InputError."""
    grid = read_header(path)
    if grid.components > 1 and grid.frames > 1:
        raise InputError(path, "it holds several frames of several values", "give one volume")
    voxels = scaled(read_voxels(grid), grid)
    stored = np.moveaxis(voxels[0], -1, 0) if grid.components > 1 else voxels[..., 0]
    return stored, grid.geometry


def files_of(grid: StoredGrid) -> tuple[Path, ...]:
    """The header file and every other file that holds its voxels, each once, in the order of reading."""
    return tuple(dict.fromkeys((grid.path, *(part.path for part in grid.parts))))


def files_read(path: Path) -> tuple[Path, ...]:
    """The files that :func:`read_image` would read, for telling whether any has changed."""
    return files_of(read_header(path))
