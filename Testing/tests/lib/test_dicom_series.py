"""DICOM series as stacks: exact geometry, and a refusal in one line for everything else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.images.dicom_series import list_series
from CardiacUQLib.images.reading import read_volume, write_map

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ROW = np.array([0.75, 0.5, -np.sqrt(1 - 0.75**2 - 0.5**2)])
COLUMN = np.cross(ROW, (0.4, -0.8, -0.45))
COLUMN /= np.linalg.norm(COLUMN)
NORMAL = np.cross(ROW, COLUMN)
ORIGIN = np.array([-120.0, -80.5, 95.25])
SLICES = np.random.default_rng(5).integers(0, 4000, (6, 40, 34)).astype(np.uint16)


def write_slice(path: Path, pixels: np.ndarray, place: float, series: str, **tags: object) -> Path:
    """One MR image at ``place`` mm along the normal; ``tags`` set or (None) delete attributes."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MR_IMAGE
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = MR_IMAGE, meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.3", series
    image.Modality, image.SeriesNumber, image.SeriesDescription = "MR", 7, "LGE PSIR"
    image.PatientName, image.PatientID = "Phantom", "0"
    image.Rows, image.Columns = pixels.shape
    image.PixelSpacing = [1.5, 1.25]
    image.SliceThickness = 8
    image.ImageOrientationPatient = [*np.round(ROW, 9), *np.round(COLUMN, 9)]
    image.ImagePositionPatient = [f"{v:.6f}" for v in ORIGIN + place * NORMAL]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 0
    image.PixelData = pixels.tobytes()
    for name, value in tags.items():
        if value is None:
            delattr(image, name)
        else:
            setattr(image, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path)
    return path


def write_series(
    folder: Path, uid: str = "1.2.3.4", places: tuple[float, ...] = (0, 10, 20, 30, 40, 50)
) -> Path:
    """Six slices whose file names have nothing to do with their order."""
    for n, place in enumerate(places):
        write_slice(
            folder / f"IM{(n * 5) % 7}-{uid[-3:]}", SLICES[n % 6], place, uid, InstanceNumber=(n * 3) % 7
        )
    return folder


def refused(folder: Path, message: str, series: str | None = None) -> str:
    with pytest.raises(InputError, match=message) as caught:
        read_volume(folder, series=series)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_slices_are_sorted_by_position_and_keep_their_order(tmp_path: Path) -> None:
    volume = read_volume(write_series(tmp_path / "Größe 1"))
    np.testing.assert_array_equal(volume.array, SLICES)
    assert volume.geometry.size == (34, 40, 6)
    np.testing.assert_allclose(volume.geometry.spacing, (1.25, 1.5, 10.0), atol=1e-5)
    np.testing.assert_allclose(volume.geometry.origin, ORIGIN, atol=1e-6)
    expected = np.stack([ROW, COLUMN, NORMAL], axis=1).ravel()
    np.testing.assert_allclose(volume.geometry.direction, expected, atol=1e-6)
    assert (volume.modality, volume.series) == ("MR", "1.2.3.4")
    assert len(volume.sha256) == 64
    assert volume.name == "Größe 1"


def test_voxels_lie_where_the_headers_put_them(tmp_path: Path) -> None:
    """Last voxel of the last slice by DICOM PS3.3 equation C.7.6.2.1-1."""
    volume = read_volume(write_series(tmp_path / "s"))
    lps = ORIGIN + 50 * NORMAL + 33 * 1.25 * ROW + 39 * 1.5 * COLUMN
    ras = volume.geometry.index_to_ras(np.array([33, 39, 5]))
    np.testing.assert_allclose(ras, lps * (-1, -1, 1), atol=1e-4)


def test_same_grid_as_simpleitks_own_series_reader(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder), "1.2.3.4"))
    theirs = reader.Execute()
    volume = read_volume(folder)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(theirs), volume.storage.to_stored(volume.array))
    np.testing.assert_allclose(theirs.GetDirection(), volume.source_geometry.direction, atol=1e-6)
    np.testing.assert_allclose(theirs.GetOrigin(), volume.source_geometry.origin, atol=1e-6)
    np.testing.assert_allclose(theirs.GetSpacing(), volume.source_geometry.spacing, atol=1e-4)
    write_map(volume.array > 2000, volume, tmp_path / "map.nii.gz")
    written = sitk.ReadImage(str(tmp_path / "map.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(written), sitk.GetArrayFromImage(theirs) > 2000)


def test_rescaling_differs_per_slice(tmp_path: Path) -> None:
    for n in range(4):
        write_slice(tmp_path / f"{n}", SLICES[n], 8.0 * n, "1.9", RescaleSlope=n + 0.5, RescaleIntercept=-n)
    expected = np.stack([SLICES[n] * (n + 0.5) - n for n in range(4)])
    np.testing.assert_allclose(read_volume(tmp_path).array, expected, rtol=1e-6)


def test_several_series_are_named_and_can_be_chosen(tmp_path: Path) -> None:
    write_series(tmp_path / "a", "1.2.3.100")
    write_slice(
        tmp_path / "b" / "x", SLICES[0], 0, "1.2.3.200", SeriesDescription="Localiser", SeriesNumber=1
    )
    line = refused(tmp_path, "2 series")
    for part in ("--series", "1.2.3.100 (LGE PSIR, 6 images)", "1.2.3.200 (Localiser, 1 images)"):
        assert part in line
    assert [(s.uid, s.images) for s in list_series(tmp_path)] == [("1.2.3.200", 1), ("1.2.3.100", 6)]
    np.testing.assert_array_equal(read_volume(tmp_path, series="3.100").array, SLICES)
    refused(tmp_path, "no series ends with 999", "999")
    refused(tmp_path, "only 1 slice", "200")
    refused(tmp_path, "2 series", "00")


def test_missing_slice(tmp_path: Path) -> None:
    refused(write_series(tmp_path, places=(0, 10, 30, 40, 50)), "1 slice is missing.*20.00 mm apart")


def test_uneven_slices(tmp_path: Path) -> None:
    assert "missing" not in refused(write_series(tmp_path, places=(0, 10, 20, 34, 44)), "14.00 mm apart")


def test_positions_repeated(tmp_path: Path) -> None:
    volume = read_volume(write_series(tmp_path, places=(0, 10, 10, 20, 30)))
    np.testing.assert_array_equal(volume.array, SLICES[[0, 2, 3, 4]])  # instance 6 after instance 3
    assert any("slice 2 of 4 was taken again; the later image is used" in line for line in volume.warnings)


def test_several_phases(tmp_path: Path) -> None:
    for n in range(12):
        write_slice(tmp_path / f"{n}", SLICES[n % 6], 8.0 * (n // 3), "1.9", TriggerTime=100.0 * (n % 3))
    refused(tmp_path, "several phases.*12 images lie at 4 slice positions, with 3 trigger times")


def test_same_image_twice_is_read_once(tmp_path: Path) -> None:
    write_series(tmp_path)
    shutil.copy(tmp_path / "IM0-3.4", tmp_path / "copy")
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, SLICES)
    assert any("1 file repeats" in line for line in volume.warnings)


def test_mixed_orientations(tmp_path: Path) -> None:
    write_series(tmp_path)
    write_slice(tmp_path / "z", SLICES[0], 60, "1.2.3.4", ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, SLICES)
    assert any("1 image lies in other planes" in line for line in volume.warnings)


def test_mixed_sizes_and_spacings(tmp_path: Path) -> None:
    write_slice(write_series(tmp_path / "a") / "z", SLICES[0][:35], 60, "1.2.3.4")
    refused(tmp_path / "a", "different image sizes")
    write_slice(write_series(tmp_path / "b") / "z", SLICES[0], 60, "1.2.3.4", PixelSpacing=[2, 2])
    refused(tmp_path / "b", "different pixel spacings")


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"ImagePositionPatient": None}, "no position"),
        ({"ImageOrientationPatient": None}, "no position"),
        ({"PixelSpacing": None}, "pixel spacing"),
        ({"PixelSpacing": [0, 1.5]}, "pixel spacing"),
    ],
)
def test_images_without_place(tmp_path: Path, tags: dict[str, object], message: str) -> None:
    for n in range(4):
        write_slice(tmp_path / f"{n}", SLICES[n], 8.0 * n, "1.9", **tags)
    refused(tmp_path, message)


def test_slices_shifted_sideways(tmp_path: Path) -> None:
    for n in range(4):
        position = [f"{v:.6f}" for v in ORIGIN + 8 * n * NORMAL + 5 * (n == 2) * ROW]
        write_slice(tmp_path / f"{n}", SLICES[n], 0, "1.9", ImagePositionPatient=position)
    refused(tmp_path, "sideways")


def test_multi_frame_files(tmp_path: Path) -> None:
    write_slice(tmp_path / "mf", SLICES.reshape(-1, 34), 0, "1.9", NumberOfFrames=6, Rows=40)
    refused(tmp_path, "multi-frame.*dcm2niix")


@pytest.mark.parametrize("kept", [0.2, 0.95])
def test_truncated_file_is_named(tmp_path: Path, kept: float) -> None:
    """A damaged slice must not silently shorten the stack or turn black."""
    write_series(tmp_path)
    last = tmp_path / "IM4-3.4"
    raw = last.read_bytes()
    last.write_bytes(raw[: int(kept * len(raw))])
    assert "IM4-3.4" in refused(tmp_path, "truncated or damaged")


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    write_series(tmp_path)
    (tmp_path / "readme.txt").write_text("hello")
    report = pydicom.dcmread(tmp_path / "IM0-3.4")
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.33"
    for name in (
        "Rows",
        "Columns",
        "PixelData",
        "BitsAllocated",
        "SamplesPerPixel",
        "PhotometricInterpretation",
    ):
        delattr(report, name)
    report.SeriesInstanceUID = "1.2.3.99"
    report.save_as(tmp_path / "report.dcm")
    np.testing.assert_array_equal(read_volume(tmp_path).array, SLICES)


def test_folders_without_dicom(tmp_path: Path) -> None:
    refused(tmp_path, "no DICOM images.*give the folder of a DICOM series")
    (tmp_path / "lge.nii.gz").write_bytes(b"")
    refused(tmp_path, "give the image itself, such as lge.nii.gz")


def test_single_dicom_file_points_to_its_folder(tmp_path: Path) -> None:
    refused(write_series(tmp_path) / "IM0-3.4", "single DICOM file; give the folder")


def test_header_texts_that_are_not_utf8(tmp_path: Path) -> None:
    latin = {"SpecificCharacterSet": "ISO_IR 100", "SeriesDescription": "Späte"}
    for n in range(4):
        write_slice(tmp_path / f"{n}", SLICES[n], 8.0 * n, "1.9", **latin)
    np.testing.assert_array_equal(read_volume(tmp_path).array, SLICES[:4])
