"""Which nodes are ours, and what they belong to: so that a case is whole or gone, whatever is deleted.

Every node of a case is marked as a part and refers to its owner: maps and tables to the segmentation, the
segmentation to the volume. A part whose owner has left the scene has no meaning any more.
"""

from __future__ import annotations

from collections.abc import Iterator

import slicer

from .case_nodes import OWNED, PART_ATTRIBUTE, PART_OF, all_cases, composites, remove_with_companions
from .colours import heat_table


def is_ours(node: slicer.vtkMRMLNode) -> bool:
    """True for a node that a case is made of, such as an uncertainty map: no input for a segmentation."""
    return bool(node.GetAttribute(PART_ATTRIBUTE))


def our_volumes(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLVolumeNode]:
    """Every map and picture of every case, complete or still being made."""
    return [node for node in _parts(scene) if node.IsA("vtkMRMLVolumeNode")]


def tidy_cases(scene: slicer.vtkMRMLScene) -> bool:
    """Take out what has lost its owner, and references to nodes that are gone; True if anything was.

    To be called after nodes have been removed by others, not while the scene closes or loads.
    """
    tidied = False
    while orphans := [node for node in _parts(scene) if _is_orphan(node)]:
        tidied = True
        for node in orphans:
            remove_with_companions(scene, node)
    for composite in composites(scene):
        tidied |= _forget_missing(composite, scene)
    if tidied and not any(nodes.maps for nodes in all_cases(scene)) and not our_volumes(scene):
        remove_with_companions(scene, heat_table(scene))
    return tidied


def _parts(scene: slicer.vtkMRMLScene) -> Iterator[slicer.vtkMRMLNode]:
    nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    return (node for node in nodes if is_ours(node))


def _is_orphan(node: slicer.vtkMRMLNode) -> bool:
    if node.IsA("vtkMRMLDisplayNode"):
        return node.GetDisplayableNode() is None
    return node.GetAttribute(PART_ATTRIBUTE) == OWNED and node.GetNodeReference(PART_OF) is None


def _forget_missing(composite: slicer.vtkMRMLSliceCompositeNode, scene: slicer.vtkMRMLScene) -> bool:
    forgotten = False
    background, foreground = composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID()
    if foreground and scene.GetNodeByID(foreground) is None:
        composite.SetForegroundVolumeID(None)
        composite.SetForegroundOpacity(0.0)
        forgotten = True
    if background and scene.GetNodeByID(background) is None:
        composite.SetBackgroundVolumeID(None)
        forgotten = True
    return forgotten
