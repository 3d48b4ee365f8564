"""``NAME_cine.json``: what ties the two phases of a cine study together, and from which frames they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

from ..base.errors import InputError
from ..base.json_codec import Between, Count, Sha256
from ..base.json_file import decode_or_refuse, read_object
from .casefolder import CaseFolder

SUFFIX = "_cine.json"
PHASES = ("ED", "ES")
_AGAIN = "segment the cine again"
_Frame = Annotated[int, Between(0, 2**31)]


@dataclass(frozen=True)
class StudyRecord:
    """``study`` is the identity that both case folders carry, empty in studies of earlier versions;
    ``frames`` count from 0, none for two scans; ``cavity_ml`` is the volume of the cavity in every frame of
    the film, None where it could not be used."""

    OPEN_ENDED: ClassVar[bool] = True
    name: str
    cases: Mapping[str, str]
    study: str = ""
    frames: Mapping[str, _Frame] = field(default_factory=dict)
    frame_count: Count = 0
    cavity_ml: tuple[float | None, ...] = ()
    input: str = ""
    input_sha256: Sha256 = ""


def read_study(path: Path) -> StudyRecord:
    """The record of a study; raises InputError naming what is wrong with it."""
    record: StudyRecord = decode_or_refuse(read_object(path, _AGAIN), StudyRecord, "study", path, _AGAIN)
    if set(record.cases) != set(PHASES) or (record.frames and set(record.frames) != set(PHASES)):
        raise InputError(path, "it does not name ED and ES", _AGAIN)
    if record.cavity_ml and any(not 0 <= n < len(record.cavity_ml) for n in record.frames.values()):
        raise InputError(path, "its phases lie outside its film", _AGAIN)
    if any(Path(name).name != name or name in ("", ".", "..") for name in record.cases.values()):
        raise InputError(path, "its phases do not lie beside it", _AGAIN)
    return record


def phase_of(folder: Path) -> tuple[str, str]:
    """ "patient7", "ES" of a case folder "patient7_ES"; the phase is "" for any other."""
    stem, _, phase = folder.name.rpartition("_")
    return (stem, phase) if phase in PHASES and stem else (folder.name, "")


def study_of(case: CaseFolder) -> StudyRecord | None:
    """The study that a case belongs to, as the file beside it says; None for a case of its own.

    Raises InputError if the file is damaged, missing, or of another run.
    """
    folder = case.folder.resolve()
    stem, phase = phase_of(folder)
    path = folder.with_name(stem + SUFFIX)
    if not case.record.study and not (phase and path.is_file()):
        return None
    record = read_study(path)
    if not case.record.study and (record.study or record.cases[phase] != folder.name):
        return None  # a case of its own beside somebody's study
    if record.study != case.record.study or not phase or record.cases[phase] != folder.name:
        raise InputError(path, f"it and {folder.name} are of two runs", _AGAIN)
    return record


def check_one_study(cases: list[CaseFolder]) -> None:
    """Raise InputError unless all cases are of one run, or none says of which it is."""
    first = cases[0]
    for case in cases[1:]:
        if case.record.study != first.record.study:
            problem = f"it and {first.folder.name} are of two runs"
            raise InputError(case.folder, problem, _AGAIN)


def segmented_phase(case: CaseFolder) -> tuple[str, int] | None:
    """Phase and frame of a case that was cut out of a cine; None for any other.

    Raises InputError for a study of which this case is no longer a part.
    """
    study = study_of(case)
    phase = phase_of(case.folder.resolve())[1]
    return None if study is None or phase not in study.frames else (phase, study.frames[phase])
