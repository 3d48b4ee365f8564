"""What the header of an image file says about its voxels, whatever the format, before any voxel is read.

The parsers (:mod:`nifti`, :mod:`nrrd`, :mod:`metaimage`) only read text and numbers and fill in a
:class:`StoredGrid`; :mod:`voxels` reads the bytes it describes. No native library sees a foreign file.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ..base.errors import InputError
from .volume import Geometry, matrix3, vector3

COPY_AGAIN = "copy or export it again"
MOST_STACK_VOXELS = 1 << 25
"""Of one 3D stack: 512 x 512 x 128, more than any short-axis scan has."""
MOST_VOXELS = 1 << 27
"""Of one file with all its frames: 512 x 512 x 16 slices x 32 frames."""
LEAST_MM, MOST_MM = 0.05, 100.0
"""A voxel edge outside is a header gone wrong."""
FARTHEST_MM = 1e6
RIGHT_ANGLES = 2e-3
"""Axes that deviate by more are called not at right angles; rounding to 3 decimals stays below."""


class Encoding(enum.StrEnum):
    """How the voxel bytes are stored."""

    RAW = "raw"
    DEFLATED = "deflated"
    BZIP2 = "bzip2"
    TEXT = "text"
    HEX = "hex"


class Axis(enum.StrEnum):
    """What one axis of the stored array is."""

    I = "i"  # noqa: E741 - the column index of every imaging text
    J = "j"
    K = "k"
    FRAME = "frame"
    COMPONENT = "component"


@dataclass(frozen=True)
class Part:
    """One run of voxel data: from ``skip`` bytes into ``path``, or at its very end if ``skip`` is -1.

    ``skip_inside`` counts decompressed bytes, ``lines`` lines to pass over before anything else.
    """

    path: Path
    skip: int = 0
    skip_inside: int = 0
    lines: int = 0


@dataclass(frozen=True)
class StoredGrid:
    """``axes`` and ``shape`` run from the slowest to the fastest axis of the voxel data.

    ``geometry`` is that of the three spatial axes; ``placed`` is False where the header gives no voxel
    size. Values are ``stored * slope + intercept``.
    """

    path: Path
    axes: tuple[Axis, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    parts: tuple[Part, ...]
    encoding: Encoding
    geometry: Geometry
    placed: bool = True
    slope: float = 1.0
    intercept: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        """Number of volumes one after the other."""
        return self._length(Axis.FRAME)

    @property
    def components(self) -> int:
        """Values per voxel."""
        return self._length(Axis.COMPONENT)

    @property
    def count(self) -> int:
        """Number of stored values."""
        return int(np.prod(self.shape, dtype=object))

    @property
    def wanted_bytes(self) -> int:
        """Decompressed size of the voxel data."""
        return self.count * self.dtype.itemsize

    def _length(self, axis: Axis) -> int:
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1


def checked(grid: StoredGrid) -> StoredGrid:
    """The grid, if it can be that of an image; raises InputError, one line, before anything is allocated."""
    voxels = int(np.prod(grid.geometry.size, dtype=object))
    if voxels > MOST_STACK_VOXELS or grid.count > MOST_VOXELS:
        size = " x ".join(str(n) for n in reversed(grid.shape))
        raise InputError(
            grid.path,
            f"its header asks for {size} voxels",
            f"at most {MOST_STACK_VOXELS // 10**6} million per volume and {MOST_VOXELS // 10**6} in all are "
            "read; crop the image to the heart",
        )
    check_spacing(grid.path, grid.geometry.spacing)
    if not np.isfinite([*grid.geometry.origin, *grid.geometry.direction]).all():
        raise InputError(grid.path, "position or direction are not finite numbers", "export it again")
    if np.abs(grid.geometry.origin).max() > FARTHEST_MM:
        raise InputError(grid.path, "it lies more than a kilometre away", "export it again")
    return grid


def check_spacing(path: Path, spacing: Sequence[float]) -> None:
    """Raise InputError unless every voxel edge (mm) is one that an image of a body can have."""
    if not all(np.isfinite(mm) and LEAST_MM <= mm <= MOST_MM for mm in spacing):
        sizes = " x ".join(f"{mm:g}" for mm in spacing)
        raise InputError(path, f"the voxel size is {sizes} mm", "export it again with its true voxel size")


def straightened(columns: np.ndarray) -> tuple[np.ndarray, bool]:
    """The orthonormal axes nearest to ``columns`` (3, 3), unit vectors in LPS (polar decomposition), and
    whether the given ones were not at right angles.

    Raises ValueError for axes that lie in one plane.
    """
    columns = np.asarray(columns, float)
    if not np.isfinite(columns).all() or abs(np.linalg.det(columns)) < 1e-3:
        raise ValueError("the axes lie in one plane")
    left, _, right = np.linalg.svd(columns)
    axes = left @ right
    return axes, bool(np.abs(columns.T @ columns - np.eye(3)).max() > RIGHT_ANGLES)


def geometry_from(
    path: Path, size: Sequence[int], spacing: ArrayLike, origin: ArrayLike, columns: np.ndarray
) -> tuple[Geometry, bool]:
    """Geometry with orthonormal axes, and whether they had to be straightened; raises InputError."""
    try:
        axes, sheared = straightened(columns)
    except ValueError:
        raise InputError(path, "its axes lie in one plane", COPY_AGAIN) from None
    geometry = Geometry(
        size=(int(size[0]), int(size[1]), int(size[2])),
        spacing=vector3(spacing),
        origin=vector3(origin),
        direction=matrix3(axes),
    )
    return geometry, sheared
