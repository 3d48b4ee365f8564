"""Segments of a DICOM Segmentation object: binary or fractional, uncompressed, as one label map.

Standard: DICOM PS3.3 A.51 and C.8.20. Label maps (LABELMAP) and compressed objects are refused in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.errors import InputError
from .dicom_headers import PixelPlace, read_dataset
from .regular_file import open_regular
from .volume import Geometry, matrix3, vector3

if TYPE_CHECKING:
    from pydicom import Dataset

STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
"""SOP class of segmentations of slices."""

SAME_SLICE_MM = 0.01
_EXPORT = "export it as an uncompressed binary DICOM SEG, .seg.nrrd or NIfTI"


@dataclass(frozen=True)
class DicomSegment:
    """One segment: number, label, type as (scheme, value, meaning), and CIELab colour as stored, or ()."""

    number: int
    label: str
    code: tuple[str, str, str]
    cielab: tuple[int, ...]


@dataclass(frozen=True)
class DicomSegments:
    """uint8 segment numbers (k, j, i), 0 outside; of segments that overlap the higher number stands."""

    labels: np.ndarray
    geometry: Geometry
    segments: tuple[DicomSegment, ...]


def read_dicom_segments(path: Path) -> DicomSegments:
    """Read a DICOM SEG; raises InputError for anything else, and for slices that form no regular stack."""
    dataset, pixels = read_dataset(path, all_tags=True)
    if str(dataset.get("SOPClassUID", "")) != STORAGE or pixels is None:
        raise InputError(path, "is no DICOM segmentation of slices", _EXPORT)
    try:
        masks = _frames(path, dataset, pixels)
        numbers, positions = _places(dataset)
        axes = np.array(_shared(dataset, "PlaneOrientationSequence").ImageOrientationPatient, float)
        row_mm, column_mm = (float(v) for v in _shared(dataset, "PixelMeasuresSequence").PixelSpacing)
        segments = tuple(_segment(item) for item in dataset.SegmentSequence)
    except InputError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(path, f"is a damaged DICOM SEG ({error})", _EXPORT) from None
    if max(s.number for s in segments) > 255 or len(masks) != len(numbers):
        raise InputError(path, "has more segments or frames than it says", _EXPORT)
    normal = np.cross(axes[:3], axes[3:])
    heights = positions @ normal
    slices, step = _stack(path, heights, _thickness(dataset))
    labels = np.zeros((len(slices), masks.shape[1], masks.shape[2]), np.uint8)
    for number, height, mask in sorted(zip(numbers, heights, masks, strict=True), key=lambda frame: frame[0]):
        labels[int(np.abs(slices - height).argmin())][mask] = number
    first = positions[int(np.abs(heights - slices[0]).argmin())]
    return DicomSegments(
        labels,
        Geometry(
            size=(labels.shape[2], labels.shape[1], labels.shape[0]),
            spacing=(column_mm, row_mm, step),
            origin=vector3(first),
            direction=matrix3(np.stack([axes[:3], axes[3:], normal], axis=1)),
        ),
        segments,
    )


def _frames(path: Path, dataset: Dataset, pixels: PixelPlace) -> np.ndarray:
    """Boolean masks (frame, row, column)."""
    kind = str(dataset.SegmentationType)
    if kind not in ("BINARY", "FRACTIONAL") or pixels.length is None:
        raise InputError(path, f"its kind ({kind}, compressed or not) cannot be read", _EXPORT)
    shape = (int(dataset.NumberOfFrames), int(dataset.Rows), int(dataset.Columns))
    count = int(np.prod(shape))
    binary = int(dataset.BitsAllocated) == 1
    with open_regular(path) as stream:
        stream.seek(pixels.offset)
        raw = stream.read((count + 7) // 8 if binary else count)
    values = (
        np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")
        if binary
        else np.frombuffer(raw, np.uint8)
    )
    if values.size < count:
        raise InputError(path, "the file is truncated", "copy or export it again")
    limit = 0 if binary else int(dataset.get("MaximumFractionalValue", 255)) // 2
    return values[:count].reshape(shape) > limit


def _places(dataset: Dataset) -> tuple[list[int], np.ndarray]:
    """Segment number and position (mm, LPS) of every frame."""
    numbers, positions = [], []
    for group in dataset.PerFrameFunctionalGroupsSequence:
        numbers.append(int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber))
        positions.append([float(v) for v in group.PlanePositionSequence[0].ImagePositionPatient])
    return numbers, np.array(positions)


def _shared(dataset: Dataset, name: str) -> Any:
    """An item that all frames share; some writers repeat it in every frame."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    group = shared if name in shared else dataset.PerFrameFunctionalGroupsSequence[0]
    return getattr(group, name)[0]


def _thickness(dataset: Dataset) -> float:
    """Distance of the slices in mm as the header says it, for a segment on one slice alone."""
    measures = _shared(dataset, "PixelMeasuresSequence")
    return float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 1.0)


def _stack(path: Path, heights: np.ndarray, thickness: float) -> tuple[np.ndarray, float]:
    """Heights of a regular stack that holds every frame, and their distance; empty slices may be left out."""
    found = np.unique(np.round(heights / SAME_SLICE_MM)) * SAME_SLICE_MM
    if len(found) == 1:
        return found, thickness
    step = float(np.diff(found).min())
    count = (found[-1] - found[0]) / step
    places = (found - found[0]) / step
    if np.abs(places - np.rint(places)).max() > 0.05:
        raise InputError(path, "its slices are not equally far apart", "export it on the slices of the scan")
    return found[0] + step * np.arange(round(count) + 1), step


def _segment(item: Dataset) -> DicomSegment:
    kind = item.SegmentedPropertyTypeCodeSequence[0]
    code = (
        str(kind.CodingSchemeDesignator),
        str(kind.get("CodeValue", "")),
        str(kind.get("CodeMeaning", "")),
    )
    colour = item.get("RecommendedDisplayCIELabValue") or ()
    return DicomSegment(int(item.SegmentNumber), str(item.SegmentLabel), code, tuple(int(v) for v in colour))
