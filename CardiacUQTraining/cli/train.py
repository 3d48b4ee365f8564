"""``cardiacuq train``: train a model by recipe, stop at any time, resume where it stopped."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated

import typer

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.threads import use_threads
from CardiacUQLib.bundles.fold_numbers import parse_folds

from ..datasets.catalogue import dataset_help

DURATION = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>[smh]?)$")
SECONDS = {"s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
EXIT_STOPPED_BY_SIGNAL = 130


def parse_duration(text: str | None) -> float | None:
    """Seconds of ``90s``, ``9m`` or ``1.5h``; None stays None. Raises :class:`UsageError`."""
    if text is None:
        return None
    match = DURATION.match(text.strip())
    if match is None:
        raise UsageError(f"--time-limit {text}: not a duration; write for example 90s, 9m or 1.5h")
    return float(match["number"]) * SECONDS[match["unit"]]


def choose_folds(text: str | None, available: int) -> list[int]:
    """Folds to train of ``0,2``; None means all. Raises :class:`UsageError` for unknown ones."""
    folds = parse_folds(text)
    if folds is None:
        return list(range(available))
    if any(fold not in range(available) for fold in folds):
        raise UsageError(f"folds '{text}': this recipe has the folds 0 to {available - 1}")
    return list(folds)


def command(
    kind: Annotated[str, typer.Argument(help="Which method to train: cascade or streaming.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Run folder for checkpoints and logs.")],
    dataset: Annotated[str, typer.Option(help=dataset_help())] = "emidec",
    data: Annotated[Path | None, typer.Option(help="Folder of the data set, or its YAML file.")] = None,
    recipe: Annotated[
        str, typer.Option(help="A shipped recipe (cascade-small, ensemble-paper, ...) or a YAML file.")
    ] = "cascade-small",
    course: Annotated[
        int, typer.Option(min=1, help="Course of the recipe; a later one is begun with --start-from.")
    ] = 1,
    folds: Annotated[str | None, typer.Option(help="Only these folds, for example 0,1.")] = None,
    time_limit: Annotated[
        str | None, typer.Option(help="Stop in good order after this time, for example 9m.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the output folder.")
    ] = False,
    start_from: Annotated[
        str | None, typer.Option(help="Finished run, or bundle, whose weights to begin with, fold by fold.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of this process.")] = None,
) -> None:
    """Train a model by recipe; every stage can be stopped and resumed.

    Started by torchrun or srun, all processes train one model together: they share every batch.
    """
    from ..training.recipe import read_recipe

    seconds = parse_duration(time_limit)
    plan = read_recipe(recipe, course)
    if kind != plan.kind:
        raise UsageError(f"train {kind}: recipe {recipe} is for {plan.kind}; choose a recipe for {kind}")
    wanted = choose_folds(folds, plan.folds)

    from CardiacUQLib.inference.device import choose_device

    from ..datasets import open_dataset
    from ..datasets.check import training_cases, usable_cases
    from ..training.loop import StageJob, StopRequest
    from ..training.ranks import Ranks, launch_fabric
    from ..training.run import check_recipe, train_run
    from ..training.run_folder import RunFolder
    from ..training.warm_start import WarmStart, earlier_training

    use_threads(threads or 0)
    listed = training_cases(open_dataset(dataset, data, complete=False))
    check_recipe(plan, listed)
    cases = usable_cases(listed, lambda line: typer.echo(f"cardiacuq: {line}", err=True))
    fabric = launch_fabric(choose_device(device), plan.precision)
    start = None if start_from is None else WarmStart(earlier_training(start_from))
    stop = StopRequest(None if seconds is None else time.monotonic() + seconds)

    def report(job: StageJob, row: dict[str, float]) -> None:
        dice = f"  validation Dice {row['validation_dice']:.3f}" if "validation_dice" in row else ""
        typer.echo(
            f"fold {job.fold} {job.name}  epoch {row['epoch']:.0f}/{job.recipe.epochs}  "
            f"loss {row['loss']:.3f}  {row['samples_per_second']:.0f}/s{dice}"
        )

    with stop.on_signals():
        finished = train_run(
            fabric,
            RunFolder(output),
            plan,
            cases,
            wanted,
            resume=resume,
            stop=stop,
            report=report,
            start=start,
        )
    if finished and Ranks(fabric).leads:
        typer.echo(f"finished; next: cardiacuq export {output} -o BUNDLE")
    if finished:
        return
    if Ranks(fabric).leads:
        typer.echo(
            f"stopped, everything is saved; go on with: cardiacuq train {kind} ... -o {output} --resume"
        )
    if stop.signalled:
        raise typer.Exit(EXIT_STOPPED_BY_SIGNAL)
