"""Volumes and films as Slicer's DICOM module loads them give what the file route gives."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(REPOSITORY / "Testing" / "tests" / part) for part in ("evaluation", "dicom")]

from enhanced_series import Vendor, write_enhanced  # noqa: E402
from lge_series import SLICES, write_series  # noqa: E402
from test_widget_film import add_film  # noqa: E402

pytestmark = pytest.mark.timeout(600)


def slicer_loads(files: list[Path]):
    """What DICOMScalarVolumePlugin does with files that it has sorted by position."""
    names = vtk.vtkStringArray()
    for file in files:
        names.InsertNextValue(str(file))
    logic = slicer.modules.volumes.logic()
    return logic.AddArchetypeScalarVolume(str(files[0]), "from DICOM", 0, names)


def by_position(folder: Path) -> list[Path]:
    """The files of a classic series along their normal."""
    import pydicom

    def place(path: Path) -> float:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        row, column = np.reshape(np.array(header.ImageOrientationPatient, float), (2, 3))
        return float(np.cross(row, column) @ np.array(header.ImagePositionPatient, float))

    return sorted(folder.iterdir(), key=place)


def same_heart(path: Path, folder: Path, series: str | None = None) -> None:
    """The file that a run gets holds the voxels of the folder, in the same places."""
    from CardiacUQLib.images.reading import read_volume

    ours, theirs = read_volume(folder, series=series), read_volume(path)
    assert theirs.geometry.matches(ours.geometry, 0.01)
    np.testing.assert_array_equal(theirs.array, ours.array)


def heart(phases: int = 1) -> np.ndarray:
    """Stored values (t, k, rows, columns), every one of its own."""
    shape = (phases, SLICES, 72, 64)
    return (np.arange(np.prod(shape)).reshape(shape) * 7919 % 4001).astype(np.uint16)


def test_a_classic_series_is_the_same_by_both_routes(host, module, tmp_path):
    from CardiacUQWidgets.inputfile import write_input

    folder = write_series(tmp_path / "lge")
    volume = slicer_loads(by_position(folder))
    widget = host.open("CardiacUQ")
    host.wait(lambda: not widget.busy, 60)
    assert widget.ui.inputSelector.currentNode() is volume, "nothing was put in its place"
    same_heart(write_input(volume, tmp_path / "image.nrrd"), folder)


@pytest.mark.parametrize("vendor", Vendor)
def test_an_enhanced_object_is_measured_where_its_frames_lie(host, module, tmp_path, vendor):
    from CardiacUQWidgets.inputfile import write_input

    folder = write_enhanced(tmp_path / "lge", heart(), vendor)
    (file,) = folder.iterdir()
    volume = slicer_loads([file])
    widget = host.open("CardiacUQ")
    widget.ui.inputSelector.setCurrentNode(volume)
    host.wait(lambda: not widget.busy, 60)
    chosen = widget.ui.inputSelector.currentNode()
    if vendor is Vendor.SIEMENS:
        assert chosen is volume, "its frames lie in order: the reader of Slicer is right"
    else:
        assert chosen is not volume and chosen.GetName() == "from DICOM, frames in place"
        assert "read anew" in widget.ui.messageLabel.text
    same_heart(write_input(chosen, tmp_path / "image.nrrd"), folder)
    widget.ui.inputSelector.setCurrentNode(volume)
    host.wait(lambda: not widget.busy, 60)
    assert widget.ui.inputSelector.currentNode() is chosen, "the wrong one is never measured"


def test_an_enhanced_film_becomes_a_film(host, module, tmp_path):
    from CardiacUQLib.images.cine import read_cine
    from CardiacUQScene.film import frames_of
    from CardiacUQScene.grid import geometry_as_matrix

    folder = write_enhanced(tmp_path / "cine", heart(6), Vendor.PHILIPS, description="cine_sax")
    (file,) = folder.iterdir()
    volume = slicer_loads([file])
    widget = host.open("CardiacUQ")
    widget.ui.inputSelector.setCurrentNode(volume)
    host.wait(lambda: not widget.busy, 60)
    film = widget.films.film
    assert film is not None and film.frames == 6, widget.ui.messageLabel.text
    arrays, matrix = frames_of(film)
    cine = read_cine(folder)
    assert (arrays == cine.stored).all() and np.allclose(matrix, geometry_as_matrix(cine.geometry), atol=1e-4)


def test_a_sequence_of_classic_phases_is_the_film_of_the_folder(host, module, tmp_path):
    """As the plug-ins for sequences load it: every phase from its own files."""
    import pydicom
    from test_dicom_cine import PHASES, write_cine

    from CardiacUQLib.images.cine import read_cine
    from CardiacUQScene.film import film_of
    from CardiacUQScene.voxels import volume_array
    from CardiacUQWidgets.inputfile import write_film

    write_cine(tmp_path / "cine")
    times = {path: float(pydicom.dcmread(path).TriggerTime) for path in (tmp_path / "cine").iterdir()}
    ordered = by_position(tmp_path / "cine")
    phases = [
        slicer_loads([path for path in ordered if times[path] == moment])
        for moment in sorted({*times.values()})
    ]
    assert len(phases) == PHASES
    volume, browser = add_film(host, np.stack([volume_array(phase) for phase in phases]))
    matrix = vtk.vtkMatrix4x4()
    phases[0].GetIJKToRASMatrix(matrix)
    sequence = browser.GetSequenceNode(volume)
    for number in range(PHASES):
        sequence.GetNthDataNode(number).SetIJKToRASMatrix(matrix)
    volume.SetIJKToRASMatrix(matrix)
    ours = read_cine(write_film(film_of(volume), tmp_path / "film.nii"))
    theirs = read_cine(tmp_path / "cine")
    assert len(ours) == len(theirs)
    for number in range(PHASES):
        a, b = ours.frame(number), theirs.frame(number)
        assert a.geometry.matches(b.geometry, 0.01)
        np.testing.assert_array_equal(a.array, b.array)


def test_labels_are_the_same_by_both_routes(host, module, models, tmp_path, monkeypatch):
    """From an enhanced object through a real child process, and from its folder by the command's way."""
    import pydicom

    from CardiacUQLib.bundles.bundle import load_bundle
    from CardiacUQLib.images.reading import read_volume
    from CardiacUQLib.inference.segment import segment
    from CardiacUQScene.voxels import labels_of
    from CardiacUQWidgets import computer

    folder = write_enhanced(tmp_path / "lge", heart(), Vendor.GE)
    (file,) = folder.iterdir()
    computer.set_results_folder(str(tmp_path / "results"))
    widget = host.open("CardiacUQ")
    widget.ui.inputSelector.setCurrentNode(slicer_loads([file]))
    host.wait(lambda: not widget.busy, 60)
    widget.ui.segmentButton.click()
    host.wait(lambda: not widget.busy, 300)
    nodes = widget.desk.nodes
    assert nodes is not None, widget.ui.messageLabel.text
    volume = read_volume(folder)
    (name,) = (path for path in models.iterdir() if path.is_dir())
    expected = segment(volume, load_bundle(name), device="cpu").segmentation
    found = labels_of(nodes.segmentation, nodes.segments, nodes.volume)
    np.testing.assert_array_equal(found, volume.storage.to_stored(expected))
    assert expected.any()
    # and what goes beside the series knows it, though the volume was read anew: nobody is asked for a folder
    exported = nodes.folder / "dicom"
    monkeypatch.setattr(widget.exports, "_folder", lambda title: pytest.fail(title))
    widget.ui.dicomButton.click()
    host.wait(lambda: not widget.busy, 300)
    assert exported.is_dir(), widget.ui.messageLabel.text
    source, made = (
        pydicom.dcmread(path, stop_before_pixels=True) for path in (file, exported / "segmentation.dcm")
    )
    assert made.StudyInstanceUID == source.StudyInstanceUID
    assert made.FrameOfReferenceUID == source.FrameOfReferenceUID
    (referred,) = made.ReferencedSeriesSequence
    assert referred.SeriesInstanceUID == source.SeriesInstanceUID
    assert {one.ReferencedSOPInstanceUID for one in referred.ReferencedInstanceSequence} == {
        source.SOPInstanceUID
    }


def test_the_origin_of_a_volume_is_noted_or_known_to_the_database(host, module, tmp_path):
    from types import SimpleNamespace

    from CardiacUQWidgets.dicom_origin import Origin, origin_of, remember

    folder = tmp_path / "series"
    folder.mkdir()
    files = {"1.2.1": folder / "a", "1.2.2": folder / "b", "1.2.3": tmp_path / "elsewhere" / "c"}
    database = SimpleNamespace(
        fileForInstance=lambda uid: str(files.get(uid, "")),
        instanceValue=lambda uid, tag: {"1.2.1": "9.1", "1.2.2": "9.1", "1.2.3": "9.1"}.get(uid, ""),
    )
    slicer.dicomDatabase = database  # the host takes it away with the module
    volume = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "heart")
    assert origin_of(volume) is None
    volume.SetAttribute("DICOM.instanceUIDs", "1.2.1 1.2.2")
    assert origin_of(volume) == Origin(folder, "9.1")
    for unclear in ("1.2.1 1.2.3", "1.2.1 7.7", "7.7"):  # two folders, instances that nobody knows
        volume.SetAttribute("DICOM.instanceUIDs", unclear)
        assert origin_of(volume) is None
    remember(volume, folder, "9.2")
    assert origin_of(volume) == Origin(folder, "9.2"), "what our reader noted comes first"
    folder.rmdir()
    assert origin_of(volume) is None, "a folder that is gone is asked for"
