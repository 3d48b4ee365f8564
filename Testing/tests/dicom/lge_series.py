"""A DICOM series with the tags and the oblique geometry of a real LGE stack, and a case made from it."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.inference.result import Result, RunRecord
from CardiacUQLib.measures import measure

ROWS, COLUMNS, SLICES = 72, 64, 5
PIXEL_MM, BETWEEN_MM, THICKNESS_MM = (1.5, 1.25), 10.0, 8.0  # (row, column) spacing; a gap of 2 mm
ROW = np.array([0.7071068, 0.5, -0.5])
COLUMN = np.cross([-0.4, 0.75, 0.55], ROW)
COLUMN /= np.linalg.norm(COLUMN)
NORMAL = np.cross(ROW, COLUMN)
ORIGIN = np.array([-110.0, -75.5, 90.25])
STUDY, FRAME = generate_uid(), generate_uid()
RUN = RunRecord("lge-test", "1.2", "ab" * 32, "cpu", "float32", (0,), ("identity",), {}, 0.0, {})
FITTED = {
    "infarct_share_of_lv_percent": {
        "constant": 1.0, "per_size": 0.0, "per_spread": 0.0,
        "residuals": [-4.0] * 10 + [0.0] * 20 + [6.0] * 10, "cases": 40,
    }
}  # fmt: skip


def write_slice(path: Path, pixels: np.ndarray, place: float, series: str, number: int, **tags) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = STUDY, series, FRAME
    image.PatientName, image.PatientID, image.PatientBirthDate, image.PatientSex = (
        "Phantom^One",
        "P1",
        "",
        "O",
    )
    image.StudyDate, image.StudyTime, image.StudyID = "20250102", "030405", "1"
    image.AccessionNumber, image.ReferringPhysicianName, image.Manufacturer = "A1", "", "Phantom Works"
    image.Modality, image.SeriesNumber, image.SeriesDescription = "MR", 7, "LGE PSIR SAX"
    image.PositionReferenceIndicator = ""
    image.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    image.ScanningSequence, image.SequenceVariant, image.ScanOptions, image.MRAcquisitionType = (
        "GR",
        "MP",
        "",
        "2D",
    )
    image.EchoTime, image.RepetitionTime, image.EchoTrainLength, image.InversionTime = 1.5, 700, 1, 280
    image.InstanceNumber = number
    image.Rows, image.Columns = pixels.shape
    image.PixelSpacing, image.SliceThickness = list(PIXEL_MM), THICKNESS_MM
    image.SpacingBetweenSlices = BETWEEN_MM
    image.ImageOrientationPatient = [f"{v:.9f}" for v in (*ROW, *COLUMN)]
    image.ImagePositionPatient = [f"{v:.6f}" for v in ORIGIN + place * NORMAL]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 0
    image.ContentDate = datetime.date(2025, 1, 2).strftime("%Y%m%d")
    image.PixelData = pixels.astype(np.uint16).tobytes()
    for name, value in tags.items():
        if value is None:
            delattr(image, name)
        else:
            setattr(image, name, value)
    image.save_as(path)


def heart_labels() -> np.ndarray:
    """Labels (k, rows, columns): every slice differs, off centre, and one slice is empty."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    labels = np.zeros((SLICES, ROWS, COLUMNS), np.uint8)
    for k in range(1, SLICES):
        radius = np.hypot((y - 30 - k) * PIXEL_MM[0], (x - 25 + k) * PIXEL_MM[1])
        angle = np.degrees(np.arctan2(30 + k - y, x - 25 + k)) % 360
        inner, outer = 10 + 2 * k, 20 + 2 * k
        labels[k] = np.select([radius < inner, radius < outer], [1, 2], 0)
        labels[k][(labels[k] == 2) & (angle < 80)] = 3
        if k == 2:
            labels[k][(labels[k] == 3) & (angle < 40) & (radius < inner + 5)] = 4
    return labels


def write_series(folder: Path, series: str | None = None, **tags) -> Path:
    """Five slices whose names and instance numbers have nothing to do with their order."""
    folder.mkdir(parents=True, exist_ok=True)
    series = series or generate_uid()
    grey = np.random.default_rng(3).integers(0, 300, (SLICES, ROWS, COLUMNS)) + 200 * heart_labels()
    for k in range(SLICES):
        write_slice(
            folder / f"IM{(k * 3) % SLICES}-{series[-4:]}",
            grey[k],
            k * BETWEEN_MM,
            series,
            (k * 2) % 5,
            **tags,
        )
    return folder


def result_of(folder: Path, labels: np.ndarray | None = None) -> Result:
    """A result as :func:`segment` gives it: arrays in slice order, read from the series itself."""
    volume = read_volume(folder)
    labels = volume.storage.from_stored(heart_labels() if labels is None else labels)
    random = np.random.default_rng(1)
    scs = random.uniform(0, 0.4, labels.shape).astype(np.float32)
    wrong = random.uniform(0, 1, labels.shape).astype(np.float32)
    volumes = np.bincount(labels.ravel(), minlength=5) * volume.geometry.voxel_volume_ml
    passes = volumes * np.array([0.9, 1.0, 1.1])[:, None]
    empty = np.zeros(labels.shape, np.uint8)
    return Result(
        volume=volume, kind=BundleKind.CASCADE, classes=LGE_CLASSES, segmentation=labels, opinion=labels,
        maps={MapName.SCS: scs, MapName.ERROR_PROBABILITY: wrong}, dcm=empty,
        component_ids=empty.astype(np.int32), components=(), pass_volumes_ml=passes, run=RUN,
        measures=measure(
            labels, volume, BundleKind.CASCADE, LGE_CLASSES, passes, scs, wrong, {"intervals": FITTED}
        ),
    )  # fmt: skip
