"""A cine as DICOM: slices by position, phases by trigger time, one series or one per slice."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from lge_series import BETWEEN_MM, COLUMNS, ROWS, write_slice
from pydicom.uid import generate_uid

from CardiacUQLib.base.errors import ExitCode, InputError
from CardiacUQLib.bundles.classes import CINE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.cases.writing import write_case
from CardiacUQLib.dicom import write_dicom_outputs
from CardiacUQLib.images.cine import is_cine, read_cine
from CardiacUQLib.images.dicom_cine import holds_cine
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.inference.result import Result, RunRecord
from CardiacUQLib.measures import Frame, cine_measures, frame_measures, measures_json, phase_measures
from CardiacUQTraining.cli.app import main

PHASES, SLICES = 6, 4


def frames() -> np.ndarray:
    """Grey values (t, k, j, i), every pixel of every frame its own."""
    shape = (PHASES, SLICES, ROWS, COLUMNS)
    return (np.arange(np.prod(shape)).reshape(shape) * 7919 % 4001).astype(np.uint16)


def write_cine(folder: Path, *, series_per_slice: bool = False, **change) -> np.ndarray:
    """Files in an order that says nothing; ``change`` overrides tags by ``name=function(t, k)``."""
    folder.mkdir(parents=True, exist_ok=True)
    grey, one = frames(), generate_uid()
    names = np.random.default_rng(4).permutation(PHASES * SLICES)
    for k in range(SLICES):
        series = generate_uid() if series_per_slice else one
        for t in range(PHASES):
            number = int(names[k * PHASES + t])
            tags = {"TriggerTime": 30.5 * t, "SeriesDescription": "cine_sax", "SeriesNumber": 10 + k}
            tags |= {name: value(t, k) for name, value in change.items()}
            path = folder / f"IM{number:03d}.dcm"
            write_slice(path, grey[t, k], BETWEEN_MM * k, series, number, **tags)
    return grey


@pytest.mark.parametrize("series_per_slice", [False, True])
def test_every_pixel_comes_to_its_phase_and_slice(tmp_path, series_per_slice):
    grey = write_cine(tmp_path / "cine", series_per_slice=series_per_slice)
    assert is_cine(tmp_path / "cine")
    cine = read_cine(tmp_path / "cine")
    assert len(cine) == PHASES
    np.testing.assert_array_equal(cine.stored, grey)
    assert cine.geometry.spacing == pytest.approx((1.25, 1.5, BETWEEN_MM))
    frame = cine.frame(2)
    np.testing.assert_array_equal(frame.storage.to_stored(frame.array), grey[2])


def test_a_frame_lies_where_the_stack_of_its_phase_lies(tmp_path):
    grey = write_cine(tmp_path / "cine")
    (tmp_path / "phase").mkdir()
    uid = generate_uid()
    for k in range(SLICES):
        write_slice(tmp_path / "phase" / f"{k}.dcm", grey[3, k], BETWEEN_MM * k, uid, k)
    alone, frame = read_volume(tmp_path / "phase"), read_cine(tmp_path / "cine").frame(3)
    assert frame.source_geometry.matches(alone.source_geometry, tolerance_mm=1e-3)
    np.testing.assert_array_equal(frame.array, alone.array)


def test_temporal_positions_where_trigger_times_say_nothing(tmp_path):
    grey = write_cine(
        tmp_path, TriggerTime=lambda t, k: 0.0, TemporalPositionIdentifier=lambda t, k: PHASES - t
    )
    np.testing.assert_array_equal(read_cine(tmp_path).stored, grey[::-1])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"TriggerTime": lambda t, k: 0.0}, "neither TriggerTime nor"),
        ({"PixelSpacing": lambda t, k: [1.5 + 0.5 * (k == 2), 1.25]}, "different pixel spacings"),
        ({"ImagePositionPatient": lambda t, k: [0, 0, 10 * (k + (k == 3))]}, "slices"),
    ],
)
def test_what_is_no_regular_cine_is_one_line(tmp_path, change, problem):
    write_cine(tmp_path, **change)
    with pytest.raises(InputError, match=problem) as error:
        read_cine(tmp_path)
    assert "\n" not in str(error.value)


def test_a_missing_phase_and_two_cines_are_told(tmp_path):
    write_cine(tmp_path / "a")
    sorted((tmp_path / "a").iterdir())[0].unlink()
    with pytest.raises(InputError, match=r"different numbers of phases \(5, 6\)"):
        read_cine(tmp_path / "a")
    write_cine(tmp_path / "b" / "one")
    write_cine(tmp_path / "b" / "two")
    with pytest.raises(InputError, match="there are 2 series"):
        read_cine(tmp_path / "b")
    assert not is_cine(tmp_path / "b")


def test_a_plain_stack_and_few_contrasts_are_no_cine(tmp_path):
    uid = generate_uid()
    grey = frames()
    (tmp_path / "stack").mkdir()
    (tmp_path / "echoes").mkdir()
    for k in range(SLICES):
        write_slice(tmp_path / "stack" / f"{k}.dcm", grey[0, k], BETWEEN_MM * k, uid, k)
        for t in range(2):
            path = tmp_path / "echoes" / f"{k}{t}.dcm"
            write_slice(path, grey[t, k], BETWEEN_MM * k, uid, 2 * k + t, EchoTime=1.0 + t, TriggerTime=t)
    assert not holds_cine(tmp_path / "stack") and not holds_cine(tmp_path / "echoes")
    assert not holds_cine(tmp_path / "nothing")
    with pytest.raises(InputError, match="several phases or contrasts"):
        read_volume(tmp_path / "echoes")


CINE_RUN = RunRecord("cine-test", "1.0", "cd" * 32, "cpu", "float32", (0,), ("identity",), {}, 0.0, {})


def validator() -> str:
    """dciodvfy; the test cannot say anything without it."""
    path = shutil.which("dciodvfy")
    if path is None:
        pytest.skip("dciodvfy is not installed (Debian: dicom3tools)")
    return path


def phase_result(folder: Path, frame: int, radius: float) -> Result:
    """A phase of the cine in ``folder``, its cavity of this radius in pixels."""
    volume = dataclasses.replace(read_cine(folder).frame(frame), path=folder)
    _, y, x = np.indices(volume.array.shape, dtype=float)
    far = np.hypot(y - volume.array.shape[1] / 2, x - volume.array.shape[2] / 2)
    labels = np.where(far < radius, 3, np.where(far < 14, 2, 0)).astype(np.uint8)
    labels[:, 2:10, 2:10] = 1
    zeros = np.zeros(labels.shape, np.uint8)
    scs = np.full(labels.shape, 0.1, np.float32)
    return Result(
        volume, BundleKind.STREAMING, CINE_CLASSES, labels, labels, {MapName.SCS: scs}, zeros,
        zeros.astype(np.int32), (), np.zeros((1, 4)), CINE_RUN, {},
    )  # fmt: skip


def test_each_phase_becomes_dicom_with_ef_and_its_own_images(tmp_path):
    """ED and ES of one series with all phases: SEG, SR and map that validators accept, EF read back."""
    write_cine(tmp_path / "cine")
    results = {"ED": phase_result(tmp_path / "cine", 0, 10), "ES": phase_result(tmp_path / "cine", 4, 6)}
    frames = [Frame(one.segmentation, one.volume.geometry) for one in results.values()]
    together = measures_json(cine_measures(*frames, CINE_CLASSES))
    cases, out = tmp_path / "cases", tmp_path / "out"
    for phase, one in results.items():
        alone = measures_json(frame_measures(frames[phase == "ES"], CINE_CLASSES))
        measured = phase_measures(alone, together, phase)
        write_case(dataclasses.replace(one, measures=measured), cases, name=f"heart_{phase}")
    summary = {"name": "heart", "cases": {"ED": "heart_ED", "ES": "heart_ES"}, "frames": {"ED": 0, "ES": 4}}
    (cases / "heart_cine.json").write_text(json.dumps(summary))
    for phase in results:
        arguments = [str(cases / f"heart_{phase}"), str(tmp_path / "cine"), "-o", str(out)]
        assert main(["dicom", *arguments]) == ExitCode.DONE
    counts = np.unique(results["ES"].segmentation, return_counts=True)[1]
    seg = pydicom.dcmread(out / "segmentation_ES.dcm")
    assert [int(s.SegmentNumber) for s in seg.SegmentSequence] == [1, 2, 3]
    assert int(seg.pixel_array.astype(bool).sum()) == counts[1:].sum()
    times = {
        str(image.SOPInstanceUID): float(image.TriggerTime)
        for image in (pydicom.dcmread(path) for path in (tmp_path / "cine").iterdir())
    }
    used = {
        str(item.ReferencedSOPInstanceUID)
        for item in seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    }
    assert {times[uid] for uid in used} == {30.5 * 4}, "the images of end-systole and no others"
    report = hd.sr.srread(out / "report_ED.dcm")
    values = {
        one.name.value: one.value
        for group in report.content.get_image_measurement_groups()
        for one in group.get_measurements()
    }
    assert values["8811-2"] == pytest.approx(100 * (1 - (6 / 10) ** 2), abs=4)
    for path in sorted(out.glob("*.dcm")):
        found = subprocess.run([validator(), path], capture_output=True, text=True, check=False)
        errors = [line for line in (found.stdout + found.stderr).splitlines() if line.startswith("Error")]
        assert not errors, path.name


def test_a_frame_that_is_not_there_is_one_line(tmp_path):
    write_cine(tmp_path / "cine")
    result = phase_result(tmp_path / "cine", 0, 10)
    with pytest.raises(InputError, match="there is no frame 9, each slice has 6 phases"):
        write_dicom_outputs(result, tmp_path / "cine", tmp_path / "out", phase="ED", frame=9)
    with pytest.raises(InputError, match="several images lie on one slice"):
        write_dicom_outputs(result, tmp_path / "cine", tmp_path / "out", phase="ED")
