"""Folders that hold several kinds of things: every bundle picks its own, the rest is listed with reasons."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from cohort_fixtures import FAST, scan_array, write_scan
from test_cohort_inputs import AXIAL, FOUR_CHAMBER, names, write_series

from CardiacUQLib.base.errors import InputError, UsageError
from CardiacUQLib.images.cine import read_cine
from CardiacUQLib.images.reading import read_volume
from CardiacUQTraining.cli.cine import CineOptions
from CardiacUQTraining.cli.cohort import CohortOptions, plan_cohort
from CardiacUQTraining.cohort.case import safe_name
from CardiacUQTraining.cohort.inputs import collect
from CardiacUQTraining.cohort.state import fingerprint


def retimed(folder: Path, phases: int, **values: object) -> Path:
    """Give the images of a folder trigger times, slice after slice, and other values."""
    for n, path in enumerate(sorted(folder.iterdir(), key=lambda path: instance(path))):
        image = pydicom.dcmread(path)
        image.TriggerTime = 40.0 * (n % phases)
        for name, value in values.items():
            setattr(image, name, value(n) if callable(value) else value)
        image.save_as(path)
    return folder


def instance(path: Path) -> float:
    image = pydicom.dcmread(path, stop_before_pixels=True)
    return float(np.dot(image.ImagePositionPatient, [0.66, -0.53, -0.53]))


def study(root: Path) -> Path:
    """Twelve series in one folder in random order: films, LGE in two types, planes, maps, a report, a CT."""
    parts = root / "parts"
    write_series(parts / "1", "1.1", "localizer", number=1, axes=AXIAL, slices=3)
    write_series(parts / "2", "1.2", "LGE 2ch", number=2, axes=FOUR_CHAMBER, slices=3)
    write_series(parts / "3", "1.3", "LGE_4CH_PSIR", number=3, axes=FOUR_CHAMBER, slices=3)
    retimed(write_series(parts / "4", "1.4", "cine_retro_sax", number=4, phases=6), 6)
    retimed(write_series(parts / "5", "1.5", "cine 4ch", number=5, axes=FOUR_CHAMBER, slices=1, phases=6), 6)
    write_series(parts / "6a", "1.6", "LGE_SAX", number=6, ImageType=["ORIGINAL", "PRIMARY", "M_IR", "M"])
    write_series(parts / "6b", "1.6", "LGE_SAX", number=6, ImageType=["ORIGINAL", "PRIMARY", "R_IR", "R"])
    write_series(parts / "7", "1.7", "T1map_MOLLI_sax", number=7, phases=8, InversionTime=200)
    write_series(parts / "8", "1.8", "TI_scout", number=8, slices=1)
    write_series(parts / "9", "1.9", "perfusion_stress", number=9, phases=10)
    write_series(parts / "10", "1.10", "T2w_STIR sax", number=10)
    report = write_series(parts / "11", "1.11", "Report", number=11, slices=1)
    for path in report.iterdir():
        image = pydicom.dcmread(path)
        image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.33"
        del image.PixelData
        image.save_as(path)
    write_series(parts / "12", "1.12", "CT Thorax", number=12, Modality="CT")
    files = [path for path in parts.rglob("*") if path.is_file()]
    random.Random(3).shuffle(files)
    (root / "study").mkdir()
    for number, path in enumerate(files):
        shutil.copy(path, root / "study" / f"I{number:05d}")
    return root / "study"


@pytest.mark.parametrize("cines", [False, True])
def test_each_bundle_picks_its_series_of_a_mixed_study(tmp_path: Path, cines: bool) -> None:
    folder = study(tmp_path)
    plan = collect([folder], "tiny", FAST, takes_cines=lambda bundle: cines)
    (case,) = plan.cases
    assert case.name == ("P1-series004" if cines else "P1-series006")
    assert case.cine is cines
    reasons = {one.series: one.reason for one in plan.skipped}
    assert len(reasons) == 11
    assert all(reasons.values())
    assert "4ch" in reasons["1.5"]
    assert "report" in reasons["1.11"]
    assert "CT, not MR" in reasons["1.12"]
    assert ("cine" in reasons["1.4"]) if not cines else ("LGE" in reasons["1.6"])
    if cines:
        film = read_cine(case.source, case.series)
        assert len(film) == 6
        assert film.sha256 == fingerprint(case)
    else:
        volume = read_volume(case.source, series=case.series)
        assert volume.sha256 == fingerprint(case)
        assert any("PSIR is taken" in line for line in volume.warnings)


def test_dicom_films_are_cases_of_a_batch_and_of_a_list(tmp_path: Path) -> None:
    for n in (1, 2):
        retimed(write_series(tmp_path / f"p{n}", f"1.{n}", "cine", phases=6, patient=f"P{n}"), 6)
    (tmp_path / "list.csv").write_text("path,id\np1,A\np2,B\n")
    for given, expected in (
        ([tmp_path / "p1", tmp_path / "p2"], ["p1", "p2"]),
        ([tmp_path / "list.csv"], ["A", "B"]),
    ):
        plan = collect(given, "tiny", FAST, takes_cines=lambda bundle: True)
        assert [(case.name, case.cine) for case in plan.cases] == [(name, True) for name in expected]
        assert len(read_cine(plan.cases[0].source, plan.cases[0].series)) == 6


def test_a_file_beside_a_series_is_two_cases(tmp_path: Path) -> None:
    write_series(tmp_path / "both" / "dicom", "1.1", "whatever")
    write_scan(tmp_path / "both" / "heart.nii.gz", 0)
    plan = collect([tmp_path / "both"], "tiny", FAST)
    assert names(plan) == ["P1-series001", "heart"] or names(plan) == ["heart", "P1-series001"]
    for case in plan.cases:
        assert read_volume(case.source, series=case.series or None).sha256 == fingerprint(case)


@pytest.mark.parametrize("kind", ["labels", "films"])
def test_a_folder_of_only_labels_or_only_films_says_why(tmp_path: Path, tiny_bundle: Path, kind: str) -> None:
    for n in range(2):
        if kind == "labels":
            write_scan(tmp_path / "in" / f"a{n}_label.nii.gz", n)
        else:
            (tmp_path / "in").mkdir(exist_ok=True)
            film = sitk.JoinSeries([sitk.GetImageFromArray(scan_array(k)) for k in range(5)])
            sitk.WriteImage(film, str(tmp_path / "in" / f"f{n}.nii.gz"))
    with pytest.raises(InputError) as caught:
        plan_cohort([tmp_path / "in"], str(tiny_bundle), FAST, "", CohortOptions(), CineOptions())
    assert str(caught.value).count("labels, not a scan" if kind == "labels" else "4 dimensions") == 2


def test_names_that_are_no_text_empty_or_too_long_become_names(tmp_path: Path) -> None:
    write_scan(tmp_path / "in" / "a.nii.gz", 0)
    for number, name in enumerate((b"scan_\xe4.nii.gz", "ä".encode() * 110 + b".nii.gz", b"__.nii.gz")):
        path = tmp_path / "in" / os.fsdecode(name)
        write_scan(tmp_path / f"{number}.nii.gz", number + 1)
        (tmp_path / f"{number}.nii.gz").rename(path)
    plan = collect([tmp_path / "in"], "tiny", FAST)
    assert len(set(names(plan))) == 4
    for case in plan.cases:
        assert case.name.encode("utf-8")
        assert case.name.strip(" ._")
        assert len(case.name.encode()) <= 130
        assert read_volume(case.source).sha256 == fingerprint(case)
    assert safe_name("") == "case"


def test_every_voxel_file_counts_for_resume(tmp_path: Path) -> None:
    stored = scan_array(0).astype(np.int16)
    size = " ".join(map(str, stored.shape[::-1]))
    head = f"ObjectType = Image\nNDims = 3\nDimSize = {size}\nElementSpacing = 1.5 1.5 10\n"
    head += "ElementType = MET_SHORT\n"
    for k, plane in enumerate(stored):
        (tmp_path / f"s{k:02d}.raw").write_bytes(plane.tobytes())
    listed = "\n".join(f"s{k:02d}.raw" for k in range(len(stored)))
    (tmp_path / "list.mhd").write_text(f"{head}ElementDataFile = LIST\n{listed}\n")
    (tmp_path / "pattern.mhd").write_text(f"{head}ElementDataFile = s%02d.raw 0 {len(stored) - 1} 1\n")
    cases = [collect([tmp_path / name], "tiny", FAST).cases[0] for name in ("list.mhd", "pattern.mhd")]
    before = [fingerprint(case) for case in cases]
    assert all(before)
    (tmp_path / "s02.raw").write_bytes(np.roll(stored[2], 5).tobytes())
    assert [one == other for one, other in zip(before, map(fingerprint, cases), strict=True)] == [
        False,
        False,
    ]


def test_a_csv_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "list.csv")
    with pytest.raises(UsageError, match="no regular file"):
        collect([tmp_path / "list.csv"], "tiny", FAST)
