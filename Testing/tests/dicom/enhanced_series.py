"""Enhanced (multi-frame) MR as the three large vendors write it, on the grid of ``lge_series``.

What differs between them is what a reader may not rely on: the order of frames, InstanceNumber and
InStackPositionNumber (Philips: random), where phase, place and rescale stand (shared or per frame, trigger
delay, temporal index or dimension index alone), unused dimensions, one file or many.
"""

from __future__ import annotations

import enum
from pathlib import Path

import numpy as np
from lge_series import BETWEEN_MM, COLUMN, FRAME, NORMAL, ORIGIN, PIXEL_MM, ROW, STUDY, THICKNESS_MM
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid

STEP_MS = 30.5
SLOPE, INTERCEPT = 2.0, -10.0


class Vendor(enum.StrEnum):
    """Whose way of writing."""

    PHILIPS = "philips"
    SIEMENS = "siemens"
    GE = "ge"


def write_enhanced(
    folder: Path,
    stored: np.ndarray,
    vendor: Vendor,
    *,
    files: int = 1,
    seed: int = 0,
    description: str = "LGE PSIR SAX",
    second_stack: np.ndarray | None = None,
    series: str | None = None,
    patient: str = "Phantom^One",
    **tags: object,
) -> Path:
    """``stored`` uint16 (t, k, rows, columns) as one object, or each of ``files`` with a part of the slices.

    ``second_stack`` (k, rows, columns) goes into the first file as a stack of its own, across the first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random, series = np.random.default_rng(seed), series or generate_uid()
    phases, slices = stored.shape[:2]
    for number, part in enumerate(np.array_split(np.arange(slices), files)):
        frames = [(t, int(k)) for k in part for t in range(phases)]
        if vendor is not Vendor.SIEMENS:
            frames = [frames[n] for n in random.permutation(len(frames))]
        pixels = [stored[t, k] for t, k in frames]
        groups = [_groups(vendor, t, k, phases, slices, random) for t, k in frames]
        if second_stack is not None and number == 0:
            for k, slice_pixels in enumerate(second_stack):
                pixels.append(slice_pixels)
                groups.append(_across(vendor, k, random))
        image = _object(series, vendor, description, patient)
        image.InstanceNumber = int(random.integers(1, 10**6)) if vendor is Vendor.PHILIPS else number + 1
        image.NumberOfFrames = len(pixels)
        image.Rows, image.Columns = stored.shape[2:]
        image.SharedFunctionalGroupsSequence = Sequence([_shared(vendor, second_stack is not None)])
        image.PerFrameFunctionalGroupsSequence = Sequence(groups)
        image.PixelData = np.stack(pixels).astype(np.uint16).tobytes()
        for name, value in tags.items():
            setattr(image, name, value)
        name = f"IM{int(random.integers(10**8)):08d}"
        image.save_as(folder / name, enforce_file_format=True)
    return folder


def _object(series: str, vendor: Vendor, description: str, patient: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = EnhancedMRImageStorage, meta.MediaStorageSOPInstanceUID
    image.ImageType = ["ORIGINAL", "PRIMARY", "CARDIAC", "NONE"]
    image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = STUDY, series, FRAME
    image.PatientName, image.PatientID, image.PatientBirthDate, image.PatientSex = patient, "P1", "", "O"
    image.StudyDate, image.StudyTime, image.StudyID = "20250102", "030405", "1"
    image.SeriesDate = image.ContentDate = "20250102"
    image.SeriesTime = image.ContentTime = "030500"
    image.AcquisitionDateTime = "20250102030501"
    image.AccessionNumber, image.ReferringPhysicianName, image.Manufacturer = "A1", "", vendor.value
    image.ManufacturerModelName, image.DeviceSerialNumber, image.SoftwareVersions = "M", "1", "1"
    image.Modality, image.SeriesNumber, image.SeriesDescription = "MR", 7, description
    image.PositionReferenceIndicator = ""
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 0
    pointers = [(0x00209056, 0x00209111), (0x00209057, 0x00209111), (0x00189082, 0x00189114)]
    if vendor is not Vendor.SIEMENS:
        pointers.append((0x00209153, 0x00189118))
    organization = Dataset()
    organization.DimensionOrganizationUID = generate_uid()
    image.DimensionOrganizationSequence = Sequence([organization])
    image.DimensionIndexSequence = Sequence([_dimension(*pair, organization) for pair in pointers])
    return image


def _dimension(pointer: int, group: int, organization: Dataset) -> Dataset:
    found = Dataset()
    found.DimensionOrganizationUID = organization.DimensionOrganizationUID
    found.DimensionIndexPointer, found.FunctionalGroupPointer = pointer, group
    return found


def _shared(vendor: Vendor, several_stacks: bool) -> Dataset:
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([_measures()])
    if vendor is not Vendor.PHILIPS and not several_stacks:
        shared.PlaneOrientationSequence = Sequence([_orientation(ROW, COLUMN)])
    if vendor is Vendor.SIEMENS:
        shared.PixelValueTransformationSequence = Sequence([_rescale()])
    return shared


def _groups(vendor: Vendor, t: int, k: int, phases: int, slices: int, random: np.random.Generator) -> Dataset:
    own, content = Dataset(), Dataset()
    content.StackID = "1"
    content.InStackPositionNumber = int(random.integers(1, slices + 1)) if vendor is Vendor.PHILIPS else k + 1
    content.FrameAcquisitionNumber = 1
    index = [1, k + 1, 1]
    if vendor is Vendor.SIEMENS:
        content.TemporalPositionIndex = t + 1
    else:
        index.append(t + 1)
    content.DimensionIndexValues = index
    own.FrameContentSequence = Sequence([content])
    _place(own, ORIGIN + k * BETWEEN_MM * NORMAL, ROW, COLUMN)
    if vendor is Vendor.PHILIPS:
        cardiac = Dataset()
        cardiac.NominalCardiacTriggerDelayTime = STEP_MS * t
        own.CardiacSynchronizationSequence = Sequence([cardiac])
        own.PixelValueTransformationSequence = Sequence([_rescale()])
    if vendor is Vendor.GE:
        mapping = Dataset()
        mapping.RealWorldValueFirstValueMapped, mapping.RealWorldValueLastValueMapped = 0, 65535
        mapping.RealWorldValueIntercept, mapping.RealWorldValueSlope = INTERCEPT, SLOPE
        own.RealWorldValueMappingSequence = Sequence([mapping])
    return own


def _across(vendor: Vendor, k: int, random: np.random.Generator) -> Dataset:
    """A long-axis localiser that shares the object with the short-axis stack."""
    own = _groups(vendor, 0, k, 1, 3, random)
    own.FrameContentSequence[0].StackID = "2"
    own.FrameContentSequence[0].DimensionIndexValues[0] = 2
    _place(own, ORIGIN + 4 * k * ROW, COLUMN, NORMAL)
    return own


def _place(own: Dataset, position: np.ndarray, row: np.ndarray, column: np.ndarray) -> None:
    plane = Dataset()
    plane.ImagePositionPatient = [f"{v:.6f}" for v in position]
    own.PlanePositionSequence = Sequence([plane])
    own.PlaneOrientationSequence = Sequence([_orientation(row, column)])


def _orientation(row: np.ndarray, column: np.ndarray) -> Dataset:
    plane = Dataset()
    plane.ImageOrientationPatient = [f"{v:.9f}" for v in (*row, *column)]
    return plane


def _measures() -> Dataset:
    measures = Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(PIXEL_MM), THICKNESS_MM
    return measures


def _rescale() -> Dataset:
    rescale = Dataset()
    rescale.RescaleIntercept, rescale.RescaleSlope, rescale.RescaleType = INTERCEPT, SLOPE, "US"
    return rescale
