"""The white outline around the region that is under review, and a tint over what has been decided."""

from __future__ import annotations

import numpy as np
import slicer

from CardiacUQLib.bundles.manifest import ClassInfo

from .case_nodes import CaseNodes, mark_part, remove_with_companions
from .colours import RGB, rgb
from .grid import ijk_to_ras
from .segmentations import FILL_OPACITY, add_segmentation_node
from .voxels import LABELMAP, labelmap

REGION_NAME = "Region under review"
DECIDED = "decided: "
_REGION = "CardiacUQ_region"
_DECIDED = "CardiacUQ_decided_"
_REGION_COLOUR: RGB = (1.0, 1.0, 1.0)
_BACKGROUND_COLOUR: RGB = (0.6, 0.6, 0.6)


class RegionOutline:
    """Lives in a segmentation node of its own that is neither listed nor saved."""

    def __init__(self, nodes: CaseNodes) -> None:
        self._nodes = nodes
        self._node: slicer.vtkMRMLSegmentationNode | None = None
        self._tinted: bytes = b""

    def show(self, mask: np.ndarray | None) -> None:
        """Outline the region, boolean (z, y, x) on the grid of the volume; None outlines nothing."""
        node = self._present_node()
        _remove(node, _REGION)
        if mask is not None and mask.any():
            self._add(node, _REGION, REGION_NAME, _REGION_COLOUR, mask)
            node.GetDisplayNode().SetSegmentVisibility2DFill(_REGION, False)

    def tint(self, decided: np.ndarray, labels: np.ndarray, classes: tuple[ClassInfo, ...]) -> None:
        """Fill the voxels where ``decided`` (z, y, x) weakly with the colour of their label, so that a
        decision is seen; background is grey."""
        state = np.where(decided, labels + 1, 0).astype(np.uint8)
        content = state.tobytes()
        if content == self._tinted or (self._node is None and not decided.any()):
            return
        node = self._present_node()
        self._tinted = content
        for info in classes:
            _remove(node, _DECIDED + str(info.value))
            mask = state == info.value + 1
            if mask.any():
                colour = rgb(info.colour) if info.value else _BACKGROUND_COLOUR
                identifier = _DECIDED + str(info.value)
                self._add(node, identifier, DECIDED + info.name, colour, mask)
                node.GetDisplayNode().SetSegmentVisibility2DOutline(identifier, False)

    def follow_transform(self) -> None:
        """Stay where the volume is."""
        if self._node is not None and self._nodes.scene.IsNodePresent(self._node):
            self._node.SetAndObserveTransformNodeID(self._nodes.volume.GetTransformNodeID())

    def remove(self) -> None:
        """Take it out of the scene, unless the scene is gone already."""
        if self._node is not None and self._node.GetScene() is not None:
            remove_with_companions(self._node.GetScene(), self._node)
        self._node, self._tinted = None, b""

    def _add(
        self,
        node: slicer.vtkMRMLSegmentationNode,
        identifier: str,
        name: str,
        colour: RGB,
        mask: np.ndarray,
    ) -> None:
        """A segment of the box around the mask: the rest of a large volume is not touched."""
        box = [(int(at.min()), int(at.max()) + 1) for at in np.nonzero(mask)]
        part = mask[tuple(slice(low, high) for low, high in box)]
        first = (box[2][0], box[1][0], box[0][0])
        segment = slicer.vtkSegment()
        segment.SetName(name)
        segment.SetColor(*colour)
        segment.AddRepresentation(LABELMAP, labelmap(part, ijk_to_ras(self._nodes.volume), first))
        node.GetSegmentation().AddSegment(segment, identifier)

    def _present_node(self) -> slicer.vtkMRMLSegmentationNode:
        if self._node is None or not self._nodes.scene.IsNodePresent(self._node):  # someone may delete it
            self._tinted = b""
            node = self._node = add_segmentation_node(self._nodes.volume, REGION_NAME)
            mark_part(node, self._nodes.segmentation)
            node.SetHideFromEditors(True)
            node.SetSaveWithScene(False)
            display = node.GetDisplayNode()
            display.SetSaveWithScene(False)
            display.SetOpacity2DFill(FILL_OPACITY)
            display.SetSliceIntersectionThickness(3)
        return self._node


def _remove(node: slicer.vtkMRMLSegmentationNode, identifier: str) -> None:
    if node.GetSegmentation().GetSegment(identifier) is not None:
        node.GetSegmentation().RemoveSegment(identifier)
