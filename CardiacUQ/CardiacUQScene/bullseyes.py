"""The bull's-eyes of a case as a colour picture that any slice view can show."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtkmodules.util.numpy_support import numpy_to_vtk

from .case_nodes import CaseNodes, composites
from .legends import legend_of
from .views import slice_nodes

PICTURE_VIEW = "Yellow"
"""The view that the picture is shown in."""

_BELOW_MM = -10_000.0
"""The picture lies far below the patient, so that no outline of the heart crosses it."""


def add_bullseyes(
    picture: np.ndarray | None, scene: slicer.vtkMRMLScene, name: str
) -> slicer.vtkMRMLVectorVolumeNode | None:
    """A vector volume of ``picture``, uint8 (rows from the top, columns, RGB); None for None."""
    if picture is None:
        return None
    node = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", name)
    fill_bullseyes(node, picture)
    node.CreateDefaultDisplayNodes()
    return node


def fill_bullseyes(node: slicer.vtkMRMLVectorVolumeNode, picture: np.ndarray) -> None:
    """Replace the picture; it lies in an axial plane, as a photograph that Slicer has loaded."""
    rows, columns, channels = picture.shape
    image = vtk.vtkImageData()
    image.SetDimensions(columns, rows, 1)
    flat = np.ascontiguousarray(picture).reshape(-1, channels)
    image.GetPointData().SetScalars(numpy_to_vtk(flat, deep=True))
    node.SetIJKToRASDirections(-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
    node.SetOrigin(columns / 2, rows / 2, _BELOW_MM)
    node.SetAndObserveImageData(image)


def show_bullseyes(nodes: CaseNodes, visible: bool) -> None:
    """The picture in the Yellow view, or the image of the case again; nothing without picture or view."""
    view = next((v for v in slice_nodes(nodes.scene) if v.GetLayoutName() == PICTURE_VIEW), None)
    if nodes.bullseyes is None or view is None:
        return
    composite = next((c for c in composites(nodes.scene) if c.GetLayoutName() == PICTURE_VIEW), None)
    if composite is not None:
        composite.SetBackgroundVolumeID((nodes.bullseyes if visible else nodes.volume).GetID())
        if visible:
            composite.SetForegroundVolumeID(None)
    _keep_legends_away(nodes, view, visible)
    if visible:
        _frame(view, nodes.bullseyes)


def _keep_legends_away(nodes: CaseNodes, view: slicer.vtkMRMLSliceNode, away: bool) -> None:
    """Legends are drawn in every view unless their views are named."""
    for legend in filter(None, (legend_of(volume) for volume in nodes.maps.values())):
        legend.RemoveAllViewNodeIDs()
        for other in slice_nodes(nodes.scene) if away else ():
            if other is not view:
                legend.AddViewNodeID(other.GetID())


def _frame(view: slicer.vtkMRMLSliceNode, picture: slicer.vtkMRMLVectorVolumeNode) -> None:
    """Turn and zoom the view so that the whole picture is seen."""
    view.SetOrientation("Axial")
    frame = view.GetSliceToRAS()
    for row, place in enumerate((0.0, 0.0, _BELOW_MM)):
        frame.SetElement(row, 3, place)
    view.UpdateMatrices()
    columns, rows, _ = picture.GetImageData().GetDimensions()
    width, height, _ = view.GetDimensions()
    if width > 0 and height > 0:
        pixel = max(columns / width, rows / height)
        view.SetFieldOfView(width * pixel, height * pixel, view.GetFieldOfView()[2])
