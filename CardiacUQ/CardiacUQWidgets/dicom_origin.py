"""Which DICOM series a volume of the scene came from: what is made of it belongs beside that series."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import slicer

from CardiacUQScene.film import bound_to

_ATTRIBUTE = "CardiacUQ.dicomOrigin"
_INSTANCES, _SERIES_UID = "DICOM.instanceUIDs", "0020,000E"


@dataclass(frozen=True)
class Origin:
    """Folder and series instance UID; the series is "" where it is the folder's only one."""

    folder: Path
    series: str


def remember(volume: slicer.vtkMRMLVolumeNode, folder: Path, series: str) -> None:
    """Note where our own reader found a volume; kept in a saved scene."""
    volume.SetAttribute(_ATTRIBUTE, json.dumps([str(folder.absolute()), series]))


def origin_of(volume: slicer.vtkMRMLVolumeNode) -> Origin | None:
    """Where a volume came from: what our reader noted, else what the application's DICOM database knows of
    the instances it was loaded from; None where neither does, or the folder is gone. A volume that stands for
    the frame of a film comes from where the film does."""
    bound = bound_to(volume)
    source = volume if bound is None else bound[0].volume
    noted = source.GetAttribute(_ATTRIBUTE)
    found = Origin(Path(json.loads(noted)[0]), json.loads(noted)[1]) if noted else _from_database(source)
    return found if found is not None and found.folder.is_dir() else None


def _from_database(volume: slicer.vtkMRMLVolumeNode) -> Origin | None:
    """All instances must lie in one folder and belong to one series."""
    instances = (volume.GetAttribute(_INSTANCES) or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if not instances or database is None:
        return None
    folders = {str(Path(database.fileForInstance(uid)).parent) for uid in instances}
    series = {database.instanceValue(uid, _SERIES_UID) for uid in instances}
    if len(folders) != 1 or len(series) != 1 or folders == {"."} or series == {""}:
        return None
    return Origin(Path(folders.pop()), series.pop())
