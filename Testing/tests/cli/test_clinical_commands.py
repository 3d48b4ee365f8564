"""``measure`` and ``dicom``, and the options of ``segment`` that lead to them."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from CardiacUQLib.base.errors import ExitCode
from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.cases.writing import write_case
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.inference.result import Result, RunRecord
from CardiacUQLib.measures import measure
from CardiacUQLib.measures.insertion import Insertion
from CardiacUQLib.review import CaseMaps, Review
from CardiacUQLib.uncertainty.verdict import Verdict, Word

FAST = ("--device", "cpu", "--folds", "0", "--no-tta")
RUN = RunRecord("no-such-bundle", "1", "ab" * 32, "cpu", "float32", (0,), ("identity",), {}, 0.0, {})


def ring(shape, inner, outer, values):
    y, x = np.mgrid[: shape[1], : shape[2]]
    radius = np.hypot(y - 48, x - 48) * 1.458
    labels = np.zeros(shape, np.uint8)
    labels[:] = np.select([radius < inner, radius < outer], values, 0)
    return labels


def case_of(scan: Path, folder: Path, name: str, labels, classes, **said) -> Path:
    """A case folder with these labels; ``said`` are further fields of its result."""
    volume = read_volume(scan)
    labels = labels.astype(np.uint8)
    volumes = np.bincount(labels.ravel(), minlength=len(classes)) * volume.geometry.voxel_volume_ml
    passes = volumes * np.array([0.95, 1.0, 1.05])[:, None]
    empty = np.zeros(labels.shape, np.uint8)
    result = Result(
        volume=volume, kind=BundleKind.CASCADE, classes=classes, segmentation=labels, opinion=labels,
        maps={MapName.SCS: empty.astype(np.float32)}, dcm=empty, component_ids=empty.astype(np.int32),
        components=(), pass_volumes_ml=passes, run=RUN,
        measures=measure(labels, volume, BundleKind.CASCADE, classes, passes),
    )  # fmt: skip
    return write_case(dataclasses.replace(result, **said), folder, name=name)


def lge_labels(stack):
    labels = ring(stack.shape, 20, 32, [1, 2])
    labels[:, :, 60:][labels[:, :, 60:] == 2] = 3
    return labels


@pytest.fixture
def lge_case(scan, stack, tmp_path):
    return case_of(scan, tmp_path / "cases", "lge", lge_labels(stack), LGE_CLASSES)


@pytest.fixture
def frames(scan, stack, tmp_path):
    inner = {"ed": 24, "es": 12}
    return [
        case_of(scan, tmp_path / "cases", name, ring(stack.shape, radius, 36, [3, 2]), CINE_CLASSES)
        for name, radius in inner.items()
    ]


def test_one_case_is_measured_anew_with_aha_segments(cardiacuq, lge_case, tmp_path):
    point = read_case(lge_case).geometry.index_to_ras(np.array([37.0, 29.0, 2.0]))
    out = tmp_path / "measures.json"
    outcome = cardiacuq("measure", lge_case, f"--rv-insertion={point[0]},{point[1]},{point[2]}", "-o", out)
    assert (outcome.code, outcome.err) == (ExitCode.DONE, "")
    content = json.loads(out.read_text("utf-8"))
    assert outcome.out.splitlines()[0] == content["headline"]
    assert content["headline"].startswith("Infarct ")
    assert content["segments"]["model"] == "AHA-17"
    assert content["thresholds"] is not None
    again = cardiacuq("measure", lge_case, "-o", out)
    assert again.code == ExitCode.USAGE
    assert "use --overwrite" in again.error_line


def test_two_frames_give_the_ejection_fraction(cardiacuq, frames):
    outcome = cardiacuq("measure", *frames)
    assert (outcome.code, outcome.err) == (ExitCode.DONE, "")
    assert outcome.out.startswith("EF 75 % (passes: 75-75), EDV ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("es", "ed"), "in the order ED, ES"),
        (("ed", "lge"), "different classes"),
        (("lge", "other"), "measured one by one"),
        (("ed", "ed"), "was given twice"),
        (("ed", "es", "ed"), "one case folder, or two"),
        (("lge", "--rv-insertion=1,2"), "is no point"),
        (("lge", "--rv-insertion=1,2,3000"), "off the slices"),
    ],
)
def test_what_cannot_be_measured_is_one_line(cardiacuq, lge_case, frames, arguments, words):
    other = shutil.copytree(lge_case, lge_case.with_name("other"))
    folders = {"lge": lge_case, "other": other, "ed": frames[0], "es": frames[1]}
    outcome = cardiacuq("measure", *(folders.get(a, a) for a in arguments))
    assert outcome.code == ExitCode.USAGE
    assert words in outcome.error_line


def test_measuring_anew_knows_what_the_networks_said_of_the_case(cardiacuq, scan, stack, tmp_path):
    """The same headline as `segment` gave: no certainty about an MVO, no interval where none holds."""
    labels = lge_labels(stack)
    for word, interval in ((Word.CHECK, True), (Word.REDO, False)):
        said = {"presence": {"infarct": 0.99, "MVO": 0.63}, "verdict": Verdict(word, "unlike")}
        case = case_of(scan, tmp_path / "cases", word.value, labels, LGE_CLASSES, **said)
        outcome = cardiacuq("measure", case)
        assert outcome.out.startswith("Unlike the training scans: Infarct ")
        assert ", MVO probability 0.63 (none drawn)" in outcome.out
        assert ("(passes:" in outcome.out) == interval


def test_measuring_anew_keeps_the_insertion_that_was_found(cardiacuq, scan, stack, lge_case, tmp_path):
    ras = read_case(lge_case).geometry.index_to_ras(np.array([37.0, 29.0, 2.0]))
    found = Insertion((float(ras[0]), float(ras[1]), float(ras[2])), "cine-streaming", 20.0)
    labels, volume = lge_labels(stack), read_volume(scan)
    measures = measure(labels, volume, BundleKind.CASCADE, LGE_CLASSES, known_insertion=found)
    case = case_of(scan, tmp_path / "cases", "found", labels, LGE_CLASSES, measures=measures)
    out = tmp_path / "measures.json"
    assert cardiacuq("measure", case, "-o", out).code == ExitCode.DONE
    segments = json.loads(out.read_text("utf-8"))["segments"]
    assert segments["model"] == "AHA-17" and segments["insertion"]["by"] == "cine-streaming"


def test_a_review_counts_and_costs_the_interval(cardiacuq, lge_case):
    case = read_case(lge_case)
    before = cardiacuq("measure", lge_case).out.splitlines()[0]
    review = Review(CaseMaps.of(case), reviewer="Jane Doe")
    review.edited(-1, np.where(review.labels == 3, 2, review.labels).astype(np.uint8))
    after = cardiacuq("measure", lge_case).out.splitlines()[0]
    assert "(passes:" in before
    assert after == "No infarct found"


def dicom_folder(write_dicom, folder: Path, tags: dict[str, str]) -> Path:
    import pydicom

    write_dicom(folder, "1.2.3.77")
    for path in folder.iterdir():
        image = pydicom.dcmread(path)
        for name, value in tags.items():
            setattr(image, name, value)
        image.save_as(path)
    return folder


PATIENT = {"FrameOfReferenceUID": "1.2.3.5", "PatientID": "P1", "PatientName": "Phantom^One"}


@pytest.mark.timeout(400)  # two exports and a run; a loaded machine needs more than the usual limit
def test_segment_writes_dicom_into_the_case_folder(cardiacuq, write_dicom, tiny_bundle, tmp_path):
    pytest.importorskip("highdicom", reason="DICOM output needs highdicom")
    series = dicom_folder(write_dicom, tmp_path / "series", PATIENT)
    arguments = ("segment", series, "-o", tmp_path / "out", "--model", tiny_bundle, "--dicom", *FAST)
    outcome = cardiacuq(*arguments)
    assert outcome.code == ExitCode.DONE
    assert outcome.err == "note: series: its slices are 58 degrees away from the usual short axis\n"
    written = {path.name for path in (tmp_path / "out" / "series" / "dicom").iterdir()}
    assert {"segmentation.dcm", "scs.dcm", "report.dcm"} <= written
    read_case(tmp_path / "out" / "series")
    again = cardiacuq("dicom", tmp_path / "out" / "series", series, "-o", tmp_path / "pacs")
    assert (again.code, again.err) == (ExitCode.DONE, "")
    assert [Path(line).name for line in again.out.splitlines()] == sorted(written, key=again.out.index)
    third = cardiacuq("dicom", tmp_path / "out" / "series", series, "-o", tmp_path / "pacs")
    assert third.code == ExitCode.USAGE
    assert "exists and is not replaced" in third.error_line


def test_dicom_that_fails_leaves_the_case_and_says_why(cardiacuq, write_dicom, tiny_bundle, tmp_path):
    pytest.importorskip("highdicom", reason="DICOM output needs highdicom")
    series = write_dicom(tmp_path / "series", "1.2.3.78")
    arguments = ("segment", series, "-o", tmp_path / "out", "--model", tiny_bundle, "--dicom", *FAST)
    outcome = cardiacuq(*arguments)
    assert outcome.code == ExitCode.EXPORT
    assert "no FrameOfReferenceUID" in outcome.err.splitlines()[-1]
    assert "the case itself is whole" in outcome.err.splitlines()[-1]
    assert read_case(tmp_path / "out" / "series").segmentation.ndim == 3
    assert not (tmp_path / "out" / "series" / "dicom").exists()


def test_dicom_output_of_a_file_is_refused_before_any_work(cardiacuq, scan, tiny_bundle, tmp_path):
    outcome = cardiacuq("segment", scan, "-o", tmp_path / "out", "--model", tiny_bundle, "--dicom")
    assert outcome.code == ExitCode.USAGE
    assert "needs the folder of a DICOM series" in outcome.error_line


def test_insertion_outside_the_image_is_refused_by_segment(cardiacuq, scan, tiny_bundle, tmp_path):
    outcome = cardiacuq(
        "segment", scan, "-o", tmp_path / "out", "--model", tiny_bundle, "--rv-insertion=0,0,900", *FAST
    )
    assert outcome.code == ExitCode.USAGE
    assert "outside the image" in outcome.error_line
