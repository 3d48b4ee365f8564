"""What a user may give to a cohort: files, folders, patterns, CSV files and whole DICOM archives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cohort_fixtures import FAST, scan_array, write_scan
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.manifest import View
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.studies.options import CaseOptions
from CardiacUQTraining.cohort.case import Plan
from CardiacUQTraining.cohort.inputs import collect
from CardiacUQTraining.cohort.state import fingerprint

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
SHORT_AXIS = ((0.5, 0.85, -0.16), (0.55, -0.17, 0.82))
AXIAL = ((1, 0, 0), (0, 1, 0))
FOUR_CHAMBER = ((0.75, 0.4, 0.53), (0.66, -0.53, -0.53))


def names(plan: Plan) -> list[str]:
    return [case.name for case in plan.cases]


def test_a_folder_is_searched_and_labels_and_cines_are_left_out(tmp_path: Path, scans: Path) -> None:
    write_scan(scans / "heart0_label.nii.gz", 0)
    write_scan(scans / "Contours" / "heart1.nii.gz", 0)
    write_scan(scans / ".hidden" / "heart9.nii.gz", 0)
    import SimpleITK as sitk

    phases = sitk.JoinSeries([sitk.GetImageFromArray(scan_array(n)) for n in range(3)])
    sitk.WriteImage(phases, str(scans / "cine_4d.nii.gz"))
    (scans / "broken.nii.gz").write_bytes(b"no image")
    plan = collect([scans], "tiny", FAST)
    assert names(plan) == ["broken", "heart0", "heart1", "heart2"]
    reasons = {Path(one.source).name: one.reason for one in plan.skipped}
    assert "4 dimensions" in reasons["cine_4d.nii.gz"]
    assert "labels" in reasons["heart0_label.nii.gz"]
    assert "labels" in reasons["heart1.nii.gz"]


def test_equal_file_names_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for patient in ("anna", "berta"):
        write_scan(tmp_path / "study" / patient / "lge.nii.gz", 1)
    assert names(collect([tmp_path / "study"], "tiny", FAST)) == ["anna-lge", "berta-lge"]
    with pytest.raises(UsageError, match="would both become"):
        collect([tmp_path / "study" / p / "lge.nii.gz" for p in ("anna", "berta")], "tiny", FAST)


def test_linked_scans_are_called_by_the_names_of_the_links(tmp_path: Path, scans: Path) -> None:
    links = [tmp_path / "anna.nii.gz", tmp_path / "berta.nii.gz"]
    for link in links:
        link.symlink_to(scans / "heart0.nii.gz")
    assert names(collect(links, "tiny", FAST)) == ["anna", "berta"]


def test_patterns_find_files_or_say_that_nothing_matches(tmp_path: Path, scans: Path) -> None:
    assert names(collect([str(scans / "heart[02].nii.gz")], "tiny", FAST)) == ["heart0", "heart2"]
    assert names(collect([str(tmp_path / "**" / "*.nii.gz")], "tiny", FAST)) == ["heart0", "heart1", "heart2"]
    with pytest.raises(UsageError, match="no file matches"):
        collect([str(scans / "liver*.nii.gz")], "tiny", FAST)


def test_finished_case_folders_are_no_inputs(scans: Path) -> None:
    write_scan(scans / "out" / "heart0" / "segmentation.nii.gz", 0)
    (scans / "out" / "heart0" / "case.json").write_text("{}")
    assert names(collect([scans], "tiny", FAST)) == ["heart0", "heart1", "heart2"]


def test_a_missing_file_stays_a_case_that_will_fail(tmp_path: Path) -> None:
    assert names(collect([tmp_path / "nowhere.nii.gz"], "tiny", FAST)) == ["nowhere"]


def test_a_csv_gives_ids_bundles_and_options_by_line(tmp_path: Path, scans: Path) -> None:
    table = tmp_path / "study.csv"
    table.write_text(
        "\ufeffpath,id,bundle,folds,tta,precision\n"
        "scans/heart0.nii.gz,P 1/a,,,,\n"
        "scans/heart1.nii.gz,P2,other,0 2,no,bf16\n",
        "utf-8",
    )
    first, second = collect([table], "tiny", CaseOptions(device="cpu")).cases
    assert (first.name, first.bundle, first.options) == ("P 1_a", "tiny", CaseOptions(device="cpu"))
    assert Path(first.source) == scans / "heart0.nii.gz"
    assert (second.name, second.bundle) == ("P2", "other")
    assert second.options == CaseOptions("cpu", "bf16", (0, 2), (View.IDENTITY,))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("file,id\na,b\n", '"file" is unknown'),
        ("id\nb\n", 'no column "path"'),
        ("path\n", "no case"),
        ("path,folds\na.nii,one\n", "line 2"),
        ("path,tta\na.nii,maybe\n", "yes or no"),
        ("path,id\n,b\n", "line 2: the path is empty"),
    ],
)
def test_a_csv_that_cannot_be_used_is_one_line(tmp_path: Path, text: str, word: str) -> None:
    table = tmp_path / "study.csv"
    table.write_text(text, "utf-8")
    with pytest.raises(UsageError) as caught:
        collect([table], "tiny", FAST)
    assert word in str(caught.value)
    assert str(table) in str(caught.value)


def write_series(
    folder: Path,
    uid: str,
    description: str,
    *,
    patient: str = "P1",
    number: int = 1,
    axes: tuple[tuple[float, ...], ...] = SHORT_AXIS,
    slices: int = 6,
    phases: int = 1,
    distance: float = 10.0,
    **tags: object,
) -> Path:
    """A DICOM series whose file names say nothing; rows and columns are made orthonormal."""
    row = np.array(axes[0]) / np.linalg.norm(axes[0])
    column = np.array(axes[1]) - np.dot(axes[1], row) * row
    column /= np.linalg.norm(column)
    normal = np.cross(row, column)
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(slices * phases):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = MR_IMAGE
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"{uid}.{(n * 5) % (slices * phases)}.{n}"
        image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        image.SOPClassUID, image.SOPInstanceUID = MR_IMAGE, meta.MediaStorageSOPInstanceUID
        image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.3", uid
        image.Modality, image.SeriesNumber, image.SeriesDescription = "MR", number, description
        image.PatientID = patient
        image.Rows = image.Columns = 48
        image.PixelSpacing = [6.0, 6.0]
        image.ImageOrientationPatient = [f"{v:.8f}" for v in (*row, *column)]
        image.ImagePositionPatient = [f"{v:.6f}" for v in distance * (n // phases) * normal]
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated = image.BitsStored = 16
        image.HighBit, image.PixelRepresentation = 15, 0
        image.PixelData = scan_array(n)[0].clip(0).astype(np.uint16).tobytes()
        for name, value in tags.items():
            setattr(image, name, value)
        image.save_as(path)
    return folder


def test_an_archive_is_sorted_into_late_enhancement_stacks_and_the_rest(tmp_path: Path) -> None:
    root = tmp_path / "archive"
    write_series(root / "a", "1.1", "PSIR_LGE_SAX", number=7)
    write_series(root / "a", "1.2", "localizer", number=1, axes=AXIAL)
    write_series(root / "a", "1.3", "cine_SAX", number=3, phases=3)
    write_series(root / "a", "1.4", "LGE 4 chamber", number=8, axes=FOUR_CHAMBER, slices=3)
    write_series(root / "b" / "c", "2.1", "Delayed enhancement", patient="P/2", number=5)
    write_series(root / "b" / "d", "2.2", "sa stack", patient="P/2", number=6, InversionTime=300)
    write_series(root / "b" / "d", "2.3", "sa stack", patient="P/2", number=9)
    write_series(root / "b" / "e", "2.4", "LGE SAX", patient="P/2", number=10, slices=2)
    write_series(root / "b" / "f", "2.5", "LGE SAX", patient="P/2", number=11, phases=2)
    write_series(root / "b" / "g", "2.6", "LGE 3D", patient="P/2", number=12, distance=1.5)
    write_series(root / "b" / "h", "2.7", "Late", patient="P/2", number=13, Modality="CT")
    (root / "b" / "README.txt").write_text("no image")
    plan = collect([root], "tiny", FAST)
    assert names(plan) == ["P1-series007", "P_2-series005", "P_2-series006"]
    reasons = {one.series: one.reason for one in plan.skipped}
    assert '"localizer" names other imaging' in reasons["1.2"]
    assert "cine" in reasons["1.3"]
    assert "90 degrees away" in reasons["1.4"]
    assert "nothing calls it late enhancement" in reasons["2.3"]
    assert "2 slices" in reasons["2.4"]
    assert "12 images lie at 6 slice positions" in reasons["2.5"]
    assert "1.5 mm apart" in reasons["2.6"]
    assert "CT, not MR" in reasons["2.7"]
    assert set(reasons) == {"1.2", "1.3", "1.4", "2.3", "2.4", "2.5", "2.6", "2.7"}


def test_the_fingerprint_of_a_case_is_the_hash_of_its_volume(tmp_path: Path, scans: Path) -> None:
    write_series(tmp_path / "one", "1.1", "whatever this is", axes=AXIAL)
    (chosen,) = collect([tmp_path / "one"], "tiny", FAST).cases
    assert chosen.name == "one"
    assert fingerprint(chosen) == read_volume(chosen.source, series=chosen.series).sha256 != ""
    (scan,) = collect([scans / "heart0.nii.gz"], "tiny", FAST).cases
    assert fingerprint(scan) == read_volume(scan.source).sha256 != ""
    write_scan(scans / "heart0.mhd", 3)
    (pair,) = collect([scans / "heart0.mhd"], "tiny", FAST).cases
    before = fingerprint(pair)
    assert before == read_volume(pair.source).sha256
    raw = next(path for path in scans.iterdir() if "raw" in path.suffix)
    write_scan(scans / "heart0.mhd", 4)
    assert raw.exists()
    assert fingerprint(pair) != before
