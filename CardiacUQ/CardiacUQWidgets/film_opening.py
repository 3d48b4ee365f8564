"""A film from its files into the scene, one frame between two events."""

from __future__ import annotations

from pathlib import Path

import slicer

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.images.volume import case_name
from CardiacUQScene.film import add_film
from CardiacUQScene.grid import geometry_as_matrix

from .dicom_origin import remember
from .stepping import Steps, in_thread


def open_film(path: Path, series: str | None = None) -> Steps[slicer.vtkMRMLScalarVolumeNode]:
    """Load a film, a DICOM folder (or one ``series`` of it) or a file with a time axis, into the scene;
    raises InputError."""
    from CardiacUQLib.images.cine import read_cine  # reads headers of every kind: not at start-up

    cine = yield from in_thread(lambda: read_cine(path, series))
    matrix = geometry_as_matrix(cine.geometry)
    for volume in add_film(slicer.mrmlScene, case_name(path), cine.stored, matrix):
        if volume is not None:
            volume.CreateDefaultDisplayNodes()
            if path.is_dir():
                remember(volume, path, series or cine.series)
            return volume
        yield
    raise InputError(path, "the film has no frame", "give a short-axis cine")
