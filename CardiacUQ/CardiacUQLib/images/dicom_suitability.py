"""Whether a DICOM series is what a bundle is made for, by its headers alone, with reasons."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .dicom_headers import FrameHeader

LATE_ENHANCEMENT = re.compile(
    r"lge|\bde\b|de[ _-]?mri|delayed|late|viab|psir|\bmde\b|dhe\b|ir[ _-]?tfe|phase[ _-]?sens|scar", re.I
)
NO_SHORT_AXIS = re.compile(
    r"locali[sz]er|\bloc\b|scout|survey|2ch|3ch|4ch|lvot|rvot|\bhla\b|\bvla\b|long[ _-]?axis|\blax\b|"
    r"report|screen",
    re.I,
)
OTHER_IMAGING = re.compile(
    r"t1[ _-]?map|t2[ _-]?map|t2\*|molli|shmolli|sasha|ecv|perf|flow|phase[ _-]?contrast|\bvenc|tagg|haste|"
    r"stir|t2[ _-]?w|angio|\bmra\b|ti[ _-]?scout|look.?locker",
    re.I,
)
CINE = re.compile(r"cine", re.I)
LV_AXIS_LPS = np.array([0.66, -0.53, -0.53])
"""Usual direction from base to apex: to the left, forwards and down, each by about the same."""
MOST_DEGREES = 45.0
"""Long-axis planes are 90 degrees away from that, axial and coronal ones about 58, sagittal ones 49."""
SLICES = (3, 30)
SLICE_DISTANCE_MM = (3.0, 25.0)
FIELD_OF_VIEW_MM = (100.0, 600.0)
INVERSION_TIME_MS = (120.0, 600.0)


def image_notes(frames: Sequence[FrameHeader]) -> tuple[str, ...]:
    """What is unlike a short-axis MR scan in images that are segmented nevertheless, one line each."""
    notes = []
    first = frames[0]
    if first.modality not in ("MR", ""):
        notes.append(f"the modality is {first.modality}, not MR: the networks were made for MR images")
    if (degrees := off_axis(first)) > MOST_DEGREES:
        notes.append(f"its slices are {degrees:.0f} degrees away from the usual short axis")
    return tuple(notes)


def off_axis(frame: FrameHeader) -> float:
    """Angle in degrees between the slice normal and the usual axis of the left ventricle."""
    normal = frame.normal / max(float(np.linalg.norm(frame.normal)), 1e-9)
    cosine = min(1.0, abs(float(normal @ LV_AXIS_LPS)) / float(np.linalg.norm(LV_AXIS_LPS)))
    return float(np.degrees(np.arccos(cosine)))


def why_no_late_enhancement(frames: Sequence[FrameHeader]) -> str:
    """The first reason against a series being a short-axis LGE stack; empty if it may be one.

    Looked at in this order: modality and kind of image, description and inversion time, orientation
    against the usual axis of the LV, number, place and distance of the slices, field of view.
    """
    return wrong_kind(frames) or _no_lge_words(frames) or wrong_plane(frames) or wrong_grid(frames)


def why_no_cine(frames: Sequence[FrameHeader]) -> str:
    """The first reason against a series being a short-axis film, apart from its phases; empty if none."""
    return wrong_kind(frames) or _no_cine_words(frames) or wrong_plane(frames) or wrong_grid(frames)


def wrong_kind(frames: Sequence[FrameHeader]) -> str:
    """Why frames are not grey-value MR images with a place."""
    first = frames[0]
    if first.modality != "MR":
        return f"the modality is {first.modality or 'not given'}, not MR"
    if any(frame.samples != 1 for frame in frames):
        return "these are colour images"
    if any(not frame.placed or len(frame.spacing) != 2 for frame in frames):
        return "the images have no position, orientation or pixel spacing"
    return ""


def wrong_plane(frames: Sequence[FrameHeader]) -> str:
    """Why slices are no short-axis ones."""
    degrees = off_axis(frames[0])
    if degrees > MOST_DEGREES:
        return (
            f"its slices are {degrees:.0f} degrees away from the usual short axis; "
            "give its folder alone to segment it nevertheless"
        )
    return ""


def wrong_grid(frames: Sequence[FrameHeader]) -> str:
    """Why number, distance or width of the slices are not those of a short-axis stack."""
    places = sorted({round(float(np.dot(frame.position, frames[0].normal)), 1) for frame in frames})
    if not SLICES[0] <= len(places) <= SLICES[1]:
        return f"it has {len(places)} slices, a short-axis stack has {SLICES[0]} to {SLICES[1]}"
    distance = float(np.median(np.diff(places)))
    if not SLICE_DISTANCE_MM[0] <= distance <= SLICE_DISTANCE_MM[1]:
        return f"its slices are {distance:.1f} mm apart, those of a short-axis stack 3 to 25 mm"
    view = max(n * mm for n, mm in zip(frames[0].size, reversed(frames[0].spacing), strict=True))
    if not FIELD_OF_VIEW_MM[0] <= view <= FIELD_OF_VIEW_MM[1]:
        return f"its field of view is {view:.0f} mm, that of a heart scan 100 to 600 mm"
    return ""


def _words(frames: Sequence[FrameHeader]) -> str:
    first = frames[0]
    parts = dict.fromkeys(part for part in (first.description, first.protocol) if part)
    return " ".join(parts).replace("_", " ")


def _no_lge_words(frames: Sequence[FrameHeader]) -> str:
    words = _words(frames)
    other = NO_SHORT_AXIS.search(words) or OTHER_IMAGING.search(words) or CINE.search(words)
    if other is not None:
        return f'its description "{words}" names other imaging ("{other[0]}")'
    low, high = INVERSION_TIME_MS
    time = frames[0].inversion_ms
    if LATE_ENHANCEMENT.search(words) is None and not (time is not None and low <= time <= high):
        return f'nothing calls it late enhancement: description "{words}", no usual inversion time'
    return ""


def _no_cine_words(frames: Sequence[FrameHeader]) -> str:
    words = _words(frames)
    other = NO_SHORT_AXIS.search(words) or OTHER_IMAGING.search(words)
    if other is None and CINE.search(words) is None:
        other = LATE_ENHANCEMENT.search(words)
    return f'its description "{words}" names other imaging ("{other[0]}")' if other is not None else ""
