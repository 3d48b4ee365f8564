"""The film behind a phase of a cine study: its frames in the order of the file, read when first shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.cases.casefolder import CaseFolder
from CardiacUQLib.cases.study_record import phase_of, study_of
from CardiacUQLib.images.cine import read_cine
from CardiacUQLib.images.film import Cine


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


def find_film(case: CaseFolder) -> Film | None:
    """The film that ``NAME_cine.json`` beside the case names; None without one, or if it is not there."""
    phase = phase_of(case.folder)[1]
    try:
        study = study_of(case)
    except InputError:
        return None
    if study is None or not study.frames or not study.input:
        return None
    film = Film(Path(study.input), study.input_sha256, dict(study.frames), study.frame_count, phase)
    return film if film.path.exists() else None


def frame_codes(film: Cine, low: float, step: float) -> np.ndarray:
    """All frames (t, k, j, i) as uint16 in the grey scale of the case."""
    return np.clip(np.rint((film.stored - low) / step), 0, 65535).astype("<u2")
