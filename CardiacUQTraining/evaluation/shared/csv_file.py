"""Figures as CSV for spreadsheets and statistics programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from CardiacUQLib.base.safe_files import write_whole
from CardiacUQLib.base.spreadsheet import cell


def write_csv(lines: Sequence[Mapping[str, Any]], path: Path, first: str) -> None:
    """One row per line with every column that any of them has; ``first`` heads a table without lines."""
    text = io.StringIO()
    columns = list(dict.fromkeys(column for line in lines for column in line))
    writer = csv.DictWriter(text, columns or [first])
    writer.writeheader()
    for line in lines:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else cell(v) for k, v in line.items()})
    write_whole(path, text.getvalue())
