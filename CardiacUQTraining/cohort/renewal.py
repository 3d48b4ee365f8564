"""``cohort.csv`` and ``cohort.html`` of a finished cohort, made anew after cases were reviewed."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from CardiacUQLib.base.errors import UsageError

from .case import Row, State
from .lock import locked
from .page import write_page
from .state import read_row
from .table import TABLE, write_table


def renew_tables(out: Path, address: str = "") -> bool:
    """Write both tables of ``out`` as the case folders stand now; False if there are none, or a run has them.

    With the ``address`` of a running server the page links every case into it. Raises OSError if they
    cannot be written.
    """
    if not (out / TABLE).is_file():
        return False
    try:
        with locked(out):
            rows = read_rows(out)
            write_table(rows, out)
            write_page(rows, out, address)
    except UsageError:
        return False
    return True


def read_rows(out: Path) -> list[Row]:
    """The rows of ``cohort.csv``: finished cases from their folders, the others as the table tells them.

    Raises OSError if the table cannot be read.
    """
    with (out / TABLE).open(newline="", encoding="utf-8") as stream:
        return [_row(entry, out) for entry in csv.DictReader(stream)]


def _row(entry: Mapping[str, str], out: Path) -> Row:
    name = _said(entry, "case")
    state = State(entry.get("state") or State.PENDING)
    if state is State.DONE and Path(name).name == name:
        for folder in (out / name, out / f"{name}_ES"):
            if (row := read_row(folder)) is not None:
                return row
    return Row(
        name=name,
        state=state,
        source=_said(entry, "source"),
        reason=_said(entry, "reason"),
        series=entry.get("series") or "",
        headline=entry.get("headline") or "",
        report=entry.get("report") or "",
        tries=int(entry.get("tries") or 0),
        warnings=tuple(part for part in _said(entry, "warnings").split("; ") if part),
    )


def _said(entry: Mapping[str, str], column: str) -> str:
    return (entry.get(column) or "").removeprefix("'")
