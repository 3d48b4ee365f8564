"""Headers of DICOM images, one per frame, whether a file holds one frame (classic) or many (enhanced).

Read by pydicom, which is Python: a damaged file raises, it takes nothing along. Only tags are read, never
pixels, but where the pixels lie and whether they are all there is known from here on.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ..base.errors import InputError, UsageError
from .dicom_values import number, text, whole
from .regular_file import open_regular

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

DAMAGED = "the DICOM file is truncated or damaged"
EXPORT_AGAIN = "copy or export the series again"
DEFLATED = "1.2.840.10008.1.2.1.99"
MOST_INFLATED = 1 << 28
_NATIVE = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", DEFLATED, ""}
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_UNDEFINED = 0xFFFFFFFF
_META_LENGTH_END = 144
_TAGS = [
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "SeriesDescription",
    "ProtocolName",
    "PatientID",
    "PatientName",
    "SeriesNumber",
    "AcquisitionNumber",
    "InstanceNumber",
    "FrameOfReferenceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "TriggerTime",
    "TemporalPositionIdentifier",
    "EchoTime",
    "InversionTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "ContentDate",
    "ContentTime",
    "AcquisitionDateTime",
    "ImagesInAcquisition",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "PixelPaddingValue",
    "RealWorldValueMappingSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "DimensionIndexSequence",
    "NumberOfSeriesRelatedInstances",
]


@dataclass(frozen=True)
class PixelPlace:
    """Where the pixels of a file lie and how they are stored; ``length`` None if encapsulated."""

    offset: int
    length: int | None
    syntax: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str

    @property
    def dtype(self) -> np.dtype:
        """Type of one stored value."""
        order = ">" if self.syntax == _BIG_ENDIAN else "<"
        return np.dtype(f"{order}{'i' if self.signed else 'u'}{self.bits_allocated // 8}")


@dataclass(frozen=True)
class FrameHeader:
    """One frame of one DICOM file; position and axes in LPS mm, pixel spacing (between rows, columns).

    ``frame`` counts from 0 among the ``frames`` of the file. Times in ms, None where the header says none;
    ``acquired`` is a text that sorts in time. ``dimension`` are the frame's dimension index values.
    """

    path: Path
    frame: int
    frames: int
    instance: str
    series: str
    study: str
    patient: str
    number: int
    description: str
    protocol: str
    modality: str
    frame_of_reference: str
    size: tuple[int, int]
    spacing: tuple[float, ...]
    position: tuple[float, ...]
    axes: tuple[float, ...]
    samples: int
    image_type: str
    trigger_ms: float | None
    temporal: float | None
    echo_ms: float | None
    inversion_ms: float | None
    acquisition: int
    instance_number: int
    acquired: str
    dimension: tuple[float, ...]
    stack: str
    slope: float
    intercept: float
    padding: float | None
    images_in_acquisition: int
    pixels: PixelPlace

    @property
    def normal(self) -> np.ndarray:
        """Unit vector across the slice."""
        across = np.cross(self.axes[:3], self.axes[3:])
        return across / max(float(np.linalg.norm(across)), 1e-9)

    @property
    def placed(self) -> bool:
        """True if the header says where the frame lies in the patient."""
        numbers = (*self.position, *self.axes)
        return len(self.position) == 3 and len(self.axes) == 6 and bool(np.isfinite(numbers).all())

    @property
    def key(self) -> tuple[str, int]:
        """What makes the frame this one: its SOP instance (its file where that is missing) and number."""
        return (self.instance or str(self.path), self.frame)


@dataclass(frozen=True)
class OtherObject:
    """A DICOM object that is no image to segment, in words: "a report"."""

    path: Path
    what: str
    series: str
    description: str


def read_dataset(path: Path, *, all_tags: bool = False) -> tuple[Dataset, PixelPlace | None]:
    """The tags that this program uses, or all, and where the pixels lie, None if there are none.

    Raises InputError for whatever pydicom cannot read.
    """
    try:
        import pydicom
    except ModuleNotFoundError as error:
        raise UsageError("DICOM needs the Python package pydicom; install it: pip install pydicom") from error
    with open_regular(path) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        head = stream.read(1 << 10)
        stream.seek(0)
        source: BinaryIO = inflated(path, stream) if DEFLATED.encode() in head else stream
        try:
            tags = None if all_tags else _TAGS
            dataset = pydicom.dcmread(source, stop_before_pixels=True, force=True, specific_tags=tags)
            place = _pixel_place(dataset, source)
            if place is not None and source is not stream:
                place = replace(place, syntax=DEFLATED)
            return dataset, place
        except Exception as error:  # pydicom raises many things at damaged files
            raise InputError(path, DAMAGED, EXPORT_AGAIN) from error


def inflated(path: Path, stream: BinaryIO) -> BinaryIO:
    """A deflated DICOM file as one with plain explicit little endian; bounded, so that no bomb goes off."""
    from pydicom.filebase import DicomBytesIO
    from pydicom.filereader import dcmread
    from pydicom.filewriter import write_file_meta_info
    from pydicom.uid import ExplicitVRLittleEndian

    try:
        head = stream.read(_META_LENGTH_END)  # the meta header begins with its own length, (0002,0000) UL
        head += stream.read(struct.unpack_from("<I", head, _META_LENGTH_END - 4)[0])
        meta = dcmread(io.BytesIO(head), force=True).file_meta
        decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
        plain = decompressor.decompress(stream.read(MOST_INFLATED), MOST_INFLATED)
        if decompressor.unconsumed_tail:
            problem = f"its compressed data are larger than {MOST_INFLATED // 2**20} MB"
            raise InputError(path, problem, "export the series uncompressed")
        if not decompressor.eof:
            raise InputError(path, DAMAGED, EXPORT_AGAIN)
    except InputError:
        raise
    except Exception as error:
        raise InputError(path, DAMAGED, EXPORT_AGAIN) from error
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header = DicomBytesIO()
    write_file_meta_info(header, meta, enforce_standard=False)
    whole_file = io.BytesIO()
    whole_file.write(b"\0" * 128 + b"DICM" + header.getvalue())
    whole_file.write(plain)
    whole_file.seek(0)
    return whole_file


def _pixel_place(dataset: Dataset, stream: BinaryIO) -> PixelPlace | None:
    """Where the value of PixelData begins; the stream stands at its tag, or at the end of the file."""
    implicit, little = dataset.original_encoding
    order = "<" if little else ">"
    start = stream.tell()
    head = stream.read(12)
    if len(head) < (8 if implicit else 12) or struct.unpack_from(order + "HH", head) != (0x7FE0, 0x0010):
        return None
    length = struct.unpack_from(order + "I", head, 4 if implicit else 8)[0]
    offset = start + (8 if implicit else 12)
    end = stream.seek(0, os.SEEK_END)
    syntax = str(getattr(dataset.file_meta, "TransferSyntaxUID", "") or "")
    encapsulated = length == _UNDEFINED
    if encapsulated == (syntax in _NATIVE) or (not encapsulated and end - offset < length):
        return None
    bits = whole(dataset, "BitsAllocated", 0)
    stored = whole(dataset, "BitsStored", bits)
    return PixelPlace(
        offset=offset,
        length=None if encapsulated else length,
        syntax=syntax if little else _BIG_ENDIAN,
        bits_allocated=bits,
        bits_stored=stored,
        high_bit=whole(dataset, "HighBit", stored - 1),
        signed=whole(dataset, "PixelRepresentation", 0) == 1,
        photometric=text(dataset, "PhotometricInterpretation"),
    )


def acquired(dataset: Dataset) -> str:
    """When an image was taken, as a text that sorts in time; "" where the header does not say."""
    moment = text(dataset, "AcquisitionDateTime")
    if not moment:
        for kind in ("Acquisition", "Content"):
            moment = moment or text(dataset, f"{kind}Date") + text(dataset, f"{kind}Time")
    return moment


def identity(dataset: Dataset) -> dict[str, str | int]:
    """The attributes that a whole file has once, by the field of :class:`FrameHeader`."""
    return {
        "instance": text(dataset, "SOPInstanceUID"),
        "series": text(dataset, "SeriesInstanceUID"),
        "study": text(dataset, "StudyInstanceUID"),
        "patient": text(dataset, "PatientID") or text(dataset, "PatientName"),
        "number": whole(dataset, "SeriesNumber", 0),
        "description": text(dataset, "SeriesDescription") or text(dataset, "ProtocolName"),
        "protocol": text(dataset, "ProtocolName"),
        "modality": text(dataset, "Modality"),
        "frame_of_reference": text(dataset, "FrameOfReferenceUID"),
        "samples": whole(dataset, "SamplesPerPixel", 1),
        "acquisition": whole(dataset, "AcquisitionNumber", 0),
        "images_in_acquisition": whole(dataset, "ImagesInAcquisition", 0)
        or whole(dataset, "NumberOfSeriesRelatedInstances", 0),
    }


def padding_of(dataset: Dataset, place: PixelPlace) -> float | None:
    """The stored value that the header names for pixels without an image."""
    found = number(dataset, "PixelPaddingValue")
    if found is not None and place.signed and found > 32767 and place.bits_allocated == 16:
        return found - 65536
    return found
