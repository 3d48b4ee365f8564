"""The anterior insertion of the right ventricle as a markup: where AHA segments are counted from.

One point is enough: the model cuts each ring into equal sectors from there. The markup refers to its
volume, so that it is found again in a saved scene.
"""

from __future__ import annotations

import slicer

from .case_nodes import mark_part

_ATTRIBUTE = "CardiacUQ.RVInsertion"
_VOLUME = "CardiacUQ.volume"


def insertion_markup(volume: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLMarkupsFiducialNode | None:
    """The point list that marks the insertion on this volume, None if there is none."""
    scene = volume.GetScene()
    for n in range(scene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode")):
        node = scene.GetNthNodeByClass(n, "vtkMRMLMarkupsFiducialNode")
        if node.GetAttribute(_ATTRIBUTE) and node.GetNodeReference(_VOLUME) is volume:
            return node
    return None


def add_insertion_markup(volume: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLMarkupsFiducialNode:
    """An empty point list for one point on this volume."""
    name = f"{volume.GetName()} anterior RV insertion"
    node = volume.GetScene().AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.CreateDefaultDisplayNodes()
    mark_part(node, volume)
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    node.SetAttribute(_ATTRIBUTE, "anterior")
    node.SetNodeReferenceID(_VOLUME, volume.GetID())
    node.SetMaximumNumberOfControlPoints(1)
    node.SetControlPointLabelFormat("anterior RV insertion")
    return node


def insertion_ras(volume: slicer.vtkMRMLScalarVolumeNode) -> tuple[float, float, float] | None:
    """The marked point in RAS mm of the volume's own grid, None if none is placed."""
    node = insertion_markup(volume)
    placed = slicer.vtkMRMLMarkupsNode.PositionDefined
    if node is None or not node.GetNumberOfControlPoints():
        return None
    if node.GetNthControlPointPositionStatus(0) != placed:
        return None
    world, local = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    node.GetNthControlPointPositionWorld(0, world)
    volume.TransformPointFromWorld(world, local)
    return (local[0], local[1], local[2])


def remove_insertion(volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Take the mark and its display out of the scene."""
    node = insertion_markup(volume)
    if node is None:
        return
    scene, display = volume.GetScene(), node.GetDisplayNode()
    scene.RemoveNode(node)
    if display is not None and scene.IsNodePresent(display):
        scene.RemoveNode(display)
