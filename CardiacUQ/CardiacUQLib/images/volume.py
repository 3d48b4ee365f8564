"""A short-axis stack in memory: voxels in slice order plus the way back to the file's own order."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

Vector3 = tuple[float, float, float]
Matrix3 = tuple[float, float, float, float, float, float, float, float, float]


def vector3(values: ArrayLike) -> Vector3:
    """Three numbers in any form as a tuple; raises ValueError for another count."""
    x, y, z = np.asarray(values, float).ravel().tolist()
    return (x, y, z)


def matrix3(values: ArrayLike) -> Matrix3:
    """Nine numbers in any form, row by row, as a tuple; raises ValueError for another count."""
    a, b, c, d, e, f, g, h, i = np.asarray(values, float).ravel().tolist()
    return (a, b, c, d, e, f, g, h, i)


@dataclass(frozen=True)
class Geometry:
    """Where a voxel grid lies in the patient, in SimpleITK's convention.

    ``size``, ``spacing`` (mm) and ``origin`` (mm, LPS) are ordered (x, y, z); ``direction`` is the
    row-major 3 x 3 matrix whose columns are the unit vectors of the x, y and z axes in LPS.
    """

    size: tuple[int, int, int]
    spacing: Vector3
    origin: Vector3
    direction: Matrix3

    @property
    def shape(self) -> tuple[int, int, int]:
        """Array shape (z, y, x)."""
        return (self.size[2], self.size[1], self.size[0])

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in ml; z counts with the distance between slices."""
        return float(np.prod(self.spacing)) / 1000.0

    @cached_property
    def index_to_lps(self) -> np.ndarray:
        """4 x 4 matrix from voxel index (x, y, z) to LPS in mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.reshape(self.direction, (3, 3)) * np.asarray(self.spacing)
        matrix[:3, 3] = self.origin
        return matrix

    def index_to_ras(self, index_xyz: np.ndarray) -> np.ndarray:
        """RAS position in mm of voxel indices, shape (..., 3) ordered (x, y, z)."""
        lps = np.asarray(index_xyz, float) @ self.index_to_lps[:3, :3].T + self.index_to_lps[:3, 3]
        return lps * np.array([-1.0, -1.0, 1.0])

    def matches(self, other: Geometry, tolerance_mm: float = 1e-3) -> bool:
        """True if both grids put every voxel centre at the same place within ``tolerance_mm``."""
        if self.size != other.size:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.size])).reshape(3, -1).T
        apart = self.index_to_ras(corners) - other.index_to_ras(corners)
        return bool(np.abs(apart).max() <= tolerance_mm)


@dataclass(frozen=True)
class StorageOrder:
    """How the slice-ordered array was obtained from the array as stored in the file.

    ``axes[n]`` is the stored (k, j, i) array axis that became axis n of (z, y, x);
    ``flipped[n]`` says whether axis n of the result was then reversed.
    """

    axes: tuple[int, int, int] = (0, 1, 2)
    flipped: tuple[bool, bool, bool] = (False, False, False)

    def from_stored(self, stored: np.ndarray) -> np.ndarray:
        """Array as stored (k, j, i) to slice order (z, y, x)."""
        ordered = np.transpose(stored, self.axes)
        return np.ascontiguousarray(np.flip(ordered, tuple(n for n in range(3) if self.flipped[n])))

    def to_stored(self, ordered: np.ndarray) -> np.ndarray:
        """Array in slice order (z, y, x) back to the order of the file (k, j, i)."""
        unflipped = np.flip(ordered, tuple(n for n in range(3) if self.flipped[n]))
        return np.ascontiguousarray(np.transpose(unflipped, np.argsort(self.axes)))


@dataclass(frozen=True)
class Volume:
    """One 3D image: ``array`` is float32 (z, y, x), z the slice direction, whatever the file's order.

    ``geometry`` describes ``array``; ``source_geometry`` and ``storage`` describe the file, and every
    map is written back on ``source_geometry`` through ``storage.to_stored``. ``series`` is the UID of a
    DICOM series. ``no_image`` (z, y, x) is True where a voxel holds no image (padding, NaN, an empty
    slice): its grey value means nothing, and it is labelled nowhere; None where every voxel is one.
    """

    array: np.ndarray
    geometry: Geometry
    source_geometry: Geometry
    storage: StorageOrder = StorageOrder()
    path: Path | None = None
    sha256: str = ""
    modality: str = ""
    warnings: tuple[str, ...] = field(default=())
    series: str = ""
    no_image: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """Short name for case folders: the file name without its image suffixes."""
        return "volume" if self.path is None else case_name(self.path)


IMAGE_SUFFIXES = (
    ".nii.gz",
    ".nii",
    ".seq.nrrd",
    ".nrrd",
    ".nhdr",
    ".mha",
    ".mhd",
    ".hdr.gz",
    ".hdr",
)
"""What the names of image files end in; the second half of a pair, .img, comes with its .hdr."""
LONGEST_NAME = 120
"""Bytes of a case name: it is part of file names with endings of up to a hundred more."""


def case_name(path: Path) -> str:
    """Short name of the case in ``path``: the file or folder name without its image suffix.

    A link gives its own name, not that of its target; "." and ".." give the name of the folder they mean.

    >>> case_name(Path("study/lge.nii.gz"))
    'lge'
    """
    if path.name in ("", ".."):
        path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the link
    for suffix in (*IMAGE_SUFFIXES, ".img.gz", ".img"):
        if path.name.lower().endswith(suffix):
            return folder_name(path.name[: -len(suffix)])
    return folder_name(path.name)


def folder_name(text: str) -> str:
    """``text`` as the name of a case folder: never empty, at most :data:`LONGEST_NAME` bytes.

    Bytes that are no text become "_"; a name that is too long is cut and ends in a hash of the whole.
    """
    name = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\ufffd", "_")
    if not name.strip(" ._"):
        name = f"case{name.strip(' .')}" if name.strip(" .") else "case"
    if len(name.encode("utf-8")) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:10]
    kept = name.encode("utf-8")[: LONGEST_NAME - len(digest) - 1].decode("utf-8", "ignore").rstrip(" .")
    return f"{kept}-{digest}"
