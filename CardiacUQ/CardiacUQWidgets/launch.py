"""How child processes are started from Slicer: interpreter, environment, folder."""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from pathlib import Path

import slicer

from CardiacUQScene.film import film_of

from . import computer, inputfile
from .run import RunOptions, SegmentationRun

MODULE_FOLDER = Path(__file__).resolve().parents[1]


def python_executable() -> str:
    """Slicer's Python launcher; outside Slicer the running interpreter."""
    return shutil.which("PythonSlicer") or sys.executable


def environment() -> dict[str, str]:
    """The environment Slicer itself was started in, with our library on Python's path."""
    base = slicer.util.startupEnvironment()
    paths = [str(MODULE_FOLDER), base.get("PYTHONPATH", "")]
    return {**base, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def segmentation_run(
    volume: slicer.vtkMRMLScalarVolumeNode, options: RunOptions, warm: computer.WarmChild | None = None
) -> SegmentationRun:
    """Start a run on a volume of the scene, in the ``warm`` child if it still waits.

    Raises OSError or CardiacUQError with nothing left over.
    """
    run = SegmentationRun(volume.GetName() or "volume", computer.results_folder(), options)
    film = None if options.film is None else film_of(volume)
    if film is not None:
        writers = [partial(inputfile.write_film, film)]
    else:
        phases = [volume] if options.end_systole is None else [volume, options.end_systole]
        writers = [partial(inputfile.write_input, phase) for phase in phases]
    run.start(
        writers,
        python_executable(),
        environment(),
        MODULE_FOLDER,
        None if warm is None else warm.take,
    )
    return run


def warm_child() -> computer.WarmChild | None:
    """Start a child that loads torch and waits for a run; None if not even that can be started."""
    child = computer.WarmChild(python_executable(), environment(), MODULE_FOLDER)
    try:
        child.start()
    except OSError:
        return None
    return child
