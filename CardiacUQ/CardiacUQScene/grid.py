"""Voxel grids: MRML's IJK -> RAS matrices against the geometry of a case.

The application may hold the same voxels in another order than the file of the case (a DICOM series
read from the other end, a flipped axis). Every array therefore passes through an :func:`alignment`.
"""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from CardiacUQLib.images.volume import Geometry, StorageOrder

TOLERANCE_VOXELS = 0.02
"""How far a voxel centre may lie beside its counterpart: headers are single precision."""

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def ijk_to_ras(volume: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """4 x 4 matrix of a volume node, without the transform it may be under."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return as_array(matrix)


def as_array(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    """vtk matrix -> (4, 4)."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def as_vtk(matrix: np.ndarray) -> vtk.vtkMatrix4x4:
    """(4, 4) -> vtk matrix."""
    result = vtk.vtkMatrix4x4()
    result.DeepCopy(np.asarray(matrix, float).ravel().tolist())
    return result


def geometry_of(volume: slicer.vtkMRMLVolumeNode) -> Geometry:
    """Geometry (LPS) of a volume node's voxels."""
    matrix = _LPS_TO_RAS @ ijk_to_ras(volume)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    return Geometry(
        size=tuple(volume.GetImageData().GetDimensions()),
        spacing=tuple(spacing.tolist()),
        origin=tuple(matrix[:3, 3].tolist()),
        direction=tuple((matrix[:3, :3] / spacing).ravel().tolist()),
    )


def geometry_as_matrix(geometry: Geometry) -> np.ndarray:
    """IJK -> RAS matrix (4, 4) of a geometry (LPS)."""
    return _LPS_TO_RAS @ geometry.index_to_lps


def alignment(case: Geometry, node: Geometry) -> StorageOrder | None:
    """How to reorder an array (k, j, i) of the case into that of the node; None if the grids differ.

    ``from_stored`` of the result leads from the case to the node, ``to_stored`` back.
    """
    to_node = np.linalg.inv(node.index_to_lps) @ case.index_to_lps
    turn = np.round(to_node[:3, :3])
    if not np.array_equal(np.abs(turn).sum(axis=0), [1, 1, 1]) or abs(np.linalg.det(turn)) < 0.5:
        return None
    # row n of the turn says which axis (x, y, z) of the case became axis n of the node
    sources = np.abs(turn).argmax(axis=1)
    if tuple(case.size[axis] for axis in sources) != node.size:
        return None
    flipped = [turn[n, sources[n]] < 0 for n in range(3)]
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in case.size])).reshape(3, -1).T
    expected = corners[:, sources]
    expected = np.where(flipped, np.asarray(node.size) - 1 - expected, expected)
    found = corners @ to_node[:3, :3].T + to_node[:3, 3]
    if np.abs(found - expected).max() > TOLERANCE_VOXELS:
        return None
    k, j, i = (int(2 - sources[2 - n]) for n in range(3))
    return StorageOrder((k, j, i), (bool(flipped[2]), bool(flipped[1]), bool(flipped[0])))
