"""A cine as DICOM: one series with all phases, or one series per slice, put together by the headers.

Where an image lies says which slice it is; its trigger time says which phase, else its temporal position,
else its dimension index, else, with a note, its instance number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ..base.checksum import sha256_of
from ..base.errors import InputError
from .dicom_folder import Series, scan
from .dicom_headers import FrameHeader
from .dicom_pixels import read_film, same_pixels
from .dicom_series import choose, damage_notes, files_in_order, grey_padding, one_type
from .dicom_stack import by_place, check_positions, main_stack, stack_geometry, without_copies
from .dicom_suitability import image_notes
from .film import Cine
from .series_selector import SeriesSelector

FEWEST_PHASES = 5
"""A series with fewer images per slice is taken for what it may be as well: contrasts, repeats."""
MOST_FILES = 3000
"""A folder with more is an archive; no cine has so many images."""
_REMEDY = "give the folder of one short-axis cine, all phases of all slices"
_PREFERRED = ("magnitude", "norm")


def holds_cine(folder: str | Path, series: str | None = None) -> bool:
    """True if a folder holds DICOM images with the phases of a heartbeat at every position.

    ``series`` restricts it to the series that the selector names.
    """
    folder = Path(folder)
    if not folder.is_dir() or sum(1 for _ in islice(folder.rglob("*"), MOST_FILES + 1)) > MOST_FILES:
        return False
    try:
        selector = SeriesSelector.parse(series)
        chosen = choose(folder, scan(folder), selector)
    except InputError:
        return False  # whoever reads the folder as a stack will say what is wrong with it
    return is_film(folder, chosen)


def is_film(folder: Path, series: Series) -> bool:
    """True if every slice of the series has the phases of a heartbeat; reads no pixels of single images."""
    try:
        phases_of(folder, series.frames)
    except InputError:
        return False
    return True


def read_dicom_cine(folder: str | Path, series: str | None = None) -> Cine:
    """All phases of a cine in slice order; raises InputError, one line, for anything that is not one cine."""
    folder, selector = Path(folder), SeriesSelector.parse(series)
    content = scan(folder)
    chosen = choose(folder, content, selector)
    damaged = damage_notes(content, chosen)
    ordered, notes = phases_of(folder, chosen.frames, selector.contrast)
    phases = list(zip(*ordered, strict=True))
    first = phases[0][0]
    return Cine(
        folder,
        read_film(folder, phases),
        stack_geometry(phases[0]),
        sha256_of(files_in_order([frame for phase in phases for frame in phase])),
        warnings=(*damaged, *notes, *image_notes(phases[0])),
        modality=chosen.info.modality,
        series=chosen.info.uid,
        padding=grey_padding(first),
    )


def phases_of(
    folder: Path, frames: Sequence[FrameHeader], contrast: str = ""
) -> tuple[list[list[FrameHeader]], tuple[str, ...]]:
    """The frames slice by slice along the stack, each slice's phases in order of time, and notes.

    Raises InputError unless every slice has the same number of phases that can be told apart.
    """
    kept, copies = without_copies(frames)
    stack, beside = main_stack(folder, kept)
    stack, types = one_type(folder, stack, contrast, _PREFERRED)
    slices, repeats = _without_repeats(by_place(stack))
    counts = sorted({len(phases) for phases in slices.values()})
    if len(counts) > 1:
        problem = f"the slices have different numbers of phases ({', '.join(map(str, counts))})"
        raise InputError(folder, problem, _REMEDY)
    if counts[0] < FEWEST_PHASES:
        raise InputError(folder, f"there are only {counts[0]} images at each position", _REMEDY)
    if _is_mapping(stack, counts[0]):
        raise InputError(folder, "its images differ in inversion or echo time: a map, not a film", _REMEDY)
    gaps = check_positions(folder, [phases[0] for phases in slices.values()])
    key, order = _phase_key(folder, list(slices.values()))
    ordered = [sorted(phases, key=key) for phases in slices.values()]
    return ordered, (*copies, *beside, *types, *repeats, *gaps, *order)


def _without_repeats(
    slices: Mapping[float, list[FrameHeader]],
) -> tuple[dict[float, list[FrameHeader]], tuple[str, ...]]:
    """Where slices have different numbers of phases, those without frames that are there twice: of one
    moment, with the same pixels."""
    if len({len(phases) for phases in slices.values()}) == 1:
        return dict(slices), ()
    found, left_out = {}, 0
    for place, phases in slices.items():
        kept: list[FrameHeader] = []
        for frame in phases:
            moment = (frame.trigger_ms, frame.temporal, frame.dimension)
            twins = [one for one in kept if (one.trigger_ms, one.temporal, one.dimension) == moment]
            if not any(same_pixels(frame, one) for one in twins):
                kept.append(frame)
        found[place], left_out = kept, left_out + len(phases) - len(kept)
    if not left_out:
        return found, ()
    word = "image is there twice and is" if left_out == 1 else "images are there twice and are"
    return found, (f"{left_out} {word} taken once",)


def in_time(folder: Path, phases: Sequence[FrameHeader]) -> list[FrameHeader]:
    """The phases of one slice in the order of time; raises InputError if nothing tells them apart."""
    key, _ = _phase_key(folder, [list(phases)])
    return sorted(phases, key=key)


def _is_mapping(frames: Sequence[FrameHeader], phases: int) -> bool:
    """Several echo or inversion times: relaxation maps have as many images per slice as a short film."""
    for values in ({frame.inversion_ms for frame in frames}, {frame.echo_ms for frame in frames}):
        if len(values - {None}) >= min(phases, 3):
            return True
    return False


def _phase_key(
    folder: Path, slices: Sequence[Sequence[FrameHeader]]
) -> tuple[Callable[[FrameHeader], Any], tuple[str, ...]]:
    """What orders the phases: the first header value that tells them apart in every slice, and a note."""
    first = slices[0][0]
    dimensions = [
        (lambda frame, n=n: frame.dimension[n] if n < len(frame.dimension) else None)
        for n in range(len(first.dimension))
    ]
    trusted = (lambda frame: frame.trigger_ms, lambda frame: frame.temporal, *dimensions)
    for key in trusted:
        if all(_tells_apart(key, phases) for phases in slices):
            return key, ()

    def taken_as(frame: FrameHeader) -> float | None:
        return frame.instance_number or None

    if first.frames == 1 and all(_tells_apart(taken_as, phases) for phases in slices):
        return taken_as, ("no trigger times tell the phases apart; they are ordered by instance number",)
    problem = (
        f"the {len(slices[0])} images of a slice cannot be put in order: neither TriggerTime nor "
        "TemporalPositionIdentifier nor InstanceNumber tells them apart"
    )
    raise InputError(folder, problem, "export the cine again, or give it as a 4D NIfTI file")


def _tells_apart(key: Callable[[FrameHeader], float | None], phases: Sequence[FrameHeader]) -> bool:
    values = [key(frame) for frame in phases]
    return None not in values and len(set(values)) == len(values)
