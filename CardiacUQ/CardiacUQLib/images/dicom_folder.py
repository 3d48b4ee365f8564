"""What a folder of DICOM files holds: images by patient and series, other objects, damaged files.

A series is known by its patient and its UID; where the UID is missing, by its number, description and folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from .dicom_files import dicom_files
from .dicom_frames import read_headers
from .dicom_headers import FrameHeader, OtherObject
from .volume import IMAGE_SUFFIXES

_TAIL = 12
_SAME_PLACE_MM = 0.01


@dataclass(frozen=True)
class SeriesInfo:
    """One series of a folder, as far as a person needs it to choose; ``images`` counts frames."""

    uid: str
    number: int
    description: str
    modality: str
    images: int
    patient: str = ""

    @property
    def tail(self) -> str:
        """The end of the UID, which is enough to choose the series."""
        return self.uid[-_TAIL:]


@dataclass(frozen=True)
class Series:
    """One series, or several that hold one slice each of a common stack; ``uids`` are all of theirs."""

    info: SeriesInfo
    frames: tuple[FrameHeader, ...]
    uids: tuple[str, ...]


@dataclass(frozen=True)
class DamagedFile:
    """A file that should be an image and cannot be used."""

    path: Path
    problem: str
    remedy: str


@dataclass(frozen=True)
class FolderContent:
    """All DICOM files of a folder."""

    series: tuple[Series, ...]
    others: tuple[OtherObject, ...]
    damaged: tuple[DamagedFile, ...]


def scan(folder: Path) -> FolderContent:
    """Read all headers below ``folder``; raises InputError if there is no image at all."""
    content = sort_out(dicom_files(folder))
    if content.series:
        return content
    if content.damaged:
        first = content.damaged[0]
        raise InputError(first.path, first.problem, first.remedy)
    images = sorted(p.name for p in folder.iterdir() if p.name.lower().endswith(IMAGE_SUFFIXES))
    remedy = f"give the image itself, such as {images[0]}" if images else "give the folder of a DICOM series"
    held = sorted({other.what for other in content.others})
    only = f", only {', '.join(held)}" if held else ""
    raise InputError(folder, f"there are no DICOM images in this folder{only}", remedy)


def sort_out(files: Iterable[Path]) -> FolderContent:
    """The series of these files by number, one slice per series put together, and what else there is."""
    groups: dict[tuple[str, ...], list[FrameHeader]] = {}
    others: list[OtherObject] = []
    damaged: list[DamagedFile] = []
    for path in files:
        try:
            found = read_headers(path)
        except InputError as error:
            damaged.append(DamagedFile(path, error.problem, error.remedy))
            continue
        if isinstance(found, OtherObject):
            others.append(found)
            continue
        groups.setdefault(_identity(found[0]), []).extend(found)
    series = [_series(frames) for frames in groups.values()]
    series = sorted(_put_together(series), key=lambda one: (one.info.number, one.info.uid))
    return FolderContent(tuple(series), tuple(others), tuple(damaged))


def _identity(frame: FrameHeader) -> tuple[str, ...]:
    if frame.series:
        return (frame.patient, frame.series)
    return (frame.patient, "", str(frame.number), frame.description, str(frame.path.parent))


def _series(frames: Sequence[FrameHeader], uids: tuple[str, ...] = ()) -> Series:
    first = frames[0]
    info = SeriesInfo(
        first.series, first.number, first.description, first.modality, len(frames), first.patient
    )
    return Series(info, tuple(frames), uids or (first.series,))


def _put_together(series: Sequence[Series]) -> list[Series]:
    """Series that hold one slice each of a common stack become one, in the order of their numbers."""
    stacks: dict[tuple[object, ...], list[Series]] = {}
    found: list[Series] = []
    for one in series:
        key = _slice_key(one)
        if key is None:
            found.append(one)
        else:
            stacks.setdefault(key, []).append(one)
    for parts in stacks.values():
        for group in _parallel(parts):
            places = {_place(one, group[0]) for one in group}
            if len(group) < 3 or len(places) < len(group):
                found += group
                continue
            ordered = sorted(group, key=lambda one: (one.info.number, one.info.uid))
            frames = [frame for one in ordered for frame in one.frames]
            found.append(_series(frames, tuple(one.info.uid for one in ordered)))
    return found


def _slice_key(one: Series) -> tuple[object, ...] | None:
    """What series with one slice each of a stack have in common; None for a series of several places."""
    first = one.frames[0]
    if not all(frame.placed and frame.size == first.size for frame in one.frames):
        return None
    places = [float(np.dot(frame.position, first.normal)) for frame in one.frames]
    apart = max(float(np.abs(np.subtract(frame.axes, first.axes)).max()) for frame in one.frames)
    if max(places) - min(places) > _SAME_PLACE_MM or apart > 1e-3:
        return None
    spacing = tuple(round(mm, 3) for mm in first.spacing)
    return (first.patient, first.study, first.modality, first.size, spacing, len(one.frames))


def _parallel(series: Sequence[Series]) -> list[list[Series]]:
    groups: list[list[Series]] = []
    for one in series:
        for group in groups:
            if np.abs(np.subtract(one.frames[0].axes, group[0].frames[0].axes)).max() <= 1e-3:
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def _place(one: Series, reference: Series) -> float:
    return round(float(np.dot(one.frames[0].position, reference.frames[0].normal)), 1)
