"""The film behind a phase of a cine study: its frames in the order of the file, read when first shown."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.cases.casefolder import CaseFolder
from CardiacUQLib.images.cine import read_cine
from CardiacUQLib.images.film import Cine

PHASES = ("ED", "ES")


@dataclass(frozen=True)
class Film:
    """``frames`` are the numbers of ED and ES, counted from 0; ``here`` is the phase of the case itself."""

    path: Path
    sha256: str
    frames: dict[str, int]
    count: int
    here: str

    def read(self) -> Cine:
        """All frames; raises InputError if the film is gone or another one."""
        cine = read_cine(self.path)
        if cine.sha256 != self.sha256 or len(cine) != self.count:
            raise InputError(self.path, "the film was changed since it was segmented", "segment it again")
        return cine


def study_of(folder: Path) -> tuple[str, str]:
    """ "patient7", "ES" of a case folder "patient7_ES"; the phase is "" for any other."""
    stem, _, phase = folder.name.rpartition("_")
    return (stem, phase) if phase in PHASES and stem else (folder.name, "")


def find_film(case: CaseFolder) -> Film | None:
    """The film that ``NAME_cine.json`` beside the case names; None without one, or if it is not there."""
    stem, phase = study_of(case.folder)
    try:
        study = json.loads((case.folder.parent / f"{stem}_cine.json").read_text("utf-8"))
        frames = {name: int(study["frames"][name]) for name in PHASES}
        film = Film(
            Path(study["input"]), str(study["input_sha256"]), frames, int(study["frame_count"]), phase
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return film if phase and film.path.exists() else None


def frame_codes(film: Cine, low: float, step: float) -> np.ndarray:
    """All frames (t, k, j, i) as uint16 in the grey scale of the case."""
    return np.clip(np.rint((film.stored - low) / step), 0, 65535).astype("<u2")
