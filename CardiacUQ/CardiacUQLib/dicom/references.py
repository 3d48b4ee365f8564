"""References to the frames of enhanced objects, and to slices that are series of their own.

highdicom derives objects from classic images of one series. Frames of an enhanced object, or slices from
several series, are given to it as stand-ins; afterwards every reference to a stand-in becomes one to what it
stands for: the true object, with the number of the frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..images.dicom_headers import FrameHeader

if TYPE_CHECKING:
    from pydicom import Dataset

_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
_NOT_COPIED = (
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "DimensionIndexSequence",
    "DimensionOrganizationSequence",
    "NumberOfFrames",
)


@dataclass(frozen=True)
class TrueImage:
    """The true image behind a stand-in; ``frame`` counts from 1, None for an object of one frame."""

    sop_class: str
    instance: str
    study: str
    series: str
    frame: int | None


def stand_in(header: Dataset, frame: FrameHeader, first: Dataset) -> tuple[Dataset, TrueImage]:
    """A classic image that lies where ``frame`` does, in the series of ``first``, and what it stands for."""
    from pydicom.dataset import Dataset
    from pydicom.uid import generate_uid

    image = Dataset()
    for element in header:
        if element.keyword not in _NOT_COPIED:
            image.add_new(element.tag, element.VR, element.value)
    image.SOPClassUID, image.SOPInstanceUID = _MR_IMAGE, generate_uid()
    image.SeriesInstanceUID = first.SeriesInstanceUID
    image.ImagePositionPatient = [round(v, 6) for v in frame.position]
    image.ImageOrientationPatient = [round(v, 9) for v in frame.axes]
    image.PixelSpacing = [float(v) for v in frame.spacing]
    if "SliceThickness" not in image:
        image.SliceThickness = _thickness(header)
    several = frame.frames > 1 or "SharedFunctionalGroupsSequence" in header
    return image, TrueImage(
        str(header.SOPClassUID),
        str(header.SOPInstanceUID),
        str(header.StudyInstanceUID),
        str(header.SeriesInstanceUID),
        frame.frame + 1 if several else None,
    )


def point_at_frames(
    dataset: Dataset, references: Mapping[str, TrueImage], objects: Sequence[Dataset]
) -> None:
    """Let every reference to a stand-in refer to its frame, and lists of sources name the true objects."""
    if not references:
        return
    _rewrite(dataset, references)
    if "ReferencedSeriesSequence" in dataset:
        dataset.ReferencedSeriesSequence = _series_list(objects, "ReferencedInstanceSequence")
    if "CurrentRequestedProcedureEvidenceSequence" in dataset:
        study = dataset.CurrentRequestedProcedureEvidenceSequence[0]
        study.ReferencedSeriesSequence = _series_list(objects, "ReferencedSOPSequence")


def _rewrite(dataset: Dataset, references: Mapping[str, TrueImage]) -> None:
    for element in dataset:
        if element.VR == "SQ":
            for one in element.value:
                _rewrite(one, references)
    reference = references.get(str(dataset.get("ReferencedSOPInstanceUID", "")))
    if reference is not None:
        dataset.ReferencedSOPClassUID = reference.sop_class
        dataset.ReferencedSOPInstanceUID = reference.instance
        if reference.frame is not None:
            dataset.ReferencedFrameNumber = reference.frame


def _series_list(objects: Sequence[Dataset], instances: str) -> list[Dataset]:
    from pydicom.dataset import Dataset

    by_series: dict[str, list[Dataset]] = {}
    for image in objects:
        item = Dataset()
        item.ReferencedSOPClassUID = image.SOPClassUID
        item.ReferencedSOPInstanceUID = image.SOPInstanceUID
        by_series.setdefault(str(image.SeriesInstanceUID), []).append(item)
    found = []
    for uid, items in by_series.items():
        one = Dataset()
        one.SeriesInstanceUID = uid
        setattr(one, instances, items)
        found.append(one)
    return found


def _thickness(header: Dataset) -> float | None:
    for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        groups = header.get(name)
        measures = groups[0].get("PixelMeasuresSequence") if groups else None
        if measures and measures[0].get("SliceThickness") is not None:
            return float(measures[0].SliceThickness)
    return None
