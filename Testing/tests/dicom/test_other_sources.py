"""Derived objects of cases whose file stores the series otherwise, or whose slices are their own series."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from lge_series import heart_labels, result_of, write_series

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.dicom import write_dicom_outputs
from CardiacUQLib.dicom.attempt import export_problem
from CardiacUQLib.images.reading import read_volume


def as_converted(
    series: Path, path: Path, flips: tuple[bool, bool, bool], axes: tuple[int, int, int]
) -> None:
    """The series as one file that stores its voxels in another order, at the same place."""
    volume = read_volume(series)
    image = sitk.GetImageFromArray(volume.storage.to_stored(volume.array))
    geometry = volume.source_geometry
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    sitk.WriteImage(sitk.PermuteAxes(sitk.Flip(image, flips), axes), str(path))


@pytest.mark.parametrize(
    ("flips", "axes"),
    [((False, True, False), (0, 1, 2)), ((True, False, True), (0, 1, 2)), ((False, True, True), (2, 0, 1))],
)
def test_a_converted_case_is_placed_onto_its_series(series_folder, result, tmp_path, flips, axes):
    as_converted(series_folder, tmp_path / "converted.nii.gz", flips, axes)
    volume = read_volume(tmp_path / "converted.nii.gz")
    np.testing.assert_array_equal(volume.array, result.volume.array)  # in slice order they are one
    converted = dataclasses.replace(result, volume=volume)
    theirs = write_dicom_outputs(converted, series_folder, tmp_path / "converted")
    ours = write_dicom_outputs(result, series_folder, tmp_path / "own")
    for name in ("segmentation", "scs", "error_probability"):
        a, b = (pydicom.dcmread(files.segmentation.with_name(f"{name}.dcm")) for files in (theirs, ours))
        keyword = "PixelData" if name == "segmentation" else "FloatPixelData"
        assert a[keyword].value == b[keyword].value
        for one, other in zip(
            a.PerFrameFunctionalGroupsSequence, b.PerFrameFunctionalGroupsSequence, strict=True
        ):
            assert one.PlanePositionSequence == other.PlanePositionSequence
            assert one.DerivationImageSequence == other.DerivationImageSequence


def test_a_case_of_another_place_is_refused(series_folder, result, tmp_path):
    as_converted(series_folder, tmp_path / "a.nii.gz", (False, False, False), (0, 1, 2))
    image = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    image.SetOrigin(tuple(v + 2 for v in image.GetOrigin()))
    sitk.WriteImage(image, str(tmp_path / "a.nii.gz"))
    moved = dataclasses.replace(result, volume=read_volume(tmp_path / "a.nii.gz"))
    with pytest.raises(InputError, match="no image of the folder lies on the grid"):
        write_dicom_outputs(moved, series_folder, tmp_path / "out")


def test_slices_that_are_series_of_their_own_are_each_referred_to(tmp_path):
    folder = write_series(tmp_path / "in")
    for number, path in enumerate(sorted(folder.iterdir())):
        image = pydicom.dcmread(path)
        image.SeriesInstanceUID = f"1.2.3.4.{number + 1}"
        image.save_as(path)
    files = write_dicom_outputs(result_of(folder), folder, tmp_path / "out")
    seg = pydicom.dcmread(files.segmentation)
    assert sorted(item.SeriesInstanceUID for item in seg.ReferencedSeriesSequence) == [
        f"1.2.3.4.{n}" for n in range(1, 6)
    ]
    true = {pydicom.dcmread(path).SOPInstanceUID for path in folder.iterdir()}
    sources = {
        own.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for own in seg.PerFrameFunctionalGroupsSequence
    }
    assert sources <= true
    assert "ReferencedFrameNumber" not in str(seg.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence)
    if shutil.which("dciodvfy"):
        found = subprocess.run(["dciodvfy", files.segmentation], capture_output=True, check=False)
        lines = (found.stdout + found.stderr).decode("latin-1").splitlines()
        assert [line for line in lines if line.startswith("Error")] == []


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 192", "Łukasz^Ż"),
        ("ISO_IR 144", "Иванов^Иван"),
    ],
)
def test_names_keep_their_characters(tmp_path, charset, name):
    folder = write_series(tmp_path / "in", SpecificCharacterSet=charset, PatientName=name)
    files = write_dicom_outputs(result_of(folder), folder, tmp_path / "out")
    for path in (files.segmentation, *files.maps.values(), files.report):
        assert str(pydicom.dcmread(path).PatientName) == name
    assert hd.seg.segread(files.segmentation).NumberOfFrames > 0


@pytest.mark.parametrize(
    "tags",
    [
        {"PatientSex": "X"},
        {"PatientBirthDate": "19"},
        {"StudyDate": "not"},
        {"SpecificCharacterSet": "ISO_IR 999"},
        {"AccessionNumber": "1" * 40},
        {"StudyTime": "99"},
        {"PatientName": "a" * 80},
        {"SeriesNumber": -3},
    ],
)
def test_invalid_values_of_a_header_do_not_stop_an_export(tmp_path, tags):
    folder = write_series(tmp_path / "in")
    for path in folder.iterdir():
        image = pydicom.dcmread(path)
        for keyword, value in tags.items():
            element = pydicom.DataElement(pydicom.tag.Tag(keyword), "LO", str(value))
            image[keyword] = element
        image.save_as(path)
    files = write_dicom_outputs(result_of(folder), folder, tmp_path / "out")
    assert files.report.exists()


@pytest.mark.parametrize(
    "uid", ["SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID"]
)
def test_a_missing_uid_is_named_and_costs_no_result(tmp_path, uid):
    folder = write_series(tmp_path / "in", **{uid: None})
    problem = export_problem(result_of(folder), folder, tmp_path / "case")
    assert f"the images have no {uid}" in problem
    assert "the case itself is whole" in problem
    assert "\n" not in problem
    assert heart_labels().any()
