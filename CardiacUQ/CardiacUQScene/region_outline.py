"""The white outline around the region that is under review."""

from __future__ import annotations

import numpy as np
import slicer

from .case_nodes import CaseNodes, remove_with_companions
from .grid import ijk_to_ras
from .segmentations import add_segmentation_node
from .voxels import LABELMAP, labelmap

REGION_NAME = "Region under review"
_REGION = "CardiacUQ_region"
_REGION_COLOUR = (1.0, 1.0, 1.0)


class RegionOutline:
    """Lives in a segmentation node of its own that is neither listed nor saved."""

    def __init__(self, nodes: CaseNodes) -> None:
        self._nodes = nodes
        self._node: slicer.vtkMRMLSegmentationNode | None = None

    def show(self, mask: np.ndarray | None) -> None:
        """Outline the region, boolean (z, y, x) on the grid of the volume; None outlines nothing."""
        segmentation = self._present_node().GetSegmentation()
        segmentation.RemoveAllSegments()
        if mask is None:
            return
        segment = slicer.vtkSegment()
        segment.SetName(REGION_NAME)
        segment.SetColor(*_REGION_COLOUR)
        segment.AddRepresentation(LABELMAP, labelmap(mask, ijk_to_ras(self._nodes.volume)))
        segmentation.AddSegment(segment, _REGION)

    def remove(self) -> None:
        """Take it out of the scene, unless the scene is gone already."""
        if self._node is not None and self._nodes.scene is not None:
            remove_with_companions(self._nodes.scene, self._node)
        self._node = None

    def _present_node(self) -> slicer.vtkMRMLSegmentationNode:
        if self._node is None or not self._nodes.scene.IsNodePresent(self._node):  # someone may delete it
            node = self._node = add_segmentation_node(self._nodes.volume, REGION_NAME)
            node.SetHideFromEditors(True)
            node.SetSaveWithScene(False)
            display = node.GetDisplayNode()
            display.SetSaveWithScene(False)
            display.SetVisibility2DFill(False)
            display.SetSliceIntersectionThickness(3)
        return self._node
