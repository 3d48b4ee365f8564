"""``components.csv``: one row per component of the Discrete Correction Map."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..base.errors import InputError
from ..base.json_file import read_text
from ..inference.result import Component

_SEGMENT_AGAIN = "segment the image again"
_COLUMNS = (
    "id",
    "from",
    "to",
    "voxels",
    "volume_mm3",
    "first_slice",
    "last_slice",
    "centroid_r",
    "centroid_a",
    "centroid_s",
    "mean_scs",
    "max_scs",
    "priority",
)
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
        if not rows or tuple(rows[0]) != _COLUMNS:
            raise InputError(path, "its columns are not those of a case folder", _SEGMENT_AGAIN)
        return tuple(_component(row) for row in rows[1:] if row)
    except (ValueError, csv.Error) as error:
        raise InputError(path, f"it cannot be read ({error})", _SEGMENT_AGAIN) from None


def _component(row: Sequence[str]) -> Component:
    values: list[Any] = [
        int(text) if column in _INTEGER_COLUMNS else float(text)
        for column, text in zip(_COLUMNS, row, strict=True)
    ]
    fields: list[Any] = [*values[:7], tuple(values[7:10]), *values[10:]]
    return Component(*fields)
