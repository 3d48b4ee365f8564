"""A cine as DICOM: one series with all phases, or one series per slice, put together by the headers.

Where an image lies says which slice it is, its trigger time (else its temporal position) which phase.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from ..base.checksum import sha256_of
from ..base.errors import InputError
from .cine import Cine
from .dicom_headers import PHASE_TAGS, SliceHeader
from .dicom_series import (
    SAME_PLACE_MM,
    check_alike,
    check_positions,
    places_of,
    read_pixels,
    series_of,
    stack_geometry,
    without_copies,
)

ORDERED_BY = ("0018|1060", "0020|0100")
"""Trigger time in ms, temporal position: what the phases of one slice are ordered by."""
FEWEST_PHASES = 5
"""A series with fewer images per slice is taken for what it may be as well: contrasts, repeats."""
MOST_FILES = 3000
"""A folder with more is an archive; no cine has so many images."""
_REMEDY = "give the folder of one short-axis cine, all phases of all slices"


def holds_cine(folder: str | Path, series: str | None = None) -> bool:
    """True if a folder holds DICOM images with the phases of a heartbeat at every position.

    ``series`` restricts it to the series whose UID ends so.
    """
    folder = Path(folder)
    if not folder.is_dir() or sum(1 for _ in islice(folder.rglob("*"), MOST_FILES)) == MOST_FILES:
        return False
    try:
        images = _chosen(folder, series)
    except InputError:
        return False  # whoever reads the folder as a stack will say what is wrong with it
    usable = all(len(image.position) == 3 and len(image.axes) == 6 for image in images)
    if not images or not usable or any(image.frames > 1 for image in images):
        return False
    slices = list(_by_place(images).values())
    return all(len(phases) >= FEWEST_PHASES and _times(phases) is not None for phases in slices)


def read_dicom_cine(folder: str | Path, series: str | None = None) -> Cine:
    """All phases of a cine in slice order; raises InputError, one line, for anything that is not one cine."""
    folder = Path(folder)
    ordered = phases_of(folder, _chosen(folder, series))
    frames = list(zip(*ordered, strict=True))
    geometry = stack_geometry(folder, list(frames[0]))
    stored = np.stack([read_pixels(folder, list(frame)) for frame in frames])
    digest = sha256_of([image.path for frame in frames for image in frame])
    return Cine(folder, stored, geometry, digest)


def phases_of(folder: Path, images: Sequence[SliceHeader]) -> list[list[SliceHeader]]:
    """The images slice by slice along the stack, each slice's phases in the order of the heartbeat.

    Raises InputError unless every slice has the same number of phases that can be told apart.
    """
    kept, _ = without_copies(images)
    check_alike(folder, kept)
    slices = _by_place(kept)
    counts = sorted({len(phases) for phases in slices.values()})
    if len(counts) > 1:
        problem = f"the slices have different numbers of phases ({', '.join(map(str, counts))})"
        raise InputError(folder, problem, _REMEDY)
    if counts[0] < FEWEST_PHASES:
        raise InputError(folder, f"there are only {counts[0]} images at each position", _REMEDY)
    check_positions(folder, [phases[0] for phases in slices.values()])
    return [_in_time(folder, place, phases) for place, phases in slices.items()]


def _chosen(folder: Path, series: str | None) -> list[SliceHeader]:
    """Images of one series, or of several that differ in their slices alone."""
    found = series_of(folder)
    if series is not None:
        found = [pair for pair in found if pair[0].uid.endswith(series.strip(" ."))]
    whole = [images for _, images in found if len(_places(images)) > 1]
    if len(whole) > 1 or (whole and len(found) > 1):
        listed = ", ".join(f"{info.tail} ({info.description or info.modality})" for info, _ in found)
        raise InputError(folder, f"there are {len(found)} series", f"choose one with --series: {listed}")
    return [image for _, images in found for image in images]


def _by_place(images: Sequence[SliceHeader]) -> Mapping[float, list[SliceHeader]]:
    """Images by their place along the common normal, ascending."""
    places = places_of(images)
    found: dict[float, list[SliceHeader]] = {}
    last = -np.inf
    for number in np.argsort(places, kind="stable"):
        place = float(places[number])
        last = last if place - last < SAME_PLACE_MM else place
        found.setdefault(last, []).append(images[number])
    return found


def _places(images: Sequence[SliceHeader]) -> set[float]:
    usable = [image for image in images if len(image.position) == 3 and len(image.axes) == 6]
    return {round(float(place), 2) for place in places_of(usable)} if usable else set()


def _in_time(folder: Path, place: float, phases: Sequence[SliceHeader]) -> list[SliceHeader]:
    times = _times(phases)
    if times is None:
        problem = f"the {len(phases)} images at {place:.1f} mm have no trigger times that tell them apart"
        raise InputError(folder, problem, "export the cine again, or give it as a 4D NIfTI file")
    return [phases[number] for number in np.argsort(times)]


def _times(phases: Sequence[SliceHeader]) -> list[float] | None:
    """Times of the images of one slice by the first of :data:`ORDERED_BY` that tells them all apart."""
    for key in ORDERED_BY:
        column = list(PHASE_TAGS).index(key)
        try:
            times = [float(image.phase[column]) for image in phases]
        except ValueError:
            continue
        if len(set(times)) == len(times):
            return times
    return None
