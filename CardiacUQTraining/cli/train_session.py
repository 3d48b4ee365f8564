"""From an order to a finished training: checks before any work, cases read once, the run watched."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer
from lightning_fabric import Fabric

from CardiacUQLib.base.threads import use_threads
from CardiacUQLib.inference.device import choose_device

from ..datasets import LabelledDataset, open_dataset
from ..datasets.check import training_cases
from ..datasets.held import read_once
from ..training.asked import ASKED, COMMAND, Asked
from ..training.loop import StopRequest
from ..training.page import FOLDS, PLANNED, SKIPPED
from ..training.planner import AnyRecipe
from ..training.preparation import Prepared, prepare
from ..training.ranks import Ranks, launch_fabric
from ..training.run import check_recipe, check_shares, method_of, train_run
from ..training.run_folder import RunFolder
from ..training.warm_start import WarmStart, earlier_training
from .progress import shown_progress
from .train_plan import cases_lines, plan_lines
from .train_watch import Watch, Words


@dataclass(frozen=True)
class Order:
    """What shall be trained into which run, and how much is said of it; ``dry`` trains nothing."""

    run: RunFolder
    asked: Asked
    recipe: AnyRecipe
    words: Words
    resume: bool
    dry: bool

    @property
    def begun(self) -> bool:
        """Whether the run goes on instead of beginning."""
        return self.resume and self.run.record.exists()


def carry_out(order: Order, stop: StopRequest) -> bool:
    """Check everything that needs no pixel, read the cases, and train; False if it was stopped."""
    began, asked = time.monotonic(), order.asked
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # says the precision in every process
    use_threads(asked.threads or 0)
    listed = open_dataset(asked.dataset, None if asked.data is None else Path(asked.data), complete=False)
    listed = training_cases(listed)
    check_recipe(order.recipe, listed)
    start = None if asked.start_from is None else WarmStart(earlier_training(asked.start_from))
    fabric = launch_fabric(choose_device(asked.device), order.recipe.precision)
    ranks = Ranks(fabric)
    if asked.hours is None:
        ranks.agree(lambda: check_shares(method_of(order.recipe).stages(), ranks.count))
    if not ranks.leads:
        order = replace(order, words=Words(quiet=True))
    cases, left_out = _read(listed, order.words, leads=ranks.leads)
    measured = order.dry or not (order.begun or stop or ranks.count > 1)
    wanted = replace(asked, hours=None) if order.begun else asked
    prepared = prepare(fabric, order.recipe, cases, wanted, measured=measured, began=began)
    if not order.words.quiet and (order.dry or not order.begun):
        lines = [*cases_lines(cases, left_out if order.dry else ()), *plan_lines(prepared, ranks.count)]
        typer.echo("\n".join([*lines, f"command   {asked.command(order.run.path)}"]))
    if order.dry:
        typer.echo("Nothing was trained or written.")
        return True
    return _run(fabric, order, cases, prepared, start, stop, left_out)


def _read(listed: LabelledDataset, words: Words, *, leads: bool) -> tuple[LabelledDataset, list[str]]:
    """The usable cases, read into memory, and a line for each that is left out."""
    left_out: list[str] = []
    with shown_progress(lines=False, quiet=words.quiet) as bar:
        cases = read_once(listed, left_out.append, lambda n, of: bar(n / max(1, of), f"reading {n}/{of}"))
    for line in left_out if leads else ():
        typer.echo(f"cardiacuq: {line}", err=True)
    return cases, left_out


def _run(
    fabric: Fabric,
    order: Order,
    cases: LabelledDataset,
    prepared: Prepared,
    start: WarmStart | None,
    stop: StopRequest,
    left_out: Sequence[str],
) -> bool:
    asked, run = order.asked, order.run
    notes = {
        ASKED: asked.as_json(),
        COMMAND: asked.command(run.path),
        FOLDS: list(prepared.folds),
        PLANNED: list(prepared.lines),
        SKIPPED: list(left_out),
    }
    watch = Watch(run, prepared.recipe.stages(), prepared.folds, prepared.costs, order.words)
    with watch.shown():
        finished = train_run(
            fabric,
            run,
            prepared.recipe,
            cases,
            prepared.folds,
            resume=order.resume,
            stop=stop,
            report=watch.epoch,
            start=start,
            crops=prepared.crops,
            notes=notes,
            tick=watch.tick,
        )
    if Ranks(fabric).leads:
        watch.draw("finished" if finished else "stopped")
        if not order.words.quiet:
            typer.echo(_last_words(run, finished=finished))
    return finished


def _last_words(run: RunFolder, *, finished: bool) -> str:
    if finished:
        return f"finished, see {run.path / 'run.html'}; next: cardiacuq export {run.path} -o BUNDLE"
    return f"stopped, everything is saved; go on with: cardiacuq train -o {run.path} --resume"
