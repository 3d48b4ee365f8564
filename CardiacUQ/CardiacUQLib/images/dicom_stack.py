"""Frames of one series as one straight stack: which belong to it, where they lie, and what is left out.

Built from the positions in the headers, never from file names or instance numbers; anything that is not one
regular stack is refused, and every choice is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from .dicom_headers import FrameHeader
from .dicom_pixels import same_pixels
from .stored_grid import straightened
from .volume import Geometry, matrix3, vector3

SAME_DIRECTION = 2e-3
SAME_PLACE_MM = 0.01
GAP_TOLERANCE = 0.02
ONE_GAP = 0.15
"""One gap of a stack may differ from the others by that share: a slice lies a little off."""
FEWEST_SLICES = 3
ONE_STACK = "export one phase of one stack"


def without_copies(frames: Sequence[FrameHeader]) -> tuple[list[FrameHeader], tuple[str, ...]]:
    """Each frame of each SOP instance once: a folder may hold the same image under two names.

    Raises InputError, naming both files, if two images with one UID are not the same image.
    """
    first: dict[tuple[str, int], FrameHeader] = {}
    copies: set[Path] = set()
    for frame in frames:
        other = first.setdefault(frame.key, frame)
        if other is frame:
            continue
        if not same_pixels(frame, other):
            problem = f"it has the SOP instance UID of {other.path} and another image"
            raise InputError(frame.path, problem, "give one series per folder, or repair the UIDs")
        copies.add(frame.path)
    if not copies:
        return list(frames), ()
    word = "file repeats" if len(copies) == 1 else "files repeat"
    return list(first.values()), (f"{len(copies)} {word} an image of the series and are left out",)


def main_stack(folder: Path, frames: Sequence[FrameHeader]) -> tuple[list[FrameHeader], tuple[str, ...]]:
    """The frames of the one stack of parallel slices, and a note about what lies beside it.

    Raises InputError unless all are plain grey-value slices of one size and spacing, or if there are several
    stacks, or none.
    """
    for frame in frames:
        _check_plain(frame)
    placed = [frame for frame in frames if frame.placed]
    if not placed and frames[0].frames > 1:
        problem = "this is a multi-frame DICOM file that does not say where its frames lie"
        raise InputError(frames[0].path, problem, "convert it to NIfTI, for example with dcm2niix")
    if not placed:
        raise InputError(
            frames[0].path, "the image has no position or orientation", "give an original MR series"
        )
    for frame in placed:
        _check_place(frame)
    groups = _by_direction(placed)
    stacks = [group for group in groups if len(_distinct(group)) >= FEWEST_SLICES]
    if len(groups) > 1 and len(stacks) != 1:
        raise InputError(folder, "the images of the series have different orientations", ONE_STACK)
    chosen = stacks[0] if len(groups) > 1 else groups[0]
    _check_one(folder, chosen, "image sizes", lambda frame: frame.size)
    _check_one(folder, chosen, "pixel spacings", lambda frame: tuple(round(mm, 4) for mm in frame.spacing))
    beside = len(frames) - len(chosen)
    if not beside:
        return chosen, ()
    what = "image lies" if beside == 1 else "images lie"
    return chosen, (f"{beside} {what} in other planes (localisers, long axes) or nowhere, and are left out",)


def by_place(frames: Sequence[FrameHeader]) -> dict[float, list[FrameHeader]]:
    """Frames by their place along the common normal in mm, ascending."""
    places = places_of(frames)
    found: dict[float, list[FrameHeader]] = {}
    last = -np.inf
    for number in np.argsort(places, kind="stable"):
        place = float(places[number])
        last = last if place - last < SAME_PLACE_MM else place
        found.setdefault(last, []).append(frames[number])
    return found


def places_of(frames: Sequence[FrameHeader]) -> np.ndarray:
    """Position of each frame along the normal of the first, mm."""
    return np.array([float(np.dot(frame.position, frames[0].normal)) for frame in frames])


def check_positions(folder: Path, frames: Sequence[FrameHeader]) -> tuple[str, ...]:
    """A note on one uneven gap, if there is one; ``frames`` are one per place, in order.

    Raises InputError unless the slices follow each other at one distance along their normal.
    """
    places = places_of(frames)
    gaps = np.diff(places)
    if not len(gaps):
        return ()
    usual = float(np.median(gaps))
    odd = np.flatnonzero(np.abs(gaps - usual) > GAP_TOLERANCE * usual + SAME_PLACE_MM)
    notes: tuple[str, ...] = ()
    if len(odd):
        before, after, gap = places[odd[0]], places[odd[0] + 1], float(gaps[odd[0]])
        problem = (
            f"the slices at {before:.1f} and {after:.1f} mm are {gap:.2f} mm apart, the others {usual:.2f} mm"
        )
        missing = round(gap / usual) - 1
        if missing >= 1 and abs(gap / usual - round(gap / usual)) < 0.1:
            problem = f"{missing} slice{'s are' if missing > 1 else ' is'} missing: {problem}"
        if len(odd) > 1 or abs(gap - usual) > ONE_GAP * usual:
            raise InputError(folder, problem, "give the complete series")
        notes = (f"{problem}; the mean distance of {gaps.mean():.2f} mm is taken",)
    steps = np.subtract([frame.position for frame in frames], frames[0].position)
    beside = steps - np.outer(steps @ frames[0].normal, frames[0].normal)
    if np.linalg.norm(beside, axis=1).max() > min(frames[0].spacing) / 2:
        raise InputError(
            folder, "the slices are shifted sideways against each other", "give a straight stack"
        )
    return notes


def stack_geometry(frames: Sequence[FrameHeader]) -> Geometry:
    """Geometry of a checked stack whose frames are sorted along it; the axes made orthonormal."""
    first = frames[0]
    places = places_of(frames)
    between = float((places[-1] - places[0]) / (len(frames) - 1)) if len(frames) > 1 else 1.0
    row, column = (np.divide(v, np.linalg.norm(v)) for v in (first.axes[:3], first.axes[3:]))
    direction, _ = straightened(np.stack([row, column, np.cross(row, column)], axis=1))
    return Geometry(
        size=(*first.size, len(frames)),
        spacing=(first.spacing[1], first.spacing[0], between),
        origin=vector3(first.position),
        direction=matrix3(direction),
    )


def _check_plain(frame: FrameHeader) -> None:
    if frame.samples != 1 or frame.pixels.photometric not in ("MONOCHROME1", "MONOCHROME2", ""):
        raise InputError(frame.path, "this is a colour image", "give a grey-value series")


def _check_place(frame: FrameHeader) -> None:
    if len(frame.spacing) != 2 or not all(np.isfinite(s) and s > 0 for s in frame.spacing):
        raise InputError(frame.path, "the pixel spacing is missing or not above 0", "export the series again")
    if abs(np.linalg.norm(np.cross(frame.axes[:3], frame.axes[3:])) - 1) > 1e-2:
        raise InputError(
            frame.path, "its row and column directions are not at right angles", "export it again"
        )


def _by_direction(frames: Sequence[FrameHeader]) -> list[list[FrameHeader]]:
    groups: list[list[FrameHeader]] = []
    for frame in frames:
        for group in groups:
            if np.abs(np.subtract(frame.axes, group[0].axes)).max() <= SAME_DIRECTION:
                group.append(frame)
                break
        else:
            groups.append([frame])
    return groups


def _distinct(frames: Sequence[FrameHeader]) -> set[float]:
    return {round(float(place), 1) for place in places_of(frames)}


def _check_one(
    folder: Path, frames: Sequence[FrameHeader], what: str, value: Callable[[FrameHeader], tuple]
) -> None:
    counts = Counter(value(frame) for frame in frames)
    if len(counts) > 1:
        listed = ", ".join(" x ".join(f"{v:g}" for v in found) for found in counts)
        raise InputError(folder, f"the images of the series have different {what} ({listed})", ONE_STACK)
