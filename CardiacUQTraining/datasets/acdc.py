"""ACDC's own layout: ``patientXXX/Info.cfg`` with ED and ES frames and their ``_gt`` files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.bundles.classes import CINE_CLASSES
from CardiacUQLib.images.phase_pairs import info_lines
from CardiacUQLib.review.export import PHASES_KEY

from .case import LabelledCase, LabelledDataset, require_pair

LABELS = {0: 0, 1: 1, 2: 2, 3: 3}
PHASES = ("ED", "ES")


def acdc_dataset(folder: Path) -> LabelledDataset:
    """Two cases per patient, ``patientXXX_ED`` and ``patientXXX_ES``; the group is the pathology.

    Where ``Info.cfg`` has a line ``Phases``, as exported reviews have, only those phases are cases.
    Raises :class:`InputError` naming the patient whose ``Info.cfg`` is missing, incomplete or names a
    frame that is absent.
    """
    cases: list[LabelledCase] = []
    for patient in sorted(p for p in folder.glob("patient*") if p.is_dir()):
        info = read_info(patient / "Info.cfg")
        for phase in phases_of(info):
            stem = f"{patient.name}_frame{int(info[phase]):02d}"
            image, label = patient / f"{stem}.nii.gz", patient / f"{stem}_gt.nii.gz"
            require_pair(image, label)
            cases.append(
                LabelledCase(
                    f"{patient.name}_{phase}", info["Group"], image, label, LABELS, patient.name, phase
                )
            )
    if not cases:
        raise InputError(folder, "holds no ACDC patient", "expected patientXXX/Info.cfg with its frames")
    return LabelledDataset("acdc", CINE_CLASSES, tuple(cases))


def read_info(path: Path) -> dict[str, str]:
    """``key: value`` lines of Info.cfg; ED, ES (frame numbers) and Group must be there."""
    patient = path.parent.name
    try:
        info = info_lines(path.read_text(encoding="utf-8"))
    except OSError:
        remedy = "every ACDC patient has an Info.cfg with the lines ED, ES and Group"
        raise InputError(path, f"is missing, so the frames of {patient} are unknown", remedy) from None
    for key in (*phases_of(info), "Group"):
        value = info.get(key, "")
        if not value or (key in PHASES and not value.isdigit()):
            raise InputError(path, f"has no usable line {key} for {patient}", f"expected `{key}: ...`")
    if not phases_of(info):
        raise InputError(path, f"names no phase of {patient}", "expected `Phases: ED, ES` or one of them")
    return info


def phases_of(info: Mapping[str, str]) -> tuple[str, ...]:
    """Phases of a patient: those that a line ``Phases`` names, else both."""
    if PHASES_KEY not in info:
        return PHASES
    named = {phase.strip() for phase in info[PHASES_KEY].split(",")}
    return tuple(phase for phase in PHASES if phase in named)
