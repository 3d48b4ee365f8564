"""A case into the scene, all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import slicer
import vtk

from CardiacUQLib.base.checksum import sha256_of
from CardiacUQLib.base.errors import InputError
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.cases.casefolder import CaseFolder
from CardiacUQLib.images.volume import StorageOrder
from CardiacUQLib.inference.result import Result
from CardiacUQLib.review import RANKING, CaseMaps

from .bands import add_bands, band_words
from .bullseyes import add_bullseyes
from .case_nodes import CASE_ATTRIBUTE, CaseNodes, Verdict, all_cases, remove_case, tie
from .grid import alignment, geometry_of, ijk_to_ras
from .legends import show_legend
from .maps import HeatMap, add_map, heat_map, heat_map_choices, set_heat_map
from .segmentations import add_corrections, add_segmentation
from .tables import add_chart, add_measures, add_profile, add_series
from .visible import show_only
from .voxels import volume_array

_LOAD_ITS_VOLUME = "load the volume that the case was computed from, or segment this one"


def show_case(
    case: CaseMaps | CaseFolder | Result,
    volume: slicer.vtkMRMLScalarVolumeNode,
    scene: slicer.vtkMRMLScene | None = None,
    *,
    check_content: bool = True,
) -> CaseNodes:
    """Show a case on its volume; what was shown on it before (a preview) is replaced.

    ``check_content=False`` leaves out the comparison of voxels and checksums, for a case that was
    computed from this very node a moment ago. Opacity, threshold and choice of the heat map, and what
    was visible, carry over from the replaced case. Raises :class:`InputError` with the scene as it was.
    """
    *_, nodes = show_case_in_steps(case, volume, scene, check_content=check_content)
    assert nodes is not None
    return nodes


def show_case_in_steps(
    case: CaseMaps | CaseFolder | Result,
    volume: slicer.vtkMRMLScalarVolumeNode,
    scene: slicer.vtkMRMLScene | None = None,
    *,
    check_content: bool = True,
) -> Generator[CaseNodes | None]:
    """The same in steps of some ten milliseconds, so that a window stays alive; the last yields the nodes.

    What is seen changes in the last step only. Closing the generator before leaves the scene as it was.
    """
    maps = CaseMaps.of(case)
    scene = volume.GetScene() if scene is None else scene
    order = matching_order(maps, volume)
    if check_content:
        content_check(maps, volume)()
    with _all_or_nothing(scene):
        nodes = yield from _build(maps, volume, order)
    yield _take_over(nodes, scene)


def _take_over(nodes: CaseNodes, scene: slicer.vtkMRMLScene) -> CaseNodes:
    """Let a case that is complete in the scene be the one that is seen."""
    volume, root = nodes.volume, nodes.segmentation
    others = (n for n in all_cases(scene) if n.volume is volume and n.segmentation is not root)
    previous = next(others, None)
    look = None
    if previous is not None:
        look = heat_map(previous)
        _carry_visibility(previous, nodes)
        remove_case(previous)
    show_only(volume, nodes)
    _show_heat(nodes, look)
    return nodes


def matching_order(case: CaseMaps, volume: slicer.vtkMRMLScalarVolumeNode) -> StorageOrder:
    """How the case's arrays become the node's; raises :class:`InputError` if the grids differ."""
    where = case.folder or case.name
    if volume is None or volume.GetImageData() is None:
        raise InputError(where, "no volume is chosen to show it on", "choose the volume it was computed from")
    if volume.GetImageData().GetNumberOfScalarComponents() != 1:
        raise InputError(volume.GetName(), "is a colour or vector volume", "choose a scalar volume")
    theirs, ours = geometry_of(volume), case.geometry
    order = alignment(ours, theirs)
    if order is None:
        difference = f"{_grid(ours.size, ours.spacing)} and not {_grid(theirs.size, theirs.spacing)}"
        if sorted(ours.size) == sorted(theirs.size):
            difference = "elsewhere in space"
        raise InputError(
            where,
            f"belongs to another volume than {volume.GetName()}: its grid is {difference}",
            _LOAD_ITS_VOLUME,
        )
    return order


def _grid(size: tuple[int, int, int], spacing: tuple[float, float, float]) -> str:
    return " x ".join(map(str, size)) + " of " + " x ".join(f"{mm:.3g}" for mm in spacing) + " mm"


def content_check(case: CaseMaps, volume: slicer.vtkMRMLScalarVolumeNode) -> Callable[[], None]:
    """Check the grid now, and give a function that compares the image itself and may run in a thread.

    Both raise :class:`InputError`. Same grid, other image is told by the checksum of the node's file, or
    else by the voxels themselves.
    """
    order = matching_order(case, volume)
    storage, name, voxels = volume.GetStorageNode(), volume.GetName(), volume_array(volume)
    loaded = (
        Path(storage.GetFullNameFromFileName()) if storage is not None and storage.GetFileName() else None
    )

    def check() -> None:
        if loaded is not None and loaded.is_file() and case.input_sha256:
            if sha256_of(loaded) == case.input_sha256:
                return
        elif case.input_path is None or not case.input_path.is_file():
            return  # neither file is there to compare: the grid must do
        if not _voxels_agree(case, voxels, order):
            problem = f"was computed from another image than {name} (SHA-256 and voxels differ)"
            raise InputError(case.folder or case.name, problem, _LOAD_ITS_VOLUME)

    return check


def _voxels_agree(case: CaseMaps, voxels: np.ndarray, order: StorageOrder) -> bool:
    """The same image in another file (NRRD for NIfTI, a DICOM series) is the same image."""
    if case.input_path is None or not case.input_path.exists():
        return False
    from CardiacUQLib.images.reading import read_volume

    image = read_volume(case.input_path)
    stored = image.storage.to_stored(image.array)
    if stored.shape != case.segmentation.shape:
        return False
    return np.allclose(order.from_stored(stored), voxels, rtol=1e-4, atol=1e-4)


@contextmanager
def _all_or_nothing(scene: slicer.vtkMRMLScene) -> Iterator[None]:
    """Take out again whatever was added if not everything could be added."""
    before = {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items = _hierarchy_items(hierarchy)
    try:
        yield
    except BaseException:
        for item in _hierarchy_items(hierarchy) - items:
            hierarchy.RemoveItem(item, False, False)
        for node in [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]:
            if node.GetID() not in before and scene.IsNodePresent(node):
                scene.RemoveNode(node)
        raise


def _hierarchy_items(hierarchy: slicer.vtkMRMLSubjectHierarchyNode) -> set[int]:
    children = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), children, True)
    return {children.GetId(n) for n in range(children.GetNumberOfIds())}


def _build(
    case: CaseMaps, volume: slicer.vtkMRMLScalarVolumeNode, order: StorageOrder
) -> Generator[None, None, CaseNodes]:
    """All nodes, none of them visible yet."""
    scene, matrix, name = volume.GetScene(), ijk_to_ras(volume), volume.GetName()
    turn = order.from_stored
    segmentation = add_segmentation(case, turn(case.segmentation), volume, matrix, f"{name} segmentation")
    yield
    corrections = None
    if case.dcm is not None:
        corrections = add_corrections(case, turn(case.dcm), volume, matrix, f"{name} corrections")
        yield
    maps: dict[MapName, slicer.vtkMRMLScalarVolumeNode] = {}
    for which in RANKING:
        if which in case.maps:
            title = f"{name} {which.value.replace('_', ' ')}"
            maps[which] = add_map(which, turn(case.maps[which]), len(case.classes), volume, matrix, title)
            yield
    bands = None
    if case.bands:
        planes = {name: turn(plane) for name, plane in case.band_maps.items()}
        bands = add_bands(case, planes, volume, f"{name} contour bands")
        yield
    bullseyes = add_bullseyes(case.bullseyes, scene, f"{name} bull's-eyes")
    yield
    profile = add_profile(case, scene, f"{name} uncertainty per slice")
    series = add_series(profile, scene)
    nodes = CaseNodes(
        volume=volume,
        segmentation=segmentation,
        corrections=corrections,
        maps=maps,
        measures=add_measures(case, scene, f"{name} measurements"),
        profile=profile,
        series=series,
        chart=add_chart(case, series, scene, f"{name} uncertainty plot"),
        name=case.name,
        kind=case.kind,
        classes=case.classes,
        folder=case.folder,
        bullseyes=bullseyes,
        default_map=case.default_map,
        warnings=case.warnings,
        verdict=_verdict(case),
        bands=bands,
        band_words=band_words(case.bands, holds=case.verdict is None or not case.verdict.nothing_holds),
        grid=(tuple(volume.GetImageData().GetDimensions()), matrix),
    )
    yield
    _group(nodes)
    tie(nodes, case)
    return nodes


def _verdict(case: CaseMaps) -> Verdict | None:
    said = case.verdict
    return None if said is None else Verdict(said.word.value, said.as_text(), said.advice, said.unlike)


def _group(nodes: CaseNodes) -> None:
    """One folder in the subject hierarchy, beside the volume."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(nodes.scene)
    beside = hierarchy.GetItemByDataNode(nodes.volume)
    parent = hierarchy.GetItemParent(beside) if beside else hierarchy.GetSceneItemID()
    folder = hierarchy.CreateFolderItem(parent, f"{nodes.volume.GetName()} CardiacUQ")
    hierarchy.SetItemAttribute(folder, CASE_ATTRIBUTE, nodes.name)
    for node in filter(None, nodes.ours()):
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.SetItemParent(item, folder)
        else:
            hierarchy.CreateItem(folder, node)


def _carry_visibility(before: CaseNodes, after: CaseNodes) -> None:
    pairs = [(before.segmentation, after.segmentation)]
    if before.corrections is not None and after.corrections is not None:
        pairs.append((before.corrections, after.corrections))
    if before.bands is not None and after.bands is not None:
        after.bands.GetDisplayNode().SetVisibility(before.bands.GetDisplayNode().GetVisibility())
    for old, new in pairs:
        was, now = old.GetDisplayNode(), new.GetDisplayNode()
        now.SetVisibility(was.GetVisibility())
        if new is after.corrections:
            show_legend(new, bool(was.GetVisibility()))
        now.SetVisibility2DOutline(was.GetVisibility2DOutline())
        now.SetVisibility2DFill(was.GetVisibility2DFill())
        if was.GetVisibility3D():
            new.CreateClosedSurfaceRepresentation()
            now.SetVisibility3D(True)


def _show_heat(nodes: CaseNodes, look: HeatMap | None) -> None:
    choices = heat_map_choices(nodes)
    if look is None:
        set_heat_map(nodes, next(iter(choices), None))
    elif look.name in nodes.maps:
        set_heat_map(nodes, look.name, look.opacity, look.threshold)
    else:
        # the preview had no such map, or none was shown: stay quiet if it was, else take the best
        set_heat_map(nodes, None if look.name is None else next(iter(choices), None), look.opacity)
