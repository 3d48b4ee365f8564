"""A training that one can watch: a bar with the time left, a line per epoch, the page of the run."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from CardiacUQLib.base.duration import duration

if TYPE_CHECKING:
    from rich.progress import Progress

    from ..training.cost import Costs
    from ..training.loop import StageJob
    from ..training.recipe import TrainingRecipe
    from ..training.run_folder import RunFolder

PAGE_SECONDS = 60.0
"""The page is drawn at most so often: drawing takes a second of the processor."""


@dataclass(frozen=True)
class Words:
    """How much is said: epochs when they were validated, all of them, or failures only."""

    quiet: bool = False
    verbose: bool = False


class Watch:
    """What a person sees of a training; only the leading process has one that speaks."""

    def __init__(
        self,
        run: RunFolder,
        stages: Mapping[str, TrainingRecipe],
        folds: Sequence[int],
        costs: Costs | None,
        words: Words,
    ) -> None:
        self._run, self._stages, self._words = run, stages, words
        known = {name: 1.0 if costs is None else costs.stages[name].seconds(stages[name]) for name in stages}
        self._expected = known
        self._whole = len(folds) * sum(known.values())
        self._done: dict[tuple[int, str], float] = {
            (fold, name): known[name] for fold in folds for name in stages if run.final(fold, name).exists()
        }
        self._measured = costs is not None
        self._begun: tuple[float, float] | None = None
        self._drawn = time.monotonic() - PAGE_SECONDS
        self._bar: Progress | None = None

    def tick(self, job: StageJob, step: int, total: int) -> None:
        """One optimiser step more."""
        self._done[job.fold, job.name] = self._expected[job.name] * step / total
        if self._begun is None:
            self._begun = (time.monotonic(), sum(self._done.values()))
        if self._bar is not None:
            left = self.seconds_left()
            words = f"fold {job.fold} {job.name}, step {step}/{total}"
            if left is not None:
                words += f", {duration(left)} left"
            share = sum(self._done.values()) / max(self._whole, 1e-9)
            self._bar.update(self._bar.task_ids[0], completed=min(share, 1.0), description=words)

    def seconds_left(self) -> float | None:
        """By what was measured before, corrected by how fast it goes; None before either is known."""
        if self._begun is None:
            return None
        when, had = self._begun
        seconds, work = time.monotonic() - when, sum(self._done.values())
        left = max(0.0, self._whole - work)
        if work - had < 0.01 * self._whole and self._measured:
            return left
        return left * seconds / (work - had) if work > had else None

    def epoch(self, job: StageJob, row: dict[str, float]) -> None:
        """One epoch more: a line, and the page if it is time."""
        validated = "validation_dice" in row
        if not self._words.quiet and (validated or self._words.verbose or self._bar is None):
            self._say(self._line(job, row))
        if time.monotonic() - self._drawn >= PAGE_SECONDS:
            self.draw("training")

    def _line(self, job: StageJob, row: Mapping[str, float]) -> str:
        dice = f"  validation Dice {row['validation_dice']:.3f}" if "validation_dice" in row else ""
        left = self.seconds_left()
        return (
            f"fold {job.fold} {job.name}  epoch {row['epoch']:.0f}/{job.recipe.epochs}  "
            f"loss {row['loss']:.3f}  {row['samples_per_second']:.0f}/s{dice}"
            + ("" if left is None or not self._measured else f"  {duration(left)} left")
        )

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, highlight=False, markup=False)
        else:
            typer.echo(line)

    def draw(self, state: str) -> None:
        """The page of the run as it is now; a disk that is full costs the page, not the training."""
        from ..training.page import write_run_page

        with contextlib.suppress(OSError):
            left = self.seconds_left() if state == "training" and self._measured else None
            write_run_page(self._run, state, left)
        self._drawn = time.monotonic()

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Draw the bar for the length of the training if standard error is a terminal."""
        if self._words.quiet or not sys.stderr.isatty():
            yield
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (BarColumn(), TextColumn("{task.percentage:3.0f} %"), TextColumn("{task.description}"))
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            bar.add_task("beginning", total=1.0)
            self._bar = bar
            yield
        self._bar = None
