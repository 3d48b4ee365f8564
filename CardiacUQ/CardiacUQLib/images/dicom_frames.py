"""From one DICOM data set to its frames: classic images as they are, enhanced ones by functional groups.

A value that every frame shares stands in the shared groups, others in the per-frame groups (PS3.3
C.7.6.16); both are asked, the frame's own first. Needs pydicom.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.errors import InputError
from .dicom_headers import (
    DAMAGED,
    EXPORT_AGAIN,
    FrameHeader,
    OtherObject,
    PixelPlace,
    acquired,
    identity,
    padding_of,
    read_dataset,
)
from .dicom_kinds import what_it_is
from .dicom_values import item, items, number, numbers, text, whole

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MOST_FRAMES = 1 << 14


def read_headers(path: Path) -> tuple[FrameHeader, ...] | OtherObject:
    """The frames of an image file, or what else it is.

    Raises InputError for a file that says it is an image, or says nothing, and lacks its header or a part
    of its pixels.
    """
    dataset, place = read_dataset(path)
    sop_class = text(dataset, "SOPClassUID") or str(getattr(dataset.file_meta, "MediaStorageSOPClassUID", ""))
    what = what_it_is(sop_class, has_rows="Rows" in dataset)
    if what:
        return OtherObject(path, what, text(dataset, "SeriesInstanceUID"), text(dataset, "SeriesDescription"))
    if not sop_class or place is None:
        raise InputError(path, DAMAGED, EXPORT_AGAIN)
    frames = frame_headers(path, dataset, place)
    _check_length(path, frames)
    return frames


def frame_headers(path: Path, dataset: Dataset, place: PixelPlace) -> tuple[FrameHeader, ...]:
    """One header per frame, in the order of the file; raises InputError for impossible frame counts."""
    frames = whole(dataset, "NumberOfFrames", 1)
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")
    if not 1 <= frames <= MOST_FRAMES or (groups and len(groups) != frames):
        raise InputError(path, DAMAGED, EXPORT_AGAIN)
    common = {
        **identity(dataset),
        "path": path,
        "frames": frames,
        "size": (whole(dataset, "Columns", 0), whole(dataset, "Rows", 0)),
        "padding": padding_of(dataset, place),
        "pixels": place,
    }
    shared = item(dataset, "SharedFunctionalGroupsSequence")
    if not groups and shared is None:
        return tuple(_classic(dataset, common, number) for number in range(frames))
    phases = _phase_dimension(dataset)
    return tuple(
        _enhanced(dataset, common, shared, groups[n] if groups else None, n, phases) for n in range(frames)
    )


def _check_length(path: Path, frames: tuple[FrameHeader, ...]) -> None:
    if not frames:
        raise InputError(path, DAMAGED, EXPORT_AGAIN)
    first, place = frames[0], frames[0].pixels
    columns, rows = first.size
    if (
        min(columns, rows) < 1
        or place.bits_allocated not in (8, 16, 32)
        or place.bits_stored > place.bits_allocated
    ):
        raise InputError(path, DAMAGED, EXPORT_AGAIN)
    wanted = columns * rows * first.samples * first.frames * place.bits_allocated // 8
    if place.length is not None and place.length < wanted:
        raise InputError(path, DAMAGED, EXPORT_AGAIN)


def _classic(dataset: Dataset, common: dict[str, Any], frame: int) -> FrameHeader:
    slope, intercept = _scale(dataset, dataset)
    return FrameHeader(
        **common,
        frame=frame,
        spacing=numbers(dataset, "PixelSpacing"),
        position=numbers(dataset, "ImagePositionPatient") if common["frames"] == 1 else (),
        axes=numbers(dataset, "ImageOrientationPatient"),
        image_type=text(dataset, "ImageType"),
        trigger_ms=number(dataset, "TriggerTime"),
        temporal=number(dataset, "TemporalPositionIdentifier"),
        echo_ms=number(dataset, "EchoTime"),
        inversion_ms=number(dataset, "InversionTime"),
        instance_number=whole(dataset, "InstanceNumber", 0),
        acquired=acquired(dataset),
        dimension=(),
        stack="",
        slope=slope,
        intercept=intercept,
    )


def _enhanced(
    dataset: Dataset,
    common: dict[str, Any],
    shared: Dataset | None,
    own: Dataset | None,
    frame: int,
    phases: int | None,
) -> FrameHeader:
    def group(keyword: str) -> Dataset | None:
        found = item(own, keyword)
        return item(shared, keyword) if found is None else found

    def value(keyword: str, of: str) -> float | None:
        found = group(of)
        return None if found is None else number(found, keyword)

    content = item(own, "FrameContentSequence")
    converted = item(own, "UnassignedPerFrameConvertedAttributesSequence")  # of a legacy conversion
    kind = group("MRImageFrameTypeSequence")
    slope, intercept = _scale(group("PixelValueTransformationSequence"), own, shared)
    indices = () if content is None else numbers(content, "DimensionIndexValues")
    image_type = (text(kind, "FrameType") if kind is not None else "") or text(dataset, "ImageType")
    component = text(kind, "ComplexImageComponent") if kind is not None else ""
    temporal = None if content is None else number(content, "TemporalPositionIndex")
    if temporal is None:
        temporal = value("TemporalPositionTimeOffset", "TemporalPositionSequence")
    if temporal is None and converted is not None:
        temporal = number(converted, "TemporalPositionIdentifier")
    if temporal is None and phases is not None and phases < len(indices):
        temporal = indices[phases]
    if temporal is None:
        temporal = value("NominalPercentageOfCardiacPhase", "CardiacSynchronizationSequence")
    if temporal is None and content is not None:
        temporal = _moment(text(content, "FrameReferenceDateTime"))
    trigger = value("NominalCardiacTriggerDelayTime", "CardiacSynchronizationSequence")
    if trigger is None:
        trigger = value("ActualCardiacTriggerDelayTime", "CardiacSynchronizationSequence")
    if trigger is None and converted is not None:
        trigger = number(converted, "TriggerTime")
    modifier = group("MRModifierSequence")
    times = numbers(modifier, "InversionTimes") if modifier else ()
    return FrameHeader(
        **common,
        frame=frame,
        spacing=_values(group("PixelMeasuresSequence"), "PixelSpacing"),
        position=_values(group("PlanePositionSequence"), "ImagePositionPatient"),
        axes=_values(group("PlaneOrientationSequence"), "ImageOrientationPatient"),
        image_type="\\".join(part for part in (image_type, component) if part),
        trigger_ms=trigger,
        temporal=temporal,
        echo_ms=value("EffectiveEchoTime", "MREchoSequence"),
        inversion_ms=times[0] if times else None,
        instance_number=frame + 1,
        acquired=(text(content, "FrameAcquisitionDateTime") if content is not None else "")
        or acquired(dataset),
        dimension=indices,
        stack="" if content is None else text(content, "StackID"),
        slope=slope,
        intercept=intercept,
    )


def _values(group: Dataset | None, keyword: str) -> tuple[float, ...]:
    return () if group is None else numbers(group, keyword)


def _moment(stamp: str) -> float | None:
    """Seconds of the day of a DICOM date and time (YYYYMMDDHHMMSS.FFFFFF), None for anything else."""
    day, seconds = stamp[:8], stamp[14:].split("+")[0].split("-")[0] or "0"
    clock = stamp[8:14]
    if len(clock) < 6 or not (day + clock).isdecimal():
        return None
    try:
        return 3600.0 * int(clock[:2]) + 60.0 * int(clock[2:4]) + int(clock[4:]) + float(f"0{seconds}")
    except ValueError:
        return None


def _scale(transformation: Dataset | None, *holders: Dataset | None) -> tuple[float, float]:
    """Slope and intercept of the modality rescale, else of the real-world value mapping, else 1 and 0."""
    if transformation is not None:
        slope, intercept = number(transformation, "RescaleSlope"), number(transformation, "RescaleIntercept")
        if slope not in (None, 0.0):
            return slope, intercept or 0.0
    for holder in holders:
        mapping = item(holder, "RealWorldValueMappingSequence")
        if mapping is not None:
            slope = number(mapping, "RealWorldValueSlope")
            if slope not in (None, 0.0):
                return slope, number(mapping, "RealWorldValueIntercept") or 0.0
    return 1.0, 0.0


_PHASE_POINTERS = {0x00209153, 0x00209128, 0x00200100, 0x00181060, 0x0020930D, 0x00209252, 0x00209241}
"""What a dimension that counts phases points at: trigger delay, temporal position, percent of R-R."""


def _phase_dimension(dataset: Dataset) -> int | None:
    """Which of the dimension index values counts the phases, None if the header names none."""
    for n, dimension in enumerate(items(dataset, "DimensionIndexSequence")):
        try:
            if int(dimension["DimensionIndexPointer"].value) in _PHASE_POINTERS:
                return n
        except Exception:  # a damaged pointer names nothing
            continue
    return None
