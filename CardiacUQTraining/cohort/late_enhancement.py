"""Which series of a DICOM archive is a short-axis late-enhancement stack: by headers alone, with reasons."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CardiacUQLib.images.dicom_headers import SliceHeader
from CardiacUQLib.images.itk_silence import quiet_itk

LATE_ENHANCEMENT = re.compile(
    r"lge|\bde\b|de[ _-]?mri|delayed|late|viab|psir|\bmde\b|dhe\b|ir[ _-]?tfe|phase[ _-]?sens|scar", re.I
)
OTHER_IMAGING = re.compile(
    r"locali[sz]er|\bloc\b|scout|survey|t1[ _-]?map|t2[ _-]?map|t2\*|molli|shmolli|sasha|ecv|cine|"
    r"perf|flow|phase[ _-]?contrast|\bvenc|tagg|haste|stir|t2[ _-]?w|angio|\bmra\b|ti[ _-]?scout|"
    r"look.?locker|2ch|3ch|4ch|lvot|\bhla\b|\bvla\b|long[ _-]?axis|\blax\b|report|screen",
    re.I,
)
LV_AXIS_LPS = np.array([0.66, -0.53, -0.53])
"""Usual direction from base to apex: to the left, forwards and down, each by about the same."""

MOST_DEGREES = 45.0
"""Long-axis planes are 90 degrees away from that, axial and coronal ones about 58, sagittal ones 49."""

SLICES = (3, 30)
SLICE_DISTANCE_MM = (3.0, 25.0)
FIELD_OF_VIEW_MM = (180.0, 550.0)
INVERSION_TIME_MS = (120.0, 600.0)


@dataclass(frozen=True)
class SeriesHeader:
    """What the headers of the slices do not carry: from one image of the series."""

    patient: str
    protocol: str
    inversion_time_ms: float | None


def read_series_header(path: Path) -> SeriesHeader:
    """Patient ID, protocol name and inversion time of one DICOM image; empty where absent."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(os.fspath(path))
    reader.SetImageIO("GDCMImageIO")
    with quiet_itk():
        reader.ReadImageInformation()

    def tag(key: str) -> str:
        try:
            return reader.GetMetaData(key).strip(" \0") if reader.HasMetaDataKey(key) else ""
        except UnicodeDecodeError:
            return ""

    try:
        inversion = float(tag("0018|0082"))
    except ValueError:
        inversion = None
    return SeriesHeader(tag("0010|0020"), tag("0018|1030"), inversion)


def why_not(images: Sequence[SliceHeader], header: SeriesHeader) -> str:
    """The first reason against a series being a short-axis LGE stack; empty if it may be one.

    Looked at in this order: modality and kind of image, description and inversion time, orientation
    against the usual axis of the LV, number, place and distance of the slices, field of view.
    """
    return _wrong_kind(images) or _wrong_words(images, header) or _wrong_plane(images) or _wrong_grid(images)


def _wrong_kind(images: Sequence[SliceHeader]) -> str:
    first = images[0]
    if first.modality != "MR":
        return f"the modality is {first.modality or 'not given'}, not MR"
    if any(image.frames > 1 for image in images):
        return "this is a multi-frame (enhanced) series; convert it to NIfTI, for example with dcm2niix"
    if any(image.samples != 1 for image in images):
        return "these are colour images"
    if any(len(i.position) != 3 or len(i.axes) != 6 or len(i.spacing) != 2 for i in images):
        return "the images have no position, orientation or pixel spacing"
    return ""


def _wrong_words(images: Sequence[SliceHeader], header: SeriesHeader) -> str:
    words = " ".join(part for part in (images[0].description, header.protocol) if part).replace("_", " ")
    named = LATE_ENHANCEMENT.search(words)
    other = OTHER_IMAGING.search(words)
    if other is not None:
        return f'its description "{words}" names other imaging ("{other[0]}")'
    low, high = INVERSION_TIME_MS
    inverted = header.inversion_time_ms is not None and low <= header.inversion_time_ms <= high
    if named is None and not inverted:
        return f'nothing calls it late enhancement: description "{words}", no usual inversion time'
    return ""


def _wrong_plane(images: Sequence[SliceHeader]) -> str:
    normal = images[0].normal / max(float(np.linalg.norm(images[0].normal)), 1e-9)
    cosine = min(1.0, abs(float(normal @ LV_AXIS_LPS)) / float(np.linalg.norm(LV_AXIS_LPS)))
    degrees = float(np.degrees(np.arccos(cosine)))
    if degrees > MOST_DEGREES:
        return (
            f"its slices are {degrees:.0f} degrees away from the usual short axis; "
            "give its folder alone to segment it nevertheless"
        )
    return ""


def _wrong_grid(images: Sequence[SliceHeader]) -> str:
    places = sorted({round(float(np.dot(image.position, images[0].normal)), 1) for image in images})
    copies = {image.instance or str(image.path) for image in images}
    if len(copies) > len(places):
        return f"{len(copies)} images lie at {len(places)} positions: several phases or contrasts"
    if not SLICES[0] <= len(places) <= SLICES[1]:
        return f"it has {len(places)} slices, a short-axis stack has {SLICES[0]} to {SLICES[1]}"
    distance = float(np.median(np.diff(places)))
    if not SLICE_DISTANCE_MM[0] <= distance <= SLICE_DISTANCE_MM[1]:
        return f"its slices are {distance:.1f} mm apart, those of a short-axis stack 3 to 25 mm"
    view = max(n * mm for n, mm in zip(images[0].size, reversed(images[0].spacing), strict=True))
    if not FIELD_OF_VIEW_MM[0] <= view <= FIELD_OF_VIEW_MM[1]:
        return f"its field of view is {view:.0f} mm, that of a heart scan 180 to 550 mm"
    return ""
