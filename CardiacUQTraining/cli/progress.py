"""How a subcommand shows its progress: a bar on a terminal, Slicer's lines on request, else nothing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from CardiacUQLib.base.progress import ProgressCallback, ignore_progress, print_filter_progress


@contextlib.contextmanager
def shown_progress(*, lines: bool, quiet: bool) -> Iterator[ProgressCallback]:
    """A progress callback for the length of one command.

    ``lines`` prints Slicer's <filter-progress> protocol on standard output. Otherwise a bar is drawn on
    standard error if that is a terminal and ``quiet`` is not asked for; it leaves no trace when done.
    """
    if lines:
        yield print_filter_progress
    elif quiet or not sys.stderr.isatty():
        yield ignore_progress
    else:
        with _bar() as callback:
            yield callback


@contextlib.contextmanager
def _bar() -> Iterator[ProgressCallback]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=1.0)
        yield lambda share, comment: progress.update(task, completed=share, description=comment)


def part_of(whole: ProgressCallback, number: int, count: int, name: str) -> ProgressCallback:
    """The progress of part ``number`` (from 0) of ``count`` equal parts as progress of the whole."""
    prefix = name if count == 1 else f"{number + 1}/{count} {name}"
    return lambda share, comment: whole((number + share) / count, f"{prefix}: {comment}")
