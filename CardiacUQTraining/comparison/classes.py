"""What the labels of two opinions are called: names of their files, a table, or one of our own sets."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from CardiacUQLib.base.errors import InputError, UsageError
from CardiacUQLib.base.spreadsheet import read_table
from CardiacUQLib.bundles.classes import BACKGROUND, CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.bundles.manifest import ClassInfo, Code

from .labels import LabelMap, numbered_class

MOST_CLASSES = 16
SETS = {"lge": LGE_CLASSES, "cine": CINE_CLASSES}
"""Our own label sets by the name that ``--labels`` takes; they bring the measures of the heart."""

_COLUMNS = ("value", "name", "colour", "scheme", "code", "meaning")


def read_classes(choice: str) -> tuple[ClassInfo, ...]:
    """Classes of ``--labels``: "lge", "cine", or a CSV file with the columns value, name and, if wanted,
    colour (#RRGGBB), scheme, code, meaning. Raises InputError or UsageError."""
    if choice in SETS:
        return SETS[choice]
    path = Path(choice)
    if not path.is_file():
        raise UsageError(f"--labels {choice}: give {', '.join(SETS)} or a table (value, name, colour, ...)")
    try:
        found = [_row(row) for row in read_table(path)[1]]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        columns = ", ".join(_COLUMNS)
        raise InputError(path, f"is no table of labels ({error})", f"its columns are {columns}") from None
    return _whole(found, path)


def joined(
    a: LabelMap, b: LabelMap, named: tuple[ClassInfo, ...] = ()
) -> tuple[tuple[ClassInfo, ...], np.ndarray, np.ndarray]:
    """One set of classes for both and the labels of each in it, still (k, j, i) on their own grids.

    Without ``named``, segments of both files with the same name are one class; where only one file has
    names, its numbers hold for the other too. Raises UsageError if there are too many classes, or labels
    that are none of them.
    """
    if named:
        classes = named
        return classes, _checked(a, classes), _checked(b, classes)
    if a.classes and b.classes:
        return _by_name(a, b)
    classes = a.classes or b.classes
    if not classes:
        highest = int(max(a.labels.max(initial=0), b.labels.max(initial=0), 1))
        _refuse_many(highest + 1, a, b)
        classes = numbered_classes(highest + 1)
    return _whole(classes, a.path), _checked(a, classes), _checked(b, classes)


def numbered_classes(count: int) -> tuple[ClassInfo, ...]:
    """``count`` classes that nobody has named, background included."""
    return tuple(numbered_class(value) for value in range(count))


def _by_name(a: LabelMap, b: LabelMap) -> tuple[tuple[ClassInfo, ...], np.ndarray, np.ndarray]:
    classes = list(a.classes)
    table = np.zeros(256, np.uint8)
    for info in b.classes:
        same = next((one for one in classes if one.name.casefold() == info.name.casefold()), None)
        if same is None:
            same = ClassInfo(len(classes), info.name, info.colour, info.code)
            classes.append(same)
        table[info.value] = same.value
    _refuse_many(len(classes), a, b)
    return tuple(classes), a.labels, table[b.labels]


def _refuse_many(count: int, a: LabelMap, b: LabelMap) -> None:
    if count > MOST_CLASSES:
        raise UsageError(
            f"{a.path} and {b.path} have {count} classes; at most {MOST_CLASSES} can be compared"
        )


def _checked(found: LabelMap, classes: Sequence[ClassInfo]) -> np.ndarray:
    values = {info.value for info in classes}
    if strange := sorted(set(np.unique(found.labels).tolist()) - values):
        listed = ", ".join(map(str, strange))
        raise UsageError(
            f"{found.path} has the labels {listed}, known are {', '.join(map(str, sorted(values)))}"
        )
    return found.labels


def _row(row: dict[str, str]) -> ClassInfo:
    value, name = int(row["value"]), (row["name"] or "").strip()
    colour = (row.get("colour") or row.get("color") or "").strip()
    if colour and not re.fullmatch(r"#[0-9A-Fa-f]{6}", colour):
        raise ValueError(f"{colour!r} is no colour like #0072B2")
    code = None
    if row.get("scheme") and row.get("code"):
        code = Code(row["scheme"].strip(), row["code"].strip(), (row.get("meaning") or name).strip())
    return numbered_class(value, name, colour, code)


def _whole(found: Sequence[ClassInfo], path: Path) -> tuple[ClassInfo, ...]:
    """Classes 0, 1, 2, ... without a gap; the values of masks and codes rely on it."""
    by_value = {info.value: info for info in (BACKGROUND, *found)}
    highest = max(by_value)
    if not 1 <= highest < MOST_CLASSES or len(by_value) != len({0, *(info.value for info in found)}):
        raise InputError(
            path, f"has the label {highest}", f"labels lie in 0 to {MOST_CLASSES - 1}, one row each"
        )
    return tuple(by_value.get(value) or numbered_class(value) for value in range(highest + 1))
