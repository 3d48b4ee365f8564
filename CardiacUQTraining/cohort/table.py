"""``cohort.csv``: one line per input, those that need a human first."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from CardiacUQLib.base.safe_files import write_whole
from CardiacUQLib.base.spreadsheet import cell
from CardiacUQLib.uncertainty.verdict import Word

from .case import Row, State
from .features import UNCERTAINTIES
from .flags import outliers

TABLE = "cohort.csv"
_FIRST = (
    "rank",
    "case",
    "state",
    "reason",
    "verdict",
    "verdict_reason",
    "flags",
    "stands_out_by",
    "headline",
    "review",
)
_LAST = (
    "seconds", "peak_memory_mb", "tries", "report", "source", "series", "bundle", "options", "warnings",
    "worker", "finished", "input_sha256", "bundle_sha256",
)  # fmt: skip
_URGENCY = {Word.REDO.value: 0, Word.CHECK.value: 1, Word.TRUST.value: 3}
DOUBTS = ("risk", *UNCERTAINTIES.values())
"""The case-level uncertainties by preference; the first one known orders the cases."""


def in_order_of_need(rows: Iterable[Row]) -> list[Row]:
    """Failed cases first, then by verdict (redo, check, trust) and falling risk; skipped ones last.

    Cases of bundles that give no verdict come after "check", flagged ones, outliers and the rest by falling
    uncertainty: what stands out of its cohort need not be badly segmented. Cases reviewed to the end need
    nobody any more and come last of them.
    """
    rows = list(rows)
    apart = outliers(rows)
    states = {State.FAILED: 0, State.DONE: 1, State.PENDING: 2, State.SKIPPED: 3}

    def need(row: Row) -> tuple[object, ...]:
        strange = 0 if row.verdict else len(row.flags) + min(1, len(apart.get(row.name, ())))
        urgency = _URGENCY.get(row.verdict, 2)
        return (states[row.state], row.reviewed, urgency, -strange, -(doubt(row) or 0.0), row.name)

    return sorted(rows, key=need)


def doubt(row: Row) -> float | None:
    """The case-level uncertainty that orders the cases; None if there is none."""
    return next((v for key in DOUBTS if (v := row.uncertainty.get(key)) is not None), None)


def write_table(rows: Sequence[Row], out: Path) -> Path:
    """Write ``out/cohort.csv``, whole or not at all; raises OSError if it cannot be written."""
    return write_whole(out / TABLE, as_csv(in_order_of_need(rows)))


def as_csv(rows: Sequence[Row]) -> str:
    """The rows, in the order given, as CSV with every number that any of them has."""
    apart = outliers(rows)
    numbers = dict.fromkeys(key for row in rows for key in (*row.measures, *row.uncertainty, *row.features))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [*_FIRST, *numbers, *_LAST], lineterminator="\n")
    writer.writeheader()
    for rank, row in enumerate(rows, 1):
        entry = {key: cell(value) for key, value in _entry(rank, row, apart.get(row.name, ())).items()}
        writer.writerow(entry | _numbers(row))
    return stream.getvalue()


def _entry(rank: int, row: Row, apart: Sequence[str]) -> dict[str, object]:
    return {
        "rank": rank,
        "case": row.name,
        "state": row.state.value,
        "reason": row.reason,
        "verdict": row.verdict,
        "verdict_reason": row.verdict_reason,
        "flags": "; ".join(row.flags),
        "stands_out_by": "; ".join(apart),
        "headline": row.headline,
        "review": row.review,
        "seconds": f"{row.seconds:.2f}" if row.seconds else "",
        "peak_memory_mb": f"{row.peak_memory_mb:.0f}" if row.peak_memory_mb else "",
        "tries": row.tries or "",
        "report": row.report,
        "source": row.source,
        "series": row.series,
        "bundle": row.bundle,
        "options": row.options,
        "warnings": "; ".join((*row.warnings, *([row.export_problem] if row.export_problem else []))),
        "worker": row.worker,
        "finished": row.finished,
        "input_sha256": row.input_sha256,
        "bundle_sha256": row.bundle_sha256,
    }


def _numbers(row: Row) -> dict[str, str]:
    values: Mapping[str, float | None] = {**row.measures, **row.uncertainty, **row.features}
    return {key: "" if value is None else f"{value:.6g}" for key, value in values.items()}
