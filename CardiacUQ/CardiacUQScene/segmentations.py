"""The two segmentation nodes of a case: the final labels, and the corrections that may overlap them."""

from __future__ import annotations

import numpy as np
import slicer

from CardiacUQLib.bundles.colours import correction_colour
from CardiacUQLib.bundles.manifest import ClassInfo
from CardiacUQLib.inference.maps import decode_dcm
from CardiacUQLib.review import CaseMaps

from .case_nodes import correction_id, segment_id
from .colours import RGB, rgb, terminology
from .legends import add_list_legend
from .voxels import LABELMAP, labelmap

FILL_OPACITY = 0.25
"""The image is never tinted more than this."""

_SURFACE_OPACITY = {"infarct": 0.5, "mvo": 1.0}
"""The MVO lies inside the infarct, the infarct inside the wall: what is inside is the denser."""

_SURROUNDING_OPACITY = 0.3


def add_segmentation(
    case: CaseMaps, labels: np.ndarray, volume: slicer.vtkMRMLScalarVolumeNode, matrix: np.ndarray, name: str
) -> slicer.vtkMRMLSegmentationNode:
    """The final labels (k, j, i of the node), hidden: a segment for every class, whether it occurs or not."""
    node = add_segmentation_node(volume, name)
    image = labelmap(labels, matrix)
    for info in case.classes:
        if info.value:
            segment = _add_segment(
                node, segment_id(info.value), info.name, rgb(info.colour), image, info.value
            )
            segment.SetTag(segment.GetTerminologyEntryTagName(), terminology(info))
    display = node.GetDisplayNode()
    display.SetVisibility(False)
    display.SetVisibility2DOutline(True)
    display.SetVisibility2DFill(False)
    for info in case.classes:
        if info.value:
            opacity = _SURFACE_OPACITY.get(info.name.lower(), _SURROUNDING_OPACITY)
            display.SetSegmentOpacity3D(segment_id(info.value), opacity)
    return node


def add_corrections(
    case: CaseMaps, dcm: np.ndarray, volume: slicer.vtkMRMLScalarVolumeNode, matrix: np.ndarray, name: str
) -> slicer.vtkMRMLSegmentationNode:
    """The correction codes: one segment per transition that occurs, named "was -> became"."""
    node = add_segmentation_node(volume, name)
    image = labelmap(dcm, matrix)
    for code in np.unique(dcm[dcm > 0]).tolist():
        was, became = decode_dcm(code, len(case.classes))
        colour = rgb(correction_colour(was, became, case.classes))
        title = transition_name(case.classes, was, became)
        segment = _add_segment(node, correction_id(was, became), title, colour, image, code)
        info = next(info for info in case.classes if info.value == became)
        segment.SetTag(segment.GetTerminologyEntryTagName(), terminology(info))
        slicer.vtkSlicerSegmentationsModuleLogic.SetSegmentStatus(
            segment, slicer.vtkSlicerSegmentationsModuleLogic.NotStarted
        )
    display = node.GetDisplayNode()
    display.SetVisibility2DOutline(True)
    display.SetVisibility2DFill(True)
    display.SetVisibility(False)
    add_list_legend(node, " -> ".join(case.kind.opinions))
    return node


def restore_missing_segments(node: slicer.vtkMRMLSegmentationNode, classes: tuple[ClassInfo, ...]) -> bool:
    """Give every class its (empty) segment again that someone has removed; True if one was missing."""
    segmentation, restored = node.GetSegmentation(), False
    for info in classes:
        identifier = segment_id(info.value)
        if info.value and segmentation.GetSegment(identifier) is None:
            segmentation.AddEmptySegment(identifier, info.name, rgb(info.colour))
            segment = segmentation.GetSegment(identifier)
            segment.SetTag(segment.GetTerminologyEntryTagName(), terminology(info))
            restored = True
    return restored


def transition_name(classes: tuple[ClassInfo, ...], was: int, became: int) -> str:
    """ "healthy myocardium -> infarct": what the 2D stage said, then what the final prediction says."""
    names = {info.value: info.name for info in classes}
    return f"{names[was]} -> {names[became]}"


def add_segmentation_node(
    volume: slicer.vtkMRMLScalarVolumeNode, name: str
) -> slicer.vtkMRMLSegmentationNode:
    """An empty segmentation node on the grid of ``volume``: outlines, weak fill, nothing in 3D."""
    node = volume.GetScene().AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    display = node.GetDisplayNode()
    display.SetOpacity2DFill(FILL_OPACITY)
    display.SetOpacity2DOutline(1.0)
    display.SetSliceIntersectionThickness(2)
    display.SetVisibility3D(False)
    return node


def _add_segment(
    node: slicer.vtkMRMLSegmentationNode,
    identifier: str,
    name: str,
    colour: RGB,
    image: slicer.vtkOrientedImageData,
    value: int,
) -> slicer.vtkSegment:
    """All segments of a node share one labelmap, as Slicer itself keeps segments that do not overlap."""
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.SetColor(*colour)
    segment.SetLabelValue(value)
    segment.AddRepresentation(LABELMAP, image)
    if not node.GetSegmentation().AddSegment(segment, identifier):
        raise RuntimeError(f"segment {name} could not be added")
    return segment
