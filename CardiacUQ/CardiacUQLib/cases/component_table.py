"""``components.csv``: one row per component of the Discrete Correction Map.

The columns ``slice_from`` and ``slice_to`` number slices from 1, as every page does. Older tables call them
``first_slice`` and ``last_slice`` and count from 0; they are read as well.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..base.errors import InputError
from ..base.json_file import read_text
from ..images.slice_number import slice_index, slice_number
from ..inference.result import Component

_SEGMENT_AGAIN = "segment the image again"
_COLUMNS = (
    "id",
    "from",
    "to",
    "voxels",
    "volume_mm3",
    "slice_from",
    "slice_to",
    "centroid_r",
    "centroid_a",
    "centroid_s",
    "mean_scs",
    "max_scs",
    "priority",
)
_SLICES = ("slice_from", "slice_to")
_OLDER = {"slice_from": "first_slice", "slice_to": "last_slice"}
_OLDER_COLUMNS = tuple(_OLDER.get(name, name) for name in _COLUMNS)
_INTEGER_COLUMNS = frozenset(_COLUMNS[:4] + _COLUMNS[5:7])


def components_to_csv(components: Sequence[Component]) -> str:
    """The table as CSV text; numbers are written so that they come back exactly."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for c in components:
        values = [getattr(c, f.name) for f in fields(Component)]
        position = [f.name for f in fields(Component)].index("centroid_ras")
        values[position : position + 1] = c.centroid_ras
        values = [slice_number(v) if n in _SLICES else v for n, v in zip(_COLUMNS, values, strict=True)]
        writer.writerow(
            [
                int(v) if n in _INTEGER_COLUMNS else repr(float(v))
                for n, v in zip(_COLUMNS, values, strict=True)
            ]
        )
    return text.getvalue()


def read_components(path: Path) -> tuple[Component, ...]:
    """The components of a ``components.csv``; raises InputError if it is damaged."""
    lines = read_text(path, _SEGMENT_AGAIN).splitlines()
    try:
        rows = list(csv.reader(lines))
        if not rows or tuple(rows[0]) not in (_COLUMNS, _OLDER_COLUMNS):
            raise InputError(path, "its columns are not those of a case folder", _SEGMENT_AGAIN)
        from_one = tuple(rows[0]) == _COLUMNS
        return tuple(_component(row, from_one=from_one) for row in rows[1:] if row)
    except (ValueError, csv.Error) as error:
        raise InputError(path, f"it cannot be read ({error})", _SEGMENT_AGAIN) from None


def _component(row: Sequence[str], *, from_one: bool) -> Component:
    values: list[Any] = [
        int(text) if column in _INTEGER_COLUMNS else float(text)
        for column, text in zip(_COLUMNS, row, strict=True)
    ]
    if from_one:
        values[5:7] = [slice_index(number) for number in values[5:7]]
    fields: list[Any] = [*values[:7], tuple(values[7:10]), *values[10:]]
    return Component(*fields)
