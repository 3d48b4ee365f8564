"""Tables that people open in a spreadsheet: no text in them is a formula; tables that a spreadsheet wrote."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

_SEPARATORS = ",;\t"
"""What parts the columns: the first of these that the line of the names has. Where numbers have a decimal
comma spreadsheets write semicolons."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "'")
"""What a cell begins with that a spreadsheet computes, in narrow and wide letters, and our own mark."""


def cell(value: Any) -> Any:
    """``value`` for a CSV; a text that would be computed gets an apostrophe before it. Numbers stay."""
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA) else value


def text_of(cell_text: str) -> str:
    """Inverse of :func:`cell` for text."""
    return cell_text[1:] if cell_text.startswith("'") else cell_text


def read_table(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Names of the columns, in small letters, and the rows by them of a CSV file that somebody wrote.

    Raises OSError, and csv.Error for what is no table.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise csv.Error('its letters are not UTF-8: save it as "CSV UTF-8"') from None
    first = text.lstrip().partition("\n")[0]
    separator = next((mark for mark in _SEPARATORS if mark in first), _SEPARATORS[0])
    names, *rows = [row for row in csv.reader(io.StringIO(text, ""), delimiter=separator) if row] or [[]]
    columns = tuple(name.strip().lower() for name in names)
    return columns, [dict(zip(columns, row, strict=False)) for row in rows]
