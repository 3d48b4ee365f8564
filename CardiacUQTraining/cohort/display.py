"""How a cohort shows its progress: a bar, plain lines, or one JSON object per line for schedulers."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from CardiacUQLib.base.duration import duration
from CardiacUQLib.base.json_codec import to_plain
from CardiacUQLib.base.progress import ProgressCallback, ignore_progress

from .case import Row, State

if TYPE_CHECKING:
    from rich.progress import Progress


CANCELLED = "cancelled"
"""The problem of a run that was interrupted."""


@dataclass(frozen=True)
class Standing:
    """How far a cohort is: ``total`` cases, ``kept`` of them from an earlier run."""

    total: int
    kept: int
    done: int = 0
    failed: int = 0
    seconds: float = 0.0

    @property
    def ended(self) -> int:
        """Cases with an outcome, kept ones included."""
        return self.kept + self.done + self.failed

    @property
    def per_minute(self) -> float:
        """Cases per minute of this run."""
        return 60.0 * (self.done + self.failed) / self.seconds if self.seconds > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds to the end at this speed; None before the first case."""
        rate = self.per_minute
        return 60.0 * (self.total - self.ended) / rate if rate else None

    def words(self) -> str:
        """Speed, failures and time left for people."""
        left = "" if self.left_s is None else f", {duration(self.left_s)} left"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.ended}/{self.total} cases{failed}, {self.per_minute:.1f} per minute{left}"


class Display(Protocol):
    """Told of every step of a cohort."""

    def began(self, standing: Standing, skipped: int) -> None:
        """The plan stands."""

    def case(self, row: Row, standing: Standing) -> None:
        """A case has ended."""

    def ended(self, standing: Standing, problem: str) -> None:
        """The run is over; ``problem`` says in one line why not every case has an outcome."""


class Lines:
    """Plain lines: one per finished case on standard output, one per failed one on standard error."""

    def __init__(self, out: Path, *, quiet: bool) -> None:
        self._out, self._quiet = out, quiet

    def began(self, standing: Standing, skipped: int) -> None:
        """Say what was already there and what is left out."""
        if not self._quiet and (standing.kept or skipped):
            print(
                f"{standing.total} cases, {standing.kept} of them finished before, {skipped} inputs skipped",
                flush=True,
            )

    def case(self, row: Row, standing: Standing) -> None:
        """One line per case."""
        if row.state is State.FAILED:
            _complain(row.reason)
            return
        if row.export_problem:
            _complain(f"{row.name}: {row.export_problem}")
        if not self._quiet:
            print(f"{row.name}: {summary(row)}; see {self._out / (row.report or row.name)}", flush=True)

    def ended(self, standing: Standing, problem: str) -> None:
        """How many failed, and why the run ended before its end."""
        if standing.failed:
            _complain(f"{standing.failed} of {standing.total} inputs failed")
        _tell(problem)


def _tell(problem: str) -> None:
    """Why a run ended before its end, unless the command says so itself."""
    if problem and problem != CANCELLED:
        _complain(problem)


def _complain(line: str) -> None:
    print(f"cardiacuq: {' '.join(line.split())}", file=sys.stderr, flush=True)


class Bar(Lines):
    """A live bar on the terminal; failures stay visible above it."""

    def __init__(self, out: Path, progress: Progress) -> None:
        super().__init__(out, quiet=True)
        self._progress = progress
        self._task = progress.add_task("starting", total=1.0)

    def began(self, standing: Standing, skipped: int) -> None:
        """Show the number of cases."""
        self._progress.update(self._task, total=max(1, standing.total), completed=standing.kept)

    def case(self, row: Row, standing: Standing) -> None:
        """Move on by one case."""
        if row.state is State.FAILED:
            self._progress.console.print(f"cardiacuq: {row.reason}", markup=False, highlight=False)
        elif row.export_problem:
            line = f"cardiacuq: {row.name}: {row.export_problem}"
            self._progress.console.print(line, markup=False, highlight=False)
        self._progress.update(self._task, completed=standing.ended, description=standing.words())


class JsonLines:
    """One JSON object per line on standard output: "start", "case" (the whole row), "end"."""

    def began(self, standing: Standing, skipped: int) -> None:
        """What is to be done."""
        self._print({"event": "start", "cases": standing.total, "kept": standing.kept, "skipped": skipped})

    def case(self, row: Row, standing: Standing) -> None:
        """The whole row and how far the run is."""
        left = None if standing.left_s is None else round(standing.left_s)
        far = {"ended": standing.ended, "per_minute": round(standing.per_minute, 2), "left_s": left}
        self._print({"event": "case", **far, **to_plain(row)})

    def ended(self, standing: Standing, problem: str) -> None:
        """The count of every outcome; a problem also on standard error, where its exit code is looked up."""
        counts = {"done": standing.done, "kept": standing.kept, "failed": standing.failed}
        left = standing.total - standing.ended
        rate = round(standing.per_minute, 2)
        self._print({"event": "end", **counts, "left": left, "per_minute": rate, "problem": problem})
        _tell(problem)

    def _print(self, content: dict[str, Any]) -> None:
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        print(json.dumps({"time": stamp, **content}, ensure_ascii=False), flush=True)


class WithShare:
    """Another display that also tells a progress callback the finished share of the cohort."""

    def __init__(self, inner: Display, callback: ProgressCallback) -> None:
        self._inner, self._callback = inner, callback

    def began(self, standing: Standing, skipped: int) -> None:
        """The share that is already there."""
        self._inner.began(standing, skipped)
        self._callback(standing.ended / max(1, standing.total), standing.words())

    def case(self, row: Row, standing: Standing) -> None:
        """The new share."""
        self._inner.case(row, standing)
        self._callback(standing.ended / max(1, standing.total), standing.words())

    def ended(self, standing: Standing, problem: str) -> None:
        """Nothing more."""
        self._inner.ended(standing, problem)


def summary(row: Row) -> str:
    """A finished case in one line: the headline, or the volumes, and what to look at."""
    volumes = ", ".join(
        f"{key.removesuffix('_volume_ml').replace('_', ' ')} {value:.1f} ml"
        for key, value in row.measures.items()
        if value is not None and key.endswith("_volume_ml")
    )
    count = int(row.uncertainty.get("regions") or 0)
    places = f"{count} place{'s' * (count != 1)} to look at" if count else "no place to look at"
    word = [f"{row.verdict.capitalize()}: {row.verdict_reason}"] if row.verdict else []
    return "; ".join([*word, row.headline or volumes, places, *row.flags])


@contextlib.contextmanager
def shown(
    out: Path, *, quiet: bool = False, json_lines: bool = False, callback: ProgressCallback = ignore_progress
) -> Iterator[Display]:
    """The display for the length of a run: JSON lines, a bar on a terminal, else plain lines."""
    if json_lines:
        yield JsonLines()
    elif callback is not ignore_progress:
        yield WithShare(Lines(out, quiet=True), callback)
    elif quiet or not sys.stderr.isatty():
        yield Lines(out, quiet=quiet)
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            yield Bar(out, progress)


def stopwatch() -> Callable[[], float]:
    """A function that tells the seconds since now."""
    start = time.perf_counter()
    return lambda: time.perf_counter() - start
