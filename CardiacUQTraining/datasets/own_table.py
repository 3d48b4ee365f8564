"""Somebody's own cases: a YAML file that says what the labels mean and lists them, or names a CSV.

    labels: {0: background, 1: LV cavity, 2: myocardium, 7: scar}     # value in the file: name of the class
    name: our scans of 2024                                           # both go into bundles trained on it
    licence: ours, research only
    cases:                                                            # or  cases: cases.csv
      - {image: p01/lge.nii.gz, label: p01/seg.nii.gz, group: scar}
      - {image: p02/lge.nii.gz, label: p02/seg.nii.gz, group: normal, exclude: motion}

Columns: image, label, and as wished id, group (folds are balanced over it), patient, phase (ED, ES), split
(train, test), exclude (the reason). Paths count from the folder of the file.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.base.spreadsheet import read_table
from CardiacUQLib.images.volume import case_name

from .case import LabelledCase, LabelledDataset, require_pair
from .class_names import Translation, translate

FORM = "see Docs/own-data.md for the form of the file"


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    image: str
    label: str
    id: str = ""
    group: str = ""
    patient: str = ""
    phase: str = ""
    split: str = ""
    exclude: str = ""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    labels: dict[int, str] = Field(min_length=2)
    cases: str | list[_Row]
    name: str = ""
    licence: str = ""
    citation: str = ""


def table_dataset(path: Path, complete: bool = True) -> LabelledDataset:
    """All cases of the file that are not excluded, in its order.

    ``complete`` False also lists cases that lack a file; reading them then raises InputError. Raises
    :class:`InputError` for a file that is not of the form, and for two cases of one id.
    """
    table = _read(path)
    rows = table.cases if isinstance(table.cases, list) else _read_csv(path.parent / table.cases)
    translation = translate(table.labels, path)
    cases: dict[str, LabelledCase] = {}
    for row in rows:
        if row.exclude.strip().lower() not in ("", "no", "0", "false"):
            continue
        case = _case(row, path.parent, translation)
        if complete:
            require_pair(case.image_path, case.label_path)
        if case.id in cases:
            raise InputError(path, f"has two cases called '{case.id}'", "give every case an id of its own")
        cases[case.id] = case
    if not cases:
        raise InputError(path, "lists no case that is not excluded", FORM)
    citation = table.citation or table.name
    return LabelledDataset("table", translation.classes, tuple(cases.values()), citation, table.licence)


def _case(row: _Row, folder: Path, translation: Translation) -> LabelledCase:
    image = folder / row.image
    name = row.id or _unique_name(image, row)
    return LabelledCase(
        name,
        row.group or "all",
        image,
        folder / row.label,
        translation.label_map,
        row.patient,
        row.phase,
        merged=translation.merged,
        split=row.split,
    )


def _unique_name(image: Path, row: _Row) -> str:
    """Files are often called alike in folders of their own: the folder then belongs to the name."""
    own = case_name(image)
    return f"{image.parent.name}_{own}" if len(Path(row.image).parts) > 1 else own


def _read(path: Path) -> _Table:
    import yaml

    try:
        content: Any = yaml.safe_load(path.read_text("utf-8"))
        return _Table.model_validate(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problem = " ".join(str(error).split())[:160]
        raise InputError(path, f"cannot be read as YAML ({problem})", FORM) from error
    except ValidationError as error:
        raise InputError(path, _first_problem(error), FORM) from error


def _read_csv(path: Path) -> Sequence[_Row]:
    try:
        return [_Row.model_validate(_filled(line)) for line in read_table(path)[1]]
    except (OSError, csv.Error) as error:
        raise InputError(
            path, f"cannot be read ({error})", "a CSV with the columns image and label"
        ) from error
    except ValidationError as error:
        raise InputError(path, _first_problem(error), FORM) from error


def _filled(line: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in line.items() if name and value}


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "the whole"
    return f"{place}: {first['msg'].lower()}"
