"""Which stored axis is the slice direction, and how to turn every stack the same way round.

The networks must see a short-axis stack alike however the file stores it. The order chosen here
depends only on where the voxels lie in the patient, so the 48 ways to store one stack (axes in any
order, each forwards or backwards) all give the same array.
"""

from __future__ import annotations

import itertools

import numpy as np

from .volume import Geometry, Matrix3, StorageOrder, Vector3, matrix3, vector3

CLEARLY_LARGER = 1.2
"""An axis is the slice axis if its spacing is this many times the next largest one."""

# Rows of a short-axis image run towards the patient's left, columns downwards to the feet and
# backwards; an axial image (x left, y back) is turned by no more than 50 degrees from both.
_X_REFERENCE = np.array([1.0, 0.2, 0.0]) / np.hypot(1.0, 0.2)
_Y_REFERENCE = np.array([0.0, 0.9, -1.0]) / np.hypot(0.9, 1.0)
_DIGITS = 6


def slice_axis(spacing: Vector3, size: tuple[int, int, int]) -> int:
    """Index axis (0 = x, 1 = y, 2 = z of the file) along which the slices follow each other.

    The clearly largest spacing, else the fewest samples, else the file's third axis.
    """
    second, largest = np.sort(spacing)[1:]
    if largest > CLEARLY_LARGER * second:
        return int(np.argmax(spacing))
    fewest = min(size)
    if size.count(fewest) == 1:
        return size.index(fewest)
    return 2


def canonical_order(spacing: Vector3, direction: Matrix3, size: tuple[int, int, int]) -> StorageOrder:
    """The transposition and flips that bring a stored stack into slice order (z, y, x).

    ``spacing`` (mm), ``direction`` (row-major, columns = axes in LPS) and ``size`` are those of the
    file, ordered (x, y, z). x and y of the result are the in-plane axes, with signs, that lie
    closest to fixed anatomical references; z makes the frame right-handed.
    """
    columns = np.round(np.reshape(np.asarray(direction, float), (3, 3)).T, _DIGITS)
    slices = slice_axis(spacing, size)
    in_plane = [axis for axis in range(3) if axis != slices]

    def closeness(choice: tuple[tuple[int, ...], tuple[int, ...]]) -> tuple[object, ...]:
        (x_axis, y_axis), (x_sign, y_sign) = choice
        x, y = x_sign * columns[x_axis], y_sign * columns[y_axis]
        total = round(float(x @ _X_REFERENCE + y @ _Y_REFERENCE), _DIGITS)
        return (total, tuple(x), tuple(y))  # the vectors break ties the same way for every file

    axes, signs = max(
        itertools.product(itertools.permutations(in_plane), itertools.product((1, -1), repeat=2)),
        key=closeness,
    )
    x, y = (sign * columns[axis] for axis, sign in zip(axes, signs, strict=True))
    z_sign = -1 if np.cross(x, y) @ columns[slices] < 0 else 1
    return StorageOrder(
        axes=(2 - slices, 2 - axes[1], 2 - axes[0]),
        flipped=(z_sign < 0, signs[1] < 0, signs[0] < 0),
    )


def reorder_geometry(source: Geometry, storage: StorageOrder) -> Geometry:
    """Geometry of ``storage.from_stored(array)`` for an array stored on ``source``."""
    columns = np.reshape(np.asarray(source.direction, float), (3, 3)).T
    stored_axes = [2 - storage.axes[2 - m] for m in range(3)]
    flips = [storage.flipped[2 - m] for m in range(3)]
    first_voxel = np.zeros(3)
    directions = np.empty((3, 3))
    for m, (axis, flip) in enumerate(zip(stored_axes, flips, strict=True)):
        directions[:, m] = -columns[axis] if flip else columns[axis]
        if flip:
            first_voxel[axis] = source.size[axis] - 1
    origin = source.index_to_lps[:3, :3] @ first_voxel + source.index_to_lps[:3, 3]
    i, j, k = stored_axes
    return Geometry(
        size=(source.size[i], source.size[j], source.size[k]),
        spacing=(source.spacing[i], source.spacing[j], source.spacing[k]),
        origin=vector3(origin),
        direction=matrix3(directions + 0.0),  # no minus zeros
    )
