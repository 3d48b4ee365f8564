"""M&Ms's own layout: a CSV that names ED and ES frames of 4D images, and 4D label files.

Its label values 1 and 3 are swapped against ACDC's: 1 is the LV, 3 the RV.
"""

from __future__ import annotations

import csv
from pathlib import Path

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.bundles.classes import CINE_CLASSES
from CardiacUQLib.images.cine import read_cine
from CardiacUQLib.images.labels import read_labels

from .case import LabelledCase, LabelledDataset, require_pair

LABELS = {0: 0, 1: 3, 2: 2, 3: 1}
PHASES = ("ED", "ES")
COLUMNS = ("External code", "Pathology", "ED", "ES")


def mnms_dataset(folder: Path) -> LabelledDataset:
    """Two cases per subject of the CSV that has a labelled folder below ``folder``.

    Raises :class:`InputError` for a missing CSV or column, a missing file, or a frame number beyond
    the image, each naming the subject.
    """
    table = _table(folder)
    folders = {p.name: p for p in folder.rglob("*") if p.is_dir()}
    cases: list[LabelledCase] = []
    for row in table:
        code = row["External code"]
        if code not in folders:
            continue  # the CSV lists all subjects of the challenge, a download may hold a part
        image, label = folders[code] / f"{code}_sa.nii.gz", folders[code] / f"{code}_sa_gt.nii.gz"
        require_pair(image, label)
        cases += [_case(row, code, phase, image, label) for phase in PHASES]
    if not cases:
        raise InputError(
            folder, "holds no M&Ms subject", "expected CODE/CODE_sa.nii.gz with CODE_sa_gt.nii.gz"
        )
    return LabelledDataset("mnms", CINE_CLASSES, tuple(cases))


def _table(folder: Path) -> list[dict[str, str]]:
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise InputError(
            folder, "has no CSV of ED and ES frames", "put the challenge's information CSV there"
        )
    with files[0].open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    missing = [name for name in COLUMNS if not rows or name not in rows[0]]
    if missing:
        raise InputError(files[0], f"has no column {missing[0]!r}", f"expected {', '.join(COLUMNS)}")
    return rows


def _case(row: dict[str, str], code: str, phase: str, image: Path, label: Path) -> LabelledCase:
    number = row[phase]
    if not number.strip().isdigit():
        raise InputError(
            image, f"has no {phase} frame number in the CSV for {code}", "expected a whole number"
        )
    frame = int(number)

    def load() -> tuple:
        volume = read_cine(image).frame(frame)
        return volume, case.translate(read_labels(label, volume, frame))

    case = LabelledCase(f"{code}_{phase}", row["Pathology"], image, label, LABELS, code, phase, load)
    return case
