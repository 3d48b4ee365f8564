"""A case folder onto its volume: the one in the scene, or the image file the case was computed from."""

from __future__ import annotations

from pathlib import Path

import slicer

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.images.volume import IMAGE_SUFFIXES
from CardiacUQLib.review import CaseMaps
from CardiacUQScene import CaseNodes, show_case

_REMEDY = "load the image that the case was computed from, choose it under Input, and load the case again"


def show_on_its_volume(
    case: CaseMaps, chosen: slicer.vtkMRMLScalarVolumeNode | None
) -> tuple[slicer.vtkMRMLScalarVolumeNode, CaseNodes]:
    """Show a case on the chosen volume, or else on its own image, loaded now.

    Raises InputError with the scene as it was if neither fits.
    """
    path = case.input_path
    if chosen is not None:
        try:
            return chosen, show_case(case, chosen)
        except InputError as error:
            refusal = error
            if path is None or not _loadable(path):
                raise
    elif path is None or not _loadable(path):
        raise InputError(case.folder or case.name, "its image is not here", _REMEDY)
    else:
        refusal = None
    already = _volume_from(path)
    volume = already or load_image(path)
    try:
        return volume, show_case(case, volume)
    except InputError as error:
        if already is None:
            _unload(volume)
        raise refusal or error from None


def _loadable(path: Path | None) -> bool:
    return path is not None and path.is_file() and path.name.lower().endswith(IMAGE_SUFFIXES)


def _volume_from(path: Path) -> slicer.vtkMRMLScalarVolumeNode | None:
    """The volume of the scene that was loaded from this file."""
    for volume in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
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
    scene = slicer.mrmlScene
    companions = [volume.GetStorageNode(), volume.GetDisplayNode()]
    scene.RemoveNode(volume)
    for node in companions:
        if node is not None and scene.IsNodePresent(node):
            scene.RemoveNode(node)
