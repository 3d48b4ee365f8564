"""The lines of a CSV file as cases: one scan each, or the phases of one heart in two lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.spreadsheet import read_table
from CardiacUQLib.bundles.manifest import View
from CardiacUQLib.images.regular_file import is_regular
from CardiacUQLib.studies.options import CaseOptions

from .case import Case, safe_name

CSV_COLUMNS = ("path", "id", "bundle", "series", "device", "precision", "folds", "tta", "ed", "es", "phase")


@dataclass(frozen=True)
class _Line:
    """One line: where it stands, its phase ("" for none), its case."""

    where: str
    phase: str
    case: Case


def csv_cases(path: Path, model: Case) -> Iterator[Case]:
    """The cases of a CSV file with the columns of :data:`CSV_COLUMNS`; ``model`` gives what lines leave open.

    Raises UsageError, naming the line, for what cannot be used.
    """
    if path.exists() and not is_regular(path):
        raise UsageError(f"{path}: this is no regular file; give a CSV file")
    try:
        columns, rows = read_table(path)
    except (OSError, csv.Error) as error:
        raise UsageError(f"{path}: this is no readable CSV file ({error})") from None
    unknown = [name for name in columns if name not in CSV_COLUMNS]
    if "path" not in columns or unknown:
        problem = f'the column "{unknown[0]}" is unknown' if unknown else 'there is no column "path"'
        raise UsageError(f"{path}: {problem}; the columns are {', '.join(CSV_COLUMNS)}")
    if not rows:
        raise UsageError(f"{path}: there is no case in this CSV file; give one line per scan")
    lines = [_line(number, row, path, model) for number, row in enumerate(rows, 2)]
    pairs = _pairs([line for line in lines if line.phase])
    for line in lines:
        if line.phase != "ES":
            yield pairs[line.case.name.casefold()] if line.phase else line.case


def _line(number: int, row: dict[str, str], path: Path, model: Case) -> _Line:
    filled = {name: (text or "").strip() for name, text in row.items()}
    where, phase = f"{path}, line {number}", filled.get("phase", "").upper()
    if not filled.get("path"):
        raise UsageError(f"{where}: the path is empty; give the scan's file or folder")
    if phase not in ("", "ED", "ES"):
        raise UsageError(
            f'{where}: phase is "{filled["phase"]}"; write ED or ES, or nothing for a whole scan'
        )
    if phase and not filled.get("id"):
        raise UsageError(f"{where}: a phase needs an id; the lines of one heart have the same")
    case = Case(
        name=safe_name(filled["id"]) if filled.get("id") else "",
        source=str(path.parent / filled["path"]),
        bundle=filled.get("bundle") or model.bundle,
        options=_row_options(filled, model.options, where),
        series=filled.get("series") or model.series,
    )
    return _Line(where, phase, case)


def _pairs(lines: Sequence[_Line]) -> dict[str, Case]:
    """One case of two lines with the same id, by that id; end-diastole's gives bundle and options."""
    by_name: dict[str, dict[str, _Line]] = {}
    for line in lines:
        phases = by_name.setdefault(line.case.name.casefold(), {})
        if line.phase in phases:
            raise UsageError(f"{line.where}: {line.case.name} has another line with phase {line.phase}")
        phases[line.phase] = line
    for phases in by_name.values():
        if len(phases) < 2:
            (line,) = phases.values()
            lacking = f"{line.case.name} has no line with phase {'ES' if line.phase == 'ED' else 'ED'}"
            raise UsageError(f"{line.where}: {lacking}; give both, or no phase")
    return {
        name: replace(phases["ED"].case, es_source=phases["ES"].case.source, cine=True)
        for name, phases in by_name.items()
    }


def _row_options(row: dict[str, str], options: CaseOptions, where: str) -> CaseOptions:
    if row.get("device"):
        options = replace(options, device=row["device"])
    if row.get("precision"):
        options = replace(options, precision=row["precision"])
    if row.get("folds"):
        try:
            options = replace(
                options, folds=tuple(sorted({int(n) for n in re.split(r"[ ,;]+", row["folds"])}))
            )
        except ValueError:
            raise UsageError(f'{where}: the folds "{row["folds"]}" are no numbers; write 0 1 2') from None
    if row.get("tta"):
        if row["tta"].lower() not in ("yes", "no"):
            raise UsageError(f'{where}: tta is "{row["tta"]}"; write yes or no')
        options = replace(options, views=(View.IDENTITY,) if row["tta"].lower() == "no" else None)
    for phase in ("ed", "es"):
        if row.get(phase):
            if not row[phase].isdigit():
                raise UsageError(f'{where}: {phase} is "{row[phase]}"; write the frame, counted from 0')
            options = replace(options, **{phase: int(row[phase])})
    return options
