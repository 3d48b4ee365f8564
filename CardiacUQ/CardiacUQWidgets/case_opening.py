"""A case folder onto its volume, in steps: files are read in a thread, nodes are made between two events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import slicer

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.base.memory import give_back
from CardiacUQLib.cases.casefolder import CaseFolder, read_case
from CardiacUQLib.review import CaseMaps, Review, ReviewRecord, stamp_in, stamp_of
from CardiacUQScene import CaseNodes, content_check, matching_order, saved_record, show_case_in_steps
from CardiacUQScene.grid import geometry_as_matrix
from CardiacUQScene.voxels import set_volume_array

from .stepping import Steps, in_thread

_REMEDY = "load the image that the case was computed from, choose it under Volume, and open the case again"


@dataclass(frozen=True)
class Opened:
    """A case in the scene and its review, None with the ``problem`` if that is damaged. ``loaded`` if its
    volume was loaded for it, ``unpublished`` if its folder does not yet say what the review says."""

    nodes: CaseNodes
    review: Review | None
    loaded: bool = False
    unpublished: bool = False
    problem: str = ""


@dataclass(frozen=True)
class _Read:
    """What a thread has read of a folder."""

    case: CaseFolder
    maps: CaseMaps


def open_folder(folder: Path, chosen: slicer.vtkMRMLScalarVolumeNode | None, reviewer: str) -> Steps[Opened]:
    """Show a case folder on the chosen volume, or else on its own image, which is loaded if need be.

    Raises InputError with the scene as it was if neither fits.
    """
    read = yield from in_thread(lambda: _read(folder))
    volume, loaded = yield from _its_volume(read, chosen)
    try:
        nodes = None
        for nodes in show_case_in_steps(read.maps, volume, check_content=False):
            if nodes is None:
                yield
        assert nodes is not None
        opened = yield from _with_review(nodes, read.maps, read.case, reviewer, None)
    except BaseException:
        if loaded:
            _unload(volume)
        raise
    return replace(opened, loaded=loaded)


def resume(nodes: CaseNodes, reviewer: str) -> Steps[Opened]:
    """The review of a case that the scene holds already."""
    assert nodes.folder is not None
    folder, saved = nodes.folder, saved_record(nodes)
    read = yield from in_thread(lambda: _read(folder))
    matching_order(read.maps, nodes.volume)
    return (yield from _with_review(nodes, read.maps, read.case, reviewer, saved))


def begin(nodes: CaseNodes, maps: CaseMaps, reviewer: str) -> Steps[Opened]:
    """The review of a case that has just been computed."""
    review = yield from in_thread(lambda: Review(maps, reviewer))
    return Opened(nodes, review)


def _with_review(
    nodes: CaseNodes, maps: CaseMaps, case: CaseFolder, reviewer: str, saved: ReviewRecord | None
) -> Steps[Opened]:
    try:
        review = yield from in_thread(lambda: Review(maps, reviewer, record=saved))
    except InputError as error:
        return Opened(nodes, None, problem=str(error))
    published = stamp_in(case.measures)
    return Opened(nodes, review, unpublished=published != stamp_of(review))


def _read(folder: Path) -> _Read:
    give_back()  # what the case before has left
    case = read_case(folder)
    maps = CaseMaps.of(case)
    _ = maps.bullseyes, maps.component_boxes, maps.foreground  # drawn and found here, used on the screen
    return _Read(case, maps)


def _its_volume(
    read: _Read, chosen: slicer.vtkMRMLScalarVolumeNode | None
) -> Steps[tuple[slicer.vtkMRMLScalarVolumeNode, bool]]:
    refusal: InputError | None = None
    already = _volume_from(read.maps.input_path)
    for volume in dict.fromkeys(v for v in (chosen, already) if v is not None):
        try:
            check = content_check(read.maps, volume)
            yield from in_thread(check)
            return volume, False
        except InputError as error:
            refusal = refusal or error
    path = read.maps.input_path
    if path is None or not path.exists():
        raise refusal or InputError(read.case.folder, "its image is not here", _REMEDY)
    try:
        array, warning = yield from in_thread(lambda: _image_of(read.case))
    except InputError as error:
        raise refusal or error from None
    if warning:
        raise refusal or InputError(read.case.folder, warning, _REMEDY)
    return _volume_of(read.maps, array, path), True


def _image_of(case: CaseFolder) -> tuple[np.ndarray, str]:
    """The image of a case as stored (k, j, i), and what speaks against it."""
    from CardiacUQLib.images.reading import read_volume

    if case.input_path is None:
        raise InputError(case.folder, "its image never was a file", _REMEDY)
    image = read_volume(case.input_path, series=case.record.series or None)
    if image.sha256 != case.input_sha256:
        return image.array, f"its image {case.input_path} was changed since it was segmented"
    return np.ascontiguousarray(image.storage.to_stored(image.array)), ""


def _volume_of(maps: CaseMaps, array: np.ndarray, path: Path) -> slicer.vtkMRMLScalarVolumeNode:
    scene = slicer.mrmlScene
    # a frame of a film lies in its case folder and is called like all of them
    name = maps.name if path.parent == maps.folder else path.name.partition(".")[0]
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    set_volume_array(volume, array, geometry_as_matrix(maps.geometry))
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(path))
    volume.SetAndObserveStorageNodeID(storage.GetID())
    volume.CreateDefaultDisplayNodes()
    return volume


def _volume_from(path: Path | None) -> slicer.vtkMRMLScalarVolumeNode | None:
    """The volume of the scene that was loaded from this file."""
    for volume in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if path is not None else ():
        storage = volume.GetStorageNode()
        if storage is not None and Path(storage.GetFullNameFromFileName() or "") == path:
            return volume
    return None


def load_image(path: Path) -> slicer.vtkMRMLScalarVolumeNode:
    """Load an image as File > Add data would; raises InputError."""
    scene = slicer.mrmlScene
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(path))
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", path.name.partition(".")[0])
    volume.SetAndObserveStorageNodeID(storage.GetID())
    if not storage.ReadData(volume) or volume.GetImageData() is None:
        _unload(volume)
        raise InputError(path, "Slicer cannot read it", _REMEDY)
    volume.CreateDefaultDisplayNodes()
    return volume


def _unload(volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Take a volume and what belongs to it out of the scene."""
    scene = slicer.mrmlScene
    companions = [volume.GetStorageNode(), volume.GetDisplayNode()]
    scene.RemoveNode(volume)
    for node in companions:
        if node is not None and scene.IsNodePresent(node):
            scene.RemoveNode(node)


def unload_case(nodes: CaseNodes) -> None:
    """Take a case and its volume out of the scene: the next of a queue follows."""
    from CardiacUQScene import remove_case, remove_insertion

    volume = nodes.volume
    remove_case(nodes)
    if volume.GetScene() is not None:
        remove_insertion(volume)
        _unload(volume)
