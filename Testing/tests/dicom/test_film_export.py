"""``segment --dicom`` of one film: objects for both phases, each referring to its own frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from cine_material import film, lv_ml, write_band_bundle, write_stack
from enhanced_series import Vendor, write_enhanced

from CardiacUQLib.base.errors import ExitCode
from CardiacUQTraining.cli.app import main

RADII = (10.0, 9.0, 7.0, 5.0, 6.0, 8.0, 9.0, 10.0)


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    bundle = write_band_bundle(tmp_path / "bands")
    return ["-o", str(tmp_path / "out"), "--model", str(bundle.folder), "--device", "cpu", "--no-tta"]


def test_both_phases_of_a_film_are_exported(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    stored = film(RADII).astype(np.uint16)
    write_enhanced(tmp_path / "heart", stored, Vendor.SIEMENS, description="cine_sax")
    assert main(["segment", str(tmp_path / "heart"), "--dicom", *arguments]) == 0
    for phase, radius in (("ED", 10.0), ("ES", 5.0)):
        folder = tmp_path / "out" / f"heart_{phase}" / "dicom"
        seg = pydicom.dcmread(folder / f"segmentation_{phase}.dcm")
        labels = {s.SegmentNumber: s.SegmentLabel for s in seg.SegmentSequence}
        lv = next(number for number, label in labels.items() if label == "LV")
        of_frame = [g.SegmentIdentificationSequence[0].ReferencedSegmentNumber
                    for g in seg.PerFrameFunctionalGroupsSequence]  # fmt: skip
        voxels = sum(int(plane.sum()) for plane, n in zip(seg.pixel_array, of_frame, strict=True) if n == lv)
        assert voxels == round(lv_ml(radius) / 0.04), "the LV of this frame and of no other"
        assert (folder / f"report_{phase}.dcm").is_file()
    again = [
        "dicom",
        str(tmp_path / "out" / "heart_ED"),
        str(tmp_path / "heart"),
        "-o",
        str(tmp_path / "more"),
    ]
    assert main([*again, "--phase", "es"]) == ExitCode.USAGE
    assert "heart_ED is ED; for ES give the case of that phase" in capsys.readouterr().err
    assert not (tmp_path / "more").exists()
    assert main([*again, "--phase", "diastole"]) == 0
    assert (tmp_path / "more" / "segmentation_diastole.dcm").is_file()


def test_files_that_are_no_dicom_are_told_before_the_work(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, radius in (("ed", 10.0), ("es", 5.0)):
        write_stack(tmp_path / f"{name}.nii.gz", film((radius,))[0])
    pair = [str(tmp_path / "ed.nii.gz"), str(tmp_path / "es.nii.gz")]
    assert main(["segment", *pair, "--phases", "ED,ES", "--dicom", *arguments]) == ExitCode.USAGE
    assert "--dicom needs the folder of a DICOM series" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_only_suits_many_hearts_is_told_with_the_phases(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pair = [str(tmp_path / "ed.nii.gz"), str(tmp_path / "es.nii.gz")]
    for path, radius in zip(pair, (10.0, 5.0), strict=True):
        write_stack(Path(path), film((radius,))[0])
    assert main(["segment", *pair, "--phases", "ED,ES", "--workers", "2", *arguments]) == ExitCode.USAGE
    assert "for many hearts give a CSV with the column phase" in capsys.readouterr().err
