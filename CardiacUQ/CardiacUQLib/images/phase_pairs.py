"""End-diastole and end-systole of one heart that come as two files: which two belong together.

Told by the names (``P7_ED``, ``P7_ES``), or by an ``Info.cfg`` beside them, as ACDC has it, which says the
number of each phase's frame (``P7_frame01``, ``P7_frame12``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .regular_file import is_regular
from .volume import case_name

INFO_FILE = "Info.cfg"
_LONGEST_INFO = 1_000_000
_PHASE = re.compile(
    r"(?:(?<=[_\-. ])|^)"
    r"(?:(?P<ED>ed|(?:end[_\-. ]?)?diastol(?:e|ic))|(?P<ES>es|(?:end[_\-. ]?)?systol(?:e|ic)))"
    r"(?=[_\-. ]|$)",
    re.I,
)
_FRAME = re.compile(r"^(?P<head>.*?)(?:[_\-. ]?(?:frame|phase|fr))[_\-. ]?(?P<number>\d+)$", re.I)
_EDGES = " _-."


@dataclass(frozen=True)
class PhasePair:
    """Two files of one heart, and what it is called."""

    name: str
    ed: Path
    es: Path


def pair_up(paths: Iterable[Path]) -> tuple[PhasePair, ...]:
    """The pairs among image files, each of two files in one folder; files without a partner, or with more
    than one, are in none. Only names are looked at, and an ``Info.cfg``."""
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        folders.setdefault(path.parent, []).append(path)
    return tuple(pair for folder, files in folders.items() for pair in _pairs_of(folder, files))


def pair_name(ed: Path, es: Path) -> str:
    """What the names of both phases begin with, without the ending that tells them apart; else that of the
    folder that holds them, or of end-diastole."""
    by_phase = [_by_phase(path) for path in (ed, es)]
    if by_phase[0] is not None and by_phase[1] is not None and by_phase[0][0] == by_phase[1][0]:
        return by_phase[0][0].strip(_EDGES) or case_name(ed.absolute().parent)
    first, second = case_name(ed), case_name(es)
    length = next((n for n, pair in enumerate(zip(first, second, strict=False)) if len({*pair}) > 1), None)
    head = re.sub(r"(?:[_\-. ]+(?:frame|phase|e)?|frame|phase)\d*$", "", first[:length], flags=re.I)
    return head or first


def info_lines(text: str) -> dict[str, str]:
    """The ``key: value`` lines of an ``Info.cfg``."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, colon, value in pairs if colon}


def _pairs_of(folder: Path, files: Iterable[Path]) -> list[PhasePair]:
    """By name first; what is left by the frame numbers of the ``Info.cfg``."""
    named: dict[str, dict[str, list[Path]]] = {}
    numbered: dict[str, dict[str, list[Path]]] = {}
    frames = _phase_frames(folder)
    for path in files:
        if (by_phase := _by_phase(path)) is not None:
            named.setdefault(by_phase[0].casefold(), {}).setdefault(by_phase[1], []).append(path)
        elif (match := _FRAME.match(case_name(path))) and (phase := frames.get(int(match["number"]))):
            numbered.setdefault(match["head"].casefold(), {}).setdefault(phase, []).append(path)
    pairs = []
    for phases in (*named.values(), *numbered.values()):
        ed, es = phases.get("ED", []), phases.get("ES", [])
        if len(ed) == len(es) == 1:
            pairs.append(PhasePair(pair_name(ed[0], es[0]), ed[0], es[0]))
    return pairs


def _by_phase(path: Path) -> tuple[str, str] | None:
    """The name without the one word that says the phase, and the phase; None without such a word."""
    name = case_name(path)
    found = list(_PHASE.finditer(name))
    if len(found) != 1:
        return None
    (match,) = found
    return name[: match.start()] + name[match.end() :].lstrip(_EDGES), "ED" if match["ED"] else "ES"


def _phase_frames(folder: Path) -> Mapping[int, str]:
    """Which phase a frame number is, by the folder's ``Info.cfg``; nothing if there is none of use."""
    path = folder / INFO_FILE
    try:
        if not is_regular(path) or path.stat().st_size > _LONGEST_INFO:
            return {}
        info = info_lines(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    numbers = {phase: int(info[phase]) for phase in ("ED", "ES") if info.get(phase, "").isdigit()}
    return {number: phase for phase, number in numbers.items()} if len({*numbers.values()}) == 2 else {}
