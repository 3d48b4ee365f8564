"""The other phase of a cine study, beside the one that is reviewed: volumes and EF are those of both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from ..cases.casefolder import SEGMENTATION, read_case
from ..images.volume import Geometry
from .case_maps import CaseMaps
from .record import read_record
from .replay import labels_after

PHASES = ("ED", "ES")


@dataclass(frozen=True)
class OtherPhase:
    """Labels (z, y, x) as corrected on ``geometry``; ``changed`` if a reader has changed any."""

    phase: str
    folder: Path
    labels: np.ndarray
    geometry: Geometry
    changed: bool


def phase_of(case: CaseMaps) -> str:
    """ "ED" or "ES" for a phase of a study, "" for any other case."""
    phase = str(case.measures.get("phase", ""))
    return phase if phase in PHASES else ""


def other_phase(case: CaseMaps) -> OtherPhase | None:
    """The phase whose case folder lies beside this one; None without one that can be read."""
    phase = phase_of(case)
    if not phase or case.folder is None or not case.folder.name.endswith(f"_{phase}"):
        return None
    other = PHASES[1 - PHASES.index(phase)]
    folder = case.folder.with_name(case.folder.name.removesuffix(phase) + other)
    if not folder.is_dir():
        return None
    try:
        found = read_case(folder)
        record = read_record(folder)
        stored = found.read_stored(SEGMENTATION).astype(np.uint8)
        labels = stored if record is None else labels_after(stored, record.events, folder)
    except InputError:
        return None
    if found.classes != case.classes:
        return None
    changed = bool((labels != stored).any())
    return OtherPhase(other, folder, found.storage.from_stored(labels), found.geometry, changed)
