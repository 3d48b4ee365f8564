"""Which nodes of a scene belong to one case: found by references, so that they survive saving."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from CardiacUQLib.bundles.manifest import BundleKind, ClassInfo, Code
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.review import CaseMaps

from .colours import heat_table

CASE_ATTRIBUTE = "CardiacUQ.Case"
REVIEW_ATTRIBUTE = "CardiacUQ.Review"
HEAT_ATTRIBUTE = "CardiacUQ.HeatMap"
PART_ATTRIBUTE = "CardiacUQ.Part"
"""Marks every node of ours, whatever it is."""

PART_OF = "CardiacUQ.partOf"
"""Reference of a part to its owner: without it the part goes."""

OWNED = "owned"

_CORRECTIONS = "CardiacUQ.corrections"
_MEASURES = "CardiacUQ.measures"
_PROFILE = "CardiacUQ.profile"
_SERIES = "CardiacUQ.series"
_CHART = "CardiacUQ.chart"
_MAP = "CardiacUQ.map."
_BULLSEYES = "CardiacUQ.bullseyes"
_BANDS = "CardiacUQ.bands"


@dataclass(frozen=True)
class Verdict:
    """What to do with a case, "trust", "check" or "redo", the line that says why, what it asks for, and
    whether the scan does not belong to the model."""

    word: str
    text: str
    advice: str = ""
    unlike: bool = False


@dataclass(frozen=True)
class CaseNodes:
    """The nodes of one shown case; ``volume`` is the user's, all others are ours.

    ``series`` are the plot series of ``chart``, columns of the table ``profile``; ``folder`` is the
    case folder the nodes were made from, None for a result that was still in memory. ``bullseyes`` is a
    picture of the 17 segments, None where no slice shows a ring. ``bands`` are the contour bands, None
    without any, ``band_words`` what they are in words. ``grid`` is size and IJK -> RAS of the volume when the
    case was shown on it. Everything but volume and segmentation may have been deleted.
    """

    volume: slicer.vtkMRMLScalarVolumeNode
    segmentation: slicer.vtkMRMLSegmentationNode
    corrections: slicer.vtkMRMLSegmentationNode | None
    maps: dict[MapName, slicer.vtkMRMLScalarVolumeNode]
    measures: slicer.vtkMRMLTableNode | None
    profile: slicer.vtkMRMLTableNode | None
    series: tuple[slicer.vtkMRMLPlotSeriesNode, ...]
    chart: slicer.vtkMRMLPlotChartNode | None
    name: str
    kind: BundleKind
    classes: tuple[ClassInfo, ...]
    folder: Path | None
    bullseyes: slicer.vtkMRMLVectorVolumeNode | None = None
    default_map: MapName | None = None
    warnings: tuple[str, ...] = ()
    grid: tuple[tuple[int, int, int], np.ndarray] | None = None
    verdict: Verdict | None = None
    bands: slicer.vtkMRMLSegmentationNode | None = None
    band_words: tuple[str, ...] = ()

    @property
    def scene(self) -> slicer.vtkMRMLScene:
        """The scene that holds the nodes."""
        return self.segmentation.GetScene()

    @property
    def segments(self) -> dict[str, int]:
        """Segment id -> label value of the final segmentation, without the background."""
        return {segment_id(info.value): info.value for info in self.classes if info.value}

    def ours(self) -> Iterator[slicer.vtkMRMLNode | None]:
        """Every node that goes when the case goes, display and storage nodes excepted."""
        yield from (self.chart, *self.series, self.profile, self.measures, *self.maps.values())
        yield self.bullseyes
        if self.bands is not None:
            yield self.bands
        if self.corrections is not None:
            yield self.corrections
            display = self.corrections.GetDisplayNode()
            yield None if display is None else display.GetColorNode()
        yield self.segmentation


def segment_id(label: int) -> str:
    """Id of the segment of a label value."""
    return f"CardiacUQ_{label}"


def correction_id(was: int, became: int) -> str:
    """Id of the segment of a transition in the corrections node."""
    return f"CardiacUQ_{was}_{became}"


def class_name(nodes: CaseNodes, label: int) -> str:
    """Name of a label value."""
    return next(info.name for info in nodes.classes if info.value == label)


def tie(nodes: CaseNodes, case: CaseMaps) -> None:
    """Write into the segmentation node what :func:`find_case` needs to find the others again."""
    root = nodes.segmentation
    for name, volume in nodes.maps.items():
        root.SetNodeReferenceID(_MAP + name.value, volume.GetID())
    if nodes.corrections is not None:
        root.SetNodeReferenceID(_CORRECTIONS, nodes.corrections.GetID())
    for role, part in (
        (_MEASURES, nodes.measures), (_PROFILE, nodes.profile), (_CHART, nodes.chart), (_BANDS, nodes.bands),
    ):  # fmt: skip
        root.SetNodeReferenceID(role, None if part is None else part.GetID())
    tie_bullseyes(root, nodes.bullseyes)
    for series in nodes.series:
        root.AddNodeReferenceID(_SERIES, series.GetID())
    for part in filter(None, nodes.ours()):
        if part.GetNodeReference(PART_OF) is None:
            mark_part(part, nodes.volume if part is root else root)
    content = {
        "name": case.name,
        "kind": case.kind.value,
        "folder": None if case.folder is None else str(case.folder),
        "bundle": case.bundle,
        "bundle_sha256": case.bundle_sha256,
        "default_map": case.default_map,
        "warnings": list(case.warnings),
        "verdict": None if nodes.verdict is None else list(astuple(nodes.verdict)),
        "bands": list(nodes.band_words),
        "grid": None if nodes.grid is None else [list(nodes.grid[0]), nodes.grid[1].ravel().tolist()],
        "classes": [
            [info.value, info.name, info.colour, info.code.scheme, info.code.value, info.code.meaning]
            for info in case.classes
        ],
    }
    root.SetAttribute(CASE_ATTRIBUTE, json.dumps(content))


def mark_part(node: slicer.vtkMRMLNode, owner: slicer.vtkMRMLNode) -> None:
    """Let a node of ours, and what displays it, go when its owner goes."""
    node.SetAttribute(PART_ATTRIBUTE, OWNED)
    node.SetNodeReferenceID(PART_OF, owner.GetID())
    if node.IsA("vtkMRMLDisplayableNode"):
        for n in range(node.GetNumberOfDisplayNodes()):
            node.GetNthDisplayNode(n).SetAttribute(PART_ATTRIBUTE, "display")


def tie_bullseyes(
    segmentation: slicer.vtkMRMLSegmentationNode, picture: slicer.vtkMRMLVectorVolumeNode | None
) -> None:
    """Let the case have this picture of its segments."""
    segmentation.SetNodeReferenceID(_BULLSEYES, None if picture is None else picture.GetID())


def all_cases(scene: slicer.vtkMRMLScene | None = None) -> tuple[CaseNodes, ...]:
    """Every case in the scene whose volume is still there."""
    now: Any = slicer.mrmlScene if scene is None else scene
    roots = (now.GetNthNodeByClass(n, "vtkMRMLSegmentationNode") for n in _count(now))
    found = (_from_root(root) for root in roots if root is not None and root.GetAttribute(CASE_ATTRIBUTE))
    return tuple(nodes for nodes in found if nodes is not None)


def find_case(volume: slicer.vtkMRMLScalarVolumeNode) -> CaseNodes | None:
    """The case shown on this volume node, None if there is none."""
    return next((nodes for nodes in all_cases(volume.GetScene()) if nodes.volume is volume), None)


def remove_case(nodes: CaseNodes) -> None:
    """Take every node of the case out of the scene, and the colour table if no other case uses it.

    Nodes that the user has already removed are passed over; the volume stays as it is.
    """
    scene = nodes.volume.GetScene()
    if scene is None:
        return
    _hide_maps(nodes, scene)
    folder = _hierarchy_folder(scene, nodes.segmentation)
    for node in tuple(nodes.ours()):
        remove_with_companions(scene, node)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if folder and not hierarchy.GetNumberOfItemChildren(folder):
        hierarchy.RemoveItem(folder)
    if not any(other.maps for other in all_cases(scene)):
        remove_with_companions(scene, heat_table(scene))


def remove_with_companions(scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLNode) -> None:
    """Remove a node with its display and storage nodes and its subject hierarchy item."""
    if node is None or not scene.IsNodePresent(node):
        return
    companions = []
    if node.IsA("vtkMRMLDisplayableNode"):
        companions += [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
    if node.IsA("vtkMRMLStorableNode"):
        companions += [node.GetNthStorageNode(n) for n in range(node.GetNumberOfStorageNodes())]
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.RemoveItem(item, False, False)
    scene.RemoveNode(node)
    for companion in companions:
        if companion is not None and scene.IsNodePresent(companion):
            scene.RemoveNode(companion)


def composites(scene: slicer.vtkMRMLScene) -> Iterator[slicer.vtkMRMLSliceCompositeNode]:
    """What each slice view shows."""
    for n in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        yield scene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode")


def _count(scene: slicer.vtkMRMLScene) -> range:
    return range(scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"))


def _hide_maps(nodes: CaseNodes, scene: slicer.vtkMRMLScene) -> None:
    ours = {volume.GetID() for volume in nodes.maps.values()}
    for composite in composites(scene):
        if composite.GetForegroundVolumeID() in ours:
            composite.SetForegroundVolumeID(None)
            composite.SetForegroundOpacity(0.0)


def _hierarchy_folder(scene: slicer.vtkMRMLScene, segmentation: slicer.vtkMRMLSegmentationNode) -> int:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(segmentation)
    parent = hierarchy.GetItemParent(item) if item else 0
    return parent if parent and hierarchy.HasItemAttribute(parent, CASE_ATTRIBUTE) else 0


def _from_root(root: slicer.vtkMRMLSegmentationNode) -> CaseNodes | None:
    volume = root.GetNodeReference(root.GetReferenceImageGeometryReferenceRole())
    if volume is None or not root.GetScene().IsNodePresent(volume):
        return None
    parts = {role: root.GetNodeReference(role) for role in (_MEASURES, _PROFILE, _CHART)}
    content = json.loads(root.GetAttribute(CASE_ATTRIBUTE))
    maps = {name: root.GetNodeReference(_MAP + name.value) for name in MapName}
    series = [root.GetNthNodeReference(_SERIES, n) for n in range(root.GetNumberOfNodeReferences(_SERIES))]
    return CaseNodes(
        volume=volume,
        segmentation=root,
        corrections=root.GetNodeReference(_CORRECTIONS),
        maps={name: node for name, node in maps.items() if node is not None},
        measures=parts[_MEASURES],
        profile=parts[_PROFILE],
        series=tuple(node for node in series if node is not None),
        chart=parts[_CHART],
        name=content["name"],
        kind=BundleKind(content["kind"]),
        classes=tuple(
            ClassInfo(v, name, colour, Code(*code)) for v, name, colour, *code in content["classes"]
        ),
        folder=None if content["folder"] is None else Path(content["folder"]),
        bullseyes=root.GetNodeReference(_BULLSEYES),
        default_map=MapName(content["default_map"]) if content.get("default_map") else None,
        warnings=tuple(content.get("warnings", ())),
        grid=_grid(content.get("grid")),
        verdict=Verdict(*content["verdict"]) if content.get("verdict") else None,
        bands=root.GetNodeReference(_BANDS),
        band_words=tuple(content.get("bands", ())),
    )


def _grid(content: list | None) -> tuple[tuple[int, int, int], np.ndarray] | None:
    return None if content is None else (tuple(content[0]), np.reshape(content[1], (4, 4)))
