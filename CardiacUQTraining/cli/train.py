"""``cardiacuq train``: train a model by recipe, stop at any time, resume where it stopped."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from CardiacUQLib.base.duration import parse_duration
from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.writable import check_writable

from ..datasets.catalogue import dataset_help
from .train_watch import Words

if TYPE_CHECKING:
    from ..training.asked import Asked
    from ..training.planner import AnyRecipe
    from ..training.run_folder import RunFolder

EXIT_STOPPED_BY_SIGNAL = 130


def command(
    output: Annotated[Path, typer.Option("-o", "--output", help="Run folder for checkpoints and logs.")],
    kind: Annotated[str, typer.Argument(help="Which method to train: cascade or streaming.")] = "",
    dataset: Annotated[str | None, typer.Option(help=dataset_help() + " Default: emidec.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the data set, or its YAML file.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="A shipped recipe (cascade-small, ensemble-paper, ...) or a YAML file."),
    ] = None,
    course: Annotated[
        int | None, typer.Option(min=1, help="Course of the recipe; a later one is begun with --start-from.")
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(min=0.001, help="Fit patch, batch and epochs to the data and to this time."),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="One fold, no augmentation: a first look at whether it works.")
    ] = False,
    folds: Annotated[str | None, typer.Option(help="Only these folds, for example 0,1.")] = None,
    time_limit: Annotated[
        str | None, typer.Option(help="Stop in good order after this time, for example 9m.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the run in the output folder; it knows what was asked."),
    ] = False,
    start_from: Annotated[
        str | None, typer.Option(help="Finished run, or bundle, whose weights to begin with, fold by fold.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell cases, folds, memory and time, and train nothing.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of this process.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print failures only.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print every epoch.")] = False,
) -> None:
    """Train a model by recipe; every stage can be stopped and resumed.

    The output folder gets run.html, a page with curves that is written anew while it trains. Started by
    torchrun or srun, all processes train one model together: they share every batch.
    """
    from ..training.loop import StopRequest
    from ..training.run_folder import RunFolder
    from .train_session import Order, carry_out

    seconds = parse_duration(time_limit)
    given = {
        "kind": kind or None,
        "dataset": dataset,
        "data": None if data is None else str(data),
        "recipe": recipe,
        "course": course,
        "folds": folds,
        "start_from": start_from,
        "hours": hours,
        "fast": fast or None,
        "device": device,
        "threads": threads,
    }
    run = RunFolder(output)
    asked, plan = what_to_train(run, {k: v for k, v in given.items() if v is not None}, resume=resume)
    if not (dry_run or resume) and run.record.exists():
        raise UsageError(f"{output}: holds a training run already; add --resume or choose another folder")
    if not dry_run:
        check_writable(output)
    stop = StopRequest(None if seconds is None else time.monotonic() + seconds)
    with stop.on_signals():
        finished = carry_out(Order(run, asked, plan, Words(quiet, verbose), resume, dry_run), stop)
    if not finished and stop.signalled:
        raise typer.Exit(EXIT_STOPPED_BY_SIGNAL)


def what_to_train(run: RunFolder, given: dict[str, Any], *, resume: bool) -> tuple[Asked, AnyRecipe]:
    """What was asked for, now or when the run was begun, and its recipe.

    Raises UsageError for a recipe of another kind, and for a run to be resumed that does not know enough.
    """
    from ..training.asked import ASKED, Asked
    from ..training.preparation import folds_of
    from ..training.recipe import RECIPE, read_recipe

    begun = run.read_record() if resume and (run.record.exists() or "kind" not in given) else {}
    if ASKED in begun:
        if begun[ASKED].get("hours") != given.get("hours", begun[ASKED].get("hours")):
            raise UsageError(f"{run.path}: its recipe was fitted to its hours already; leave out --hours")
        asked = Asked.from_json({**begun[ASKED], **given})
    elif "kind" not in given:
        what = "was begun by an earlier version; repeat its options" if begun else "cascade or streaming?"
        raise UsageError(f"{run.path}: {what}: cardiacuq train cascade --recipe ... -o {run.path}")
    else:
        asked = Asked(**given)
    anew = "recipe" in given or "course" in given or ASKED not in begun
    plan = read_recipe(asked.recipe, asked.course) if anew else RECIPE.validate_python(begun["recipe"])
    if asked.kind != plan.kind:
        raise UsageError(
            f"train {asked.kind}: recipe {asked.recipe} is for {plan.kind}; choose a recipe for {asked.kind}"
        )
    if asked.hours is None:
        folds_of(asked, plan)
    return asked, plan
