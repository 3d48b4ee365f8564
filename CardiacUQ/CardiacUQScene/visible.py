"""One visible case: the chosen volume decides what is seen, everything of other cases is hidden."""

from __future__ import annotations

import slicer

from .case_nodes import CaseNodes, all_cases, composites
from .grid import ijk_to_ras
from .legends import show_legend


def show_only(volume: slicer.vtkMRMLScalarVolumeNode, nodes: CaseNodes | None) -> None:
    """Let every slice view show ``volume`` with its case ``nodes``, or alone; other cases are hidden.

    What of the case itself is drawn, such as the heat map, is set by the functions of display and maps.
    """
    scene = volume.GetScene()
    for other in all_cases(scene):
        if nodes is None or other.segmentation is not nodes.segmentation:
            _hide(other)
    own = set() if nodes is None else {n.GetID() for n in nodes.maps.values()}
    picture = None if nodes is None or nodes.bullseyes is None else nodes.bullseyes.GetID()
    for composite in composites(scene):
        if composite.GetBackgroundVolumeID() not in (volume.GetID(), picture):
            composite.SetBackgroundVolumeID(volume.GetID())
        if composite.GetForegroundVolumeID() and composite.GetForegroundVolumeID() not in own:
            composite.SetForegroundVolumeID(None)
            composite.SetForegroundOpacity(0.0)
    if nodes is not None:
        nodes.segmentation.GetDisplayNode().SetVisibility(True)


def _hide(nodes: CaseNodes) -> None:
    nodes.segmentation.GetDisplayNode().SetVisibility(False)
    if nodes.corrections is not None:
        nodes.corrections.GetDisplayNode().SetVisibility(False)
        show_legend(nodes.corrections, False)
    if nodes.bands is not None:
        nodes.bands.GetDisplayNode().SetVisibility(False)
    for volume in nodes.maps.values():
        show_legend(volume, False)


def follow_transform(nodes: CaseNodes) -> bool:
    """Put everything of a case under the transform of its volume; True if something was elsewhere."""
    wanted = nodes.volume.GetTransformNodeID()
    moved = False
    for node in (nodes.segmentation, nodes.corrections, nodes.bands, *nodes.maps.values()):
        if node is not None and node.GetTransformNodeID() != wanted:
            node.SetAndObserveTransformNodeID(wanted)
            moved = True
    return moved


def is_out_of_place(nodes: CaseNodes) -> bool:
    """True if the volume has another grid than the one it was segmented on: moved for good, or resampled."""
    volume, image = nodes.volume, nodes.volume.GetImageData()
    if image is None or nodes.grid is None:
        return image is None
    size, matrix = nodes.grid
    here = ijk_to_ras(volume)
    return tuple(image.GetDimensions()) != size or bool(abs(here - matrix).max() > _TOLERANCE_MM)


_TOLERANCE_MM = 0.01
