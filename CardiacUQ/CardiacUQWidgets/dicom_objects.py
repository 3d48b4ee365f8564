"""Enhanced DICOM objects, whose frames the application's reader puts together in the order of the file.

Frames of an enhanced object lie in any order, and where they lie in the patient stands in the groups of
each frame. A volume that was loaded from such a file is therefore compared with what our reader makes of it;
where they differ, ours is brought into the scene: no volume is measured on voxels of the wrong size.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer
from slicer.i18n import tr as _

from CardiacUQLib.images.volume import IMAGE_SUFFIXES
from CardiacUQScene.grid import alignment, geometry_as_matrix, geometry_of
from CardiacUQScene.voxels import set_volume_array, volume_array

from .dicom_origin import remember
from .film_opening import open_film
from .stepping import Steps, in_thread

_READ_ANEW, _READ_RIGHT = "CardiacUQ.readAnew", "CardiacUQ.readRight"


def unchecked_file(volume: slicer.vtkMRMLScalarVolumeNode | None) -> Path | None:
    """The file, without the name of another image format, that a volume was loaded from; None if it is known
    that the volume is as the file says."""
    storage = None if volume is None else volume.GetStorageNode()
    name = "" if storage is None else storage.GetFullNameFromFileName() or ""
    path = Path(name)
    if volume is None or not name or path.name.lower().endswith(IMAGE_SUFFIXES) or not path.is_file():
        return None
    return None if volume.GetAttribute(_READ_RIGHT) == name else path


def read_anew(
    volume: slicer.vtkMRMLScalarVolumeNode, path: Path
) -> Steps[slicer.vtkMRMLScalarVolumeNode | None]:
    """What our reader makes of the enhanced object ``path``, as a volume or the volume of a film; None if
    ``volume`` already is that, or if the file is no such object. Raises InputError."""
    from CardiacUQLib.images.dicom_object import series_of_object
    from CardiacUQLib.images.kind import Kind, kind_of
    from CardiacUQLib.images.reading import read_volume

    known = volume.GetNodeReference(_READ_ANEW)
    if known is not None:
        return known
    series = yield from in_thread(lambda: series_of_object(path))
    if not series:
        volume.SetAttribute(_READ_RIGHT, str(path))
        return None
    kind = yield from in_thread(lambda: kind_of(path.parent, series))
    if kind is Kind.CINE:
        found = yield from open_film(path.parent, series)
    else:
        read = yield from in_thread(lambda: read_volume(path.parent, series=series))
        stored = np.ascontiguousarray(read.storage.to_stored(read.array))
        order = alignment(read.source_geometry, geometry_of(volume))
        if order is not None and np.array_equal(order.from_stored(stored), volume_array(volume)):
            volume.SetAttribute(_READ_RIGHT, str(path))
            return None
        found = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", path.stem)
        set_volume_array(found, stored, geometry_as_matrix(read.source_geometry))
        found.CreateDefaultDisplayNodes()
    remember(found, path.parent, series)
    found.SetName(_("{name}, frames in place").format(name=volume.GetName()))
    volume.SetNodeReferenceID(_READ_ANEW, found.GetID())
    return found
