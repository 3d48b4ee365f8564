"""The cases of a cohort in the order in which they need a human: what ``cohort.csv`` lists and is there."""

from __future__ import annotations

import csv
import io
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..base.errors import InputError
from ..base.json_file import read_text
from ..base.spreadsheet import text_of
from ..cases.casefolder import CASE_FILE
from ..cases.measures_schema import read_measures
from .stamp import Stamp, stamp_in

TABLE = "cohort.csv"
_PHASES = ("ED", "ES")
_SEGMENTED = "done"


@dataclass(frozen=True)
class QueuedCase:
    """One case folder of a queue; ``headline`` and ``flags`` are the words of the table, "" without one."""

    folder: Path
    headline: str = ""
    flags: str = ""

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def stamp(self) -> Stamp | None:
        """The review of the case as far as it was published, read from the disk now; None without one."""
        try:
            return stamp_in(read_measures(self.folder))
        except InputError:
            return None

    @property
    def done(self) -> bool:
        """True if every stop of the case has been decided."""
        stamp = self.stamp
        return stamp is not None and stamp.decided >= stamp.items


def read_queue(path: str | Path) -> tuple[QueuedCase, ...]:
    """The cases of ``cohort.csv`` (the file or its folder) in its order, cine studies phase by phase.

    A folder without the table gives its case folders by name. Failed and skipped rows, and rows whose
    folder is no longer there, are left out. Raises :class:`InputError` if nothing is left.
    """
    path = Path(path)
    table = path / TABLE if path.is_dir() else path
    if table.is_file():
        cases = _from_table(table)
    elif path.is_dir():
        cases = tuple(QueuedCase(found.parent) for found in sorted(path.glob(f"*/{CASE_FILE}")))
    else:
        raise InputError(path, "is not there", f"give {TABLE} of a cohort, or a folder of case folders")
    if not cases:
        raise InputError(path, "lists no case that is there", "give the folder that cardiacuq segment wrote")
    return cases


def next_open_case(
    cases: Sequence[QueuedCase], after: int = -1, reviewed: Container[Path] = ()
) -> int | None:
    """Index of the first case behind ``after`` that is not reviewed to the end, from the start again if
    need be; None if all are. ``reviewed`` are folders that are known to be, written or not."""
    order = [*range(after + 1, len(cases)), *range(after + 1)]
    still = (index for index in order if cases[index].folder not in reviewed and not cases[index].done)
    return next(still, None)


def _from_table(table: Path) -> tuple[QueuedCase, ...]:
    remedy = "give the table that cardiacuq segment has written"
    text = read_text(table, remedy)
    try:
        rows = [row for row in csv.DictReader(io.StringIO(text, "")) if row.get("state") == _SEGMENTED]
    except csv.Error as error:
        raise InputError(table, f"cannot be read ({error})", remedy) from error
    return tuple(
        QueuedCase(folder, row.get("headline") or "", row.get("flags") or "")
        for row in rows
        for folder in _folders(table.parent, text_of(row.get("case") or ""))
    )


def _folders(out: Path, name: str) -> list[Path]:
    """The case folder of a row, or those of the two phases of a cine; a name never leaves ``out``."""
    if not name or Path(name).name != name or name in (".", ".."):
        return []
    candidates = [out / name, *(out / f"{name}_{phase}" for phase in _PHASES)]
    return [folder for folder in candidates if (folder / CASE_FILE).is_file()]
