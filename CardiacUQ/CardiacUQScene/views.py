"""Slice views: the acquired slices in the first view, jumps to a region, zoom to the heart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import slicer

from CardiacUQLib.images.orientation import canonical_order, reorder_geometry

from .case_nodes import CaseNodes
from .grid import as_vtk, geometry_of, ijk_to_ras
from .voxels import labels_of

ROOM_AROUND_HEART = 1.6
"""Shorter side of a slice view relative to the heart."""


def align_views(nodes: CaseNodes) -> None:
    """:func:`align_views_to` the volume of a case."""
    align_views_to(nodes.volume)


def align_views_to(volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Turn the standard slice views to the stack: Red shows the acquired slices, Green and Yellow cut them.

    Short-axis stacks are oblique, so none of the standard orientations shows an acquired slice. Left
    of the patient is on the right of the picture and anterior or superior on top, as far as the stack
    allows. A transform above the volume turns the views along.
    """
    x, y, z = _stack_axes(volume)
    planes = {"Red": (x, -y), "Green": (x, z), "Yellow": (y, z)}
    for view in slice_nodes(volume.GetScene()):
        if view.GetLayoutName() in planes:
            across, up = planes[view.GetLayoutName()]
            matrix = np.eye(4)
            matrix[:3, 0], matrix[:3, 1] = across, up
            matrix[:3, 2] = -np.cross(across, up)  # Slicer's own slice frames are left-handed
            matrix[:3, 3] = _centre(volume)
            view.GetSliceToRAS().DeepCopy(as_vtk(matrix))
            view.UpdateMatrices()


def show_heart(nodes: CaseNodes) -> None:
    """Turn the views to the stack, with the heart in the middle and filling them."""
    align_views(nodes)
    inside = labels_of(nodes.segmentation, nodes.segments, nodes.volume) > 0
    if inside.any():
        k, j, i = (round(float(at.mean())) for at in np.nonzero(inside))
        jump_to(nodes, tuple((ijk_to_ras(nodes.volume) @ [i, j, k, 1.0])[:3].tolist()))


def jump_to(nodes: CaseNodes, ras: tuple[float, float, float]) -> None:
    """Let every slice view cut through a point, RAS in mm of the volume, and show the heart around it.

    The heart is in the middle of the views, not the point: so it stays where it is from one region to the
    next, and clear of the legends. Without a heart the point is in the middle.
    """
    world = np.array(_to_world(nodes.volume, ras))
    inside = labels_of(nodes.segmentation, nodes.segments, nodes.volume) > 0
    heart = np.array(_centre_of(heart_bounds(nodes))) if inside.any() else world
    for view in slice_nodes(nodes.scene):
        frame = view.GetSliceToRAS()
        normal = np.array([frame.GetElement(row, 2) for row in range(3)])
        middle = heart + normal * ((world - heart) @ normal) / (normal @ normal)
        for row in range(3):
            frame.SetElement(row, 3, middle[row])
        view.UpdateMatrices()
    zoom_to_heart(nodes)


def zoom_to_heart(nodes: CaseNodes) -> None:
    """Make the heart fill every slice view, with some room around; nothing without a heart."""
    size = _heart_size(nodes)
    if size == 0.0:
        return
    for view in slice_nodes(nodes.scene):
        width, height, _ = view.GetDimensions()
        if width > 0 and height > 0:
            pixel = ROOM_AROUND_HEART * size / min(width, height)
            view.SetFieldOfView(width * pixel, height * pixel, view.GetFieldOfView()[2])


def slice_nodes(scene: slicer.vtkMRMLScene) -> Iterator[slicer.vtkMRMLSliceNode]:
    """All slice nodes of a scene."""
    for n in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
        yield scene.GetNthNodeByClass(n, "vtkMRMLSliceNode")


def _stack_axes(volume: slicer.vtkMRMLScalarVolumeNode) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors (world RAS) of x, y (in plane) and z (through the slices) in slice order."""
    stored = geometry_of(volume)
    ordered = reorder_geometry(stored, canonical_order(stored.spacing, stored.direction, stored.size))
    columns = np.diag([-1.0, -1.0, 1.0]) @ np.reshape(ordered.direction, (3, 3))
    origin = np.array(_to_world(volume, (0.0, 0.0, 0.0)))
    world = [np.array(_to_world(volume, columns[:, n])) - origin for n in range(3)]
    x = world[0] / np.linalg.norm(world[0])
    y = world[1] - (world[1] @ x) * x  # a transform may shear
    y /= np.linalg.norm(y)
    z = world[2] / np.linalg.norm(world[2])
    normal = np.cross(x, y)
    z = normal if normal @ z >= 0 else -normal
    return x, y, z if z[2] >= 0 else -z


def _centre(volume: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    """The central voxel of the stack in world RAS, so that every view starts on a slice."""
    middle = np.array([n // 2 for n in volume.GetImageData().GetDimensions()] + [1.0])
    return np.array(_to_world(volume, (ijk_to_ras(volume) @ middle)[:3]))


def heart_bounds(nodes: CaseNodes) -> tuple[float, float, float, float, float, float]:
    """Box around the heart in world RAS, as vtk writes bounds; the whole volume without a heart."""
    inside = labels_of(nodes.segmentation, nodes.segments, nodes.volume) > 0
    if not inside.any():
        inside[:] = True
    box = np.array([(axis.min() - 0.5, axis.max() + 0.5) for axis in np.nonzero(inside)][::-1])
    corners = np.array(np.meshgrid(*box)).reshape(3, -1)
    local = ijk_to_ras(nodes.volume) @ np.vstack([corners, np.ones(8)])
    world = np.array([_to_world(nodes.volume, point) for point in local[:3].T])
    low, high = world.min(axis=0).tolist(), world.max(axis=0).tolist()
    return (low[0], high[0], low[1], high[1], low[2], high[2])


def _centre_of(bounds: Sequence[float]) -> list[float]:
    return [(bounds[2 * n] + bounds[2 * n + 1]) / 2 for n in range(3)]


def _to_world(volume: slicer.vtkMRMLScalarVolumeNode, ras: Iterable[float]) -> list[float]:
    world = [0.0, 0.0, 0.0]
    volume.TransformPointToWorld([float(v) for v in ras], world)
    return world


def _heart_size(nodes: CaseNodes) -> float:
    """Largest side of the heart's box along the axes of the volume, in mm."""
    inside = labels_of(nodes.segmentation, nodes.segments, nodes.volume) > 0
    if not inside.any():
        return 0.0
    extents = [int(np.ptp(axis)) + 1 for axis in np.nonzero(inside)][::-1]
    return float(max(np.array(extents) * nodes.volume.GetSpacing()))
