"""What is known about one point, in words."""

from __future__ import annotations

import numpy as np
import slicer

from CardiacUQLib.cases.probabilities import ClassProbabilities

from .case_nodes import CaseNodes, class_name
from .grid import ijk_to_ras
from .maps import heat_map_choices, scale_of
from .voxels import volume_array


def value_at(
    nodes: CaseNodes, ras: tuple[float, float, float], probabilities: ClassProbabilities | None = None
) -> str:
    """Words for a point in world RAS (mm): "infarct (2D said healthy myocardium), P(wrong) 0.47, SCS 0.21".

    With ``probabilities`` of the case also "; infarct 62 %, healthy myocardium 30 %". "" outside the volume.
    """
    local = [0.0, 0.0, 0.0]
    nodes.volume.TransformPointFromWorld(list(ras), local)
    i, j, k = np.round(np.linalg.solve(ijk_to_ras(nodes.volume), [*local, 1.0]))[:3].astype(int).tolist()
    size = nodes.volume.GetImageData().GetDimensions()
    if not all(0 <= index < n for index, n in zip((i, j, k), size, strict=True)):
        return ""
    voxel = (i, j, k)
    found = next((v for key, v in nodes.segments.items() if _inside(nodes.segmentation, key, voxel)), 0)
    said = _correction(nodes, voxel)
    words = [class_name(nodes, found) + (f" ({said})" if said else "")]
    for name in heat_map_choices(nodes):
        value = float(volume_array(nodes.maps[name])[k, j, i])
        words.append(f"{scale_of(nodes, name).title} {value:.2f}")
    chances = "" if probabilities is None else probabilities.words_at(local)
    return "; ".join(part for part in (", ".join(words), chances) if part)


def _correction(nodes: CaseNodes, voxel: tuple[int, int, int]) -> str:
    if nodes.corrections is None:
        return ""
    segmentation = nodes.corrections.GetSegmentation()
    for identifier in segmentation.GetSegmentIDs():
        if _inside(nodes.corrections, identifier, voxel):
            was, _, became = segmentation.GetSegment(identifier).GetName().partition(" -> ")
            first, final = nodes.kind.opinions
            return f"{first} said {was}, {final} {became}"
    return ""


def _inside(node: slicer.vtkMRMLSegmentationNode, identifier: str, voxel: tuple[int, int, int]) -> bool:
    segment = node.GetSegmentation().GetSegment(identifier)
    image = node.GetBinaryLabelmapInternalRepresentation(identifier) if segment else None
    if image is None or image.IsEmpty():
        return False
    extent = image.GetExtent()
    if not all(extent[2 * n] <= voxel[n] <= extent[2 * n + 1] for n in range(3)):
        return False
    return image.GetScalarComponentAsDouble(*voxel, 0) == segment.GetLabelValue()
