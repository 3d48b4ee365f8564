"""A folder with DICOM images: which series it holds, and one of them as a stack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..base.checksum import sha256_of
from ..base.errors import InputError
from .dicom_contrast import PREFERRED, by_type, contrast_notes, fits
from .dicom_folder import FolderContent, Series, SeriesInfo, scan
from .dicom_headers import FrameHeader
from .dicom_pixels import read_stack
from .dicom_stack import ONE_STACK, by_place, check_positions, main_stack, stack_geometry, without_copies
from .dicom_suitability import image_notes
from .orientation import canonical_order
from .series_selector import SeriesSelector
from .slice_number import slices_text
from .volume import Geometry

MOST_RETAKES = 3


@dataclass(frozen=True)
class DicomStack:
    """A series as one stack: ``stored`` float32 (k, j, i) on ``geometry``, ``frames`` in slice order.

    ``uid`` chooses the same stack again; ``padding`` is the grey value named for pixels without an image.
    """

    uid: str
    frames: tuple[FrameHeader, ...]
    stored: np.ndarray
    geometry: Geometry
    sha256: str
    modality: str
    padding: float | None
    warnings: tuple[str, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """Its files, each once, in slice order."""
        return files_in_order(self.frames)


def list_series(folder: str | Path) -> tuple[SeriesInfo, ...]:
    """The series of a folder and its sub-folders by series number; raises InputError if there are none."""
    return tuple(one.info for one in scan(Path(folder)).series)


def read_series(folder: str | Path, series: str | None = None) -> DicomStack:
    """Read one series as a stack; ``series`` is a selector (:mod:`series_selector`), not needed if there is
    only one.

    Raises InputError, one line, if the folder holds several series and none is chosen, or if the
    chosen one is not exactly one complete, regular stack.
    """
    folder, selector = Path(folder), SeriesSelector.parse(series)
    content = scan(folder)
    chosen = choose(folder, content, selector)
    damaged = damage_notes(content, chosen)
    frames, notes = stack_frames(folder, chosen.frames, selector.contrast)
    first = frames[0]
    uid = replace(selector, uid=chosen.info.uid) if chosen.info.uid else selector
    return DicomStack(
        uid=str(uid),
        frames=tuple(frames),
        stored=read_stack(folder, frames),
        geometry=stack_geometry(frames),
        sha256=sha256_of(files_in_order(frames)),
        modality=chosen.info.modality,
        padding=grey_padding(first),
        warnings=(
            *damaged,
            *notes,
            *contrast_notes([frame.image_type for frame in frames], chosen.info.description),
            *image_notes(frames),
        ),
    )


def stack_frames(
    folder: Path, frames: Sequence[FrameHeader], contrast: str = ""
) -> tuple[list[FrameHeader], tuple[str, ...]]:
    """One frame per slice of the series, in slice order, and a note on everything that was left out.

    Raises InputError as :func:`read_series` does.
    """
    kept, copies = without_copies(frames)
    stack, beside = main_stack(folder, kept)
    stack, types = one_type(folder, stack, contrast)
    ordered, retakes = _one_per_place(folder, stack)
    gaps = check_positions(folder, ordered)
    return ordered, (*copies, *beside, *types, *retakes, *gaps, *_ends(frames))


def several_phases(folder: Path, frames: Sequence[FrameHeader]) -> str:
    """Why frames are no single stack but phases or contrasts of one; "" if they may be one, or are none."""
    try:
        kept, _ = without_copies(frames)
        stack, _ = one_type(folder, main_stack(folder, kept)[0], "")
    except InputError:
        return ""
    return _phase_problem(stack)


def choose(folder: Path, content: FolderContent, selector: SeriesSelector) -> Series:
    """The series that the selector names, or the only one; raises InputError listing those there are."""
    found = content.series
    matching = [
        one
        for one in found
        if any(uid.endswith(selector.uid) for uid in one.uids)
        and (not selector.patient or one.info.patient == selector.patient)
    ]
    if len(matching) == 1:
        return matching[0]
    listed = ", ".join(_listed(one, matching or found) for one in matching or found)
    if not matching:
        raise InputError(folder, f"no series ends with {selector.uid}", f"choose with --series: {listed}")
    raise InputError(folder, f"there are {len(matching)} series", f"choose one with --series: {listed}")


def one_type(
    folder: Path, frames: Sequence[FrameHeader], wanted: str, preferred: Sequence[str] = PREFERRED
) -> tuple[list[FrameHeader], tuple[str, ...]]:
    """Of images of several types at the same places those of one type: the wanted one, else the first of
    ``preferred`` that is complete; with a note. Raises InputError where the wanted one is not complete.
    """
    places = len(by_place(frames))
    kinds, chosen = by_type(frames), None
    if wanted:
        chosen = next((kind for kind in kinds if fits(kind, wanted)), None)
        if chosen is None and wanted not in PREFERRED:
            raise InputError(folder, f'no image type has the word "{wanted}"', f"there are {_types(kinds)}")
        if chosen is None:  # one type only, or types without that word: nothing to choose from
            return list(frames), ()
    if len(kinds) == 1 or (not wanted and places == len(frames)):
        return list(frames), ()
    complete = [kind for kind, of_kind in kinds.items() if len(by_place(of_kind)) == places]
    if not wanted:
        chosen = next((kind for word in preferred for kind in complete if fits(kind, word)), None)
    if chosen is None:
        return list(frames), ()
    if chosen not in complete:
        problem = (
            f"the {_type_name(chosen)} images are at {len(by_place(kinds[chosen]))} of {places} positions"
        )
        raise InputError(folder, problem, "give the complete series, or choose the other type")
    others = " or ".join(f"--series {_type_word(kind)}" for kind in kinds if kind != chosen)
    note = f"the series holds {_types(kinds)}: {_type_name(chosen)} is taken; {others} takes the other"
    return kinds[chosen], (note,)


def damage_notes(content: FolderContent, chosen: Series) -> tuple[str, ...]:
    """A line per damaged file of other series; raises InputError for one that may belong to the chosen."""
    folders = {frame.path.parent for frame in chosen.frames}
    for damaged in content.damaged:
        if damaged.path.parent in folders:
            raise InputError(damaged.path, damaged.problem, damaged.remedy)
    return tuple(f"{damaged.path.name}: {damaged.problem}; left out" for damaged in content.damaged)


def files_in_order(frames: Sequence[FrameHeader]) -> tuple[Path, ...]:
    """The files of frames, each once."""
    return tuple(dict.fromkeys(frame.path for frame in frames))


def grey_padding(frame: FrameHeader) -> float | None:
    """The grey value that the header names for pixels without an image."""
    if frame.padding is None:
        return None
    grey = frame.padding * frame.slope + frame.intercept
    return -grey if frame.pixels.photometric == "MONOCHROME1" else grey


def _one_per_place(folder: Path, frames: Sequence[FrameHeader]) -> tuple[list[FrameHeader], tuple[str, ...]]:
    """The frames in slice order; of a slice that was taken again the later one, with a note."""
    places = by_place(frames)
    repeated = [n for n, found in enumerate(places.values()) if len(found) > 1]
    if not repeated:
        return [found[0] for found in places.values()], ()
    if problem := _phase_problem(frames):
        raise InputError(folder, problem, ONE_STACK)
    chosen = []
    for found in places.values():
        order = sorted(found, key=_moment)
        if len(order) > 1 and _moment(order[-1]) == _moment(order[-2]):
            both = f"{order[-2].path} and {order[-1].path}"
            problem = f"{both} show the same slice, and no header says which is later"
            raise InputError(folder, problem, "remove one of them")
        chosen.append(order[-1])
    which = slices_text(_in_slice_order(repeated, stack_geometry(chosen)))
    taken = "were taken" if len(repeated) > 1 else "was taken"
    return chosen, (f"{which} of {len(places)} {taken} again; the later image is used",)


def _in_slice_order(numbers: Sequence[int], geometry: Geometry) -> list[int]:
    """Places along the normal as indices of the stack in slice order, which may run the other way."""
    turned = canonical_order(geometry.spacing, geometry.direction, geometry.size).flipped[0]
    return sorted(geometry.size[2] - 1 - n for n in numbers) if turned else list(numbers)


def _phase_problem(frames: Sequence[FrameHeader]) -> str:
    places = by_place(frames)
    several = _phases(places.values())
    text = f"{len(frames)} images lie at {len(places)} slice position{'s' * (len(places) != 1)}"
    if several:
        return f"the series has several phases or contrasts: {text}, with {several}"
    counts = {len(found) for found in places.values()}
    whole_stack = (
        min(counts) > 1 and {len({f.acquisition for f in found}) for found in places.values()} != counts
    )
    return f"the series repeats positions: {text}" if whole_stack or max(counts) > MOST_RETAKES else ""


def _moment(frame: FrameHeader) -> tuple[int, str, int]:
    return (frame.acquisition, frame.acquired, frame.instance_number)


def _phases(places: Iterable[list[FrameHeader]]) -> str:
    """ "3 trigger times" if what repeats are phases or contrasts: as many values as images at every place."""
    slices = list(places)
    count = len(slices[0])
    if count < 2 or any(len(found) != count for found in slices):
        return ""
    columns = {
        "trigger times": lambda frame: frame.trigger_ms,
        "temporal positions": lambda frame: frame.temporal,
        "echo times": lambda frame: frame.echo_ms,
        "inversion times": lambda frame: frame.inversion_ms,
        "image types": lambda frame: frame.image_type,
    }
    for words, column in columns.items():
        if len({column(frame) for found in slices for frame in found}) == count:
            return f"{count} {words}"
    return ""


def _ends(frames: Sequence[FrameHeader]) -> tuple[str, ...]:
    """A note if the headers speak of more images than there are: slices may be missing at the ends."""
    files = len({frame.path for frame in frames})
    expected = max(frame.images_in_acquisition for frame in frames)
    if frames[0].frames > 1 or expected <= files:
        return ()
    return (f"the headers speak of {expected} images, {files} are there: slices may be missing at the ends",)


def _listed(one: Series, among: Sequence[Series]) -> str:
    info = one.info
    patients = {other.info.patient for other in among if other.info.uid == info.uid}
    tail = f"{info.tail}@{info.patient}" if len(patients) > 1 else info.tail
    return f"{tail} ({info.description or info.modality}, {info.images} images)"


def _types(kinds: Mapping[str, Sequence[FrameHeader]]) -> str:
    return " and ".join(f"{len(found)} {_type_name(kind)}" for kind, found in kinds.items()) + " images"


def _type_name(kind: str) -> str:
    return kind.replace("\\", "/")


def _type_word(kind: str) -> str:
    return kind.split("\\")[-1].lower()
