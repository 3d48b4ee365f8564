"""``cardiacuq evaluate``: a model against labelled cases, with every uncertainty method side by side."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from CardiacUQLib.base.errors import ExitCode, InputError, UsageError
from CardiacUQLib.base.writable import check_writable
from CardiacUQLib.bundles.fold_numbers import parse_folds
from CardiacUQLib.bundles.manifest import BundleKind, View

from ..datasets.catalogue import dataset_help
from .progress import shown_progress

if TYPE_CHECKING:
    from CardiacUQLib.bundles.bundle import Bundle

    from ..datasets import LabelledDataset
    from ..evaluation.cine.command import CineEvaluation
    from ..evaluation.lge.command import CascadeOptions
    from ..evaluation.shared.judged import Judged
    from ..evaluation.shared.methods import Method
    from ..evaluation.shared.predict import Computer, PassOptions


def command(
    model: Annotated[
        str, typer.Option(help="Name of a bundle, its folder, or the folder of a training run.")
    ] = "lge-cascade",
    dataset: Annotated[str, typer.Option(help=dataset_help())] = "emidec",
    data: Annotated[
        Path | None, typer.Option(help="Folder or YAML file of the cases; phantoms are made without.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for tables and figures.")] = Path(
        "evaluation"
    ),
    cross_validated: Annotated[
        bool, typer.Option("--cross-validated", help="Predict each case only by folds that did not see it.")
    ] = False,
    methods: Annotated[
        str,
        typer.Option(help="Methods, such as tta,scs,entropy; all but mc_dropout if empty; 'all' for all."),
    ] = "",
    folds: Annotated[str, typer.Option(help="Folds to use, such as 0,1; all if empty.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Judge only the first N cases.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Judge only every Nth case.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bf16.")] = "auto",
    store_calibration: Annotated[
        bool,
        typer.Option(
            "--store-calibration", help="Write into the bundle all that is fitted on its unseen cases."
        ),
    ] = False,
    store_stage_rule: Annotated[
        bool,
        typer.Option(
            "--store-stage-rule",
            help="Choose what both stages of a cascade have to say about outlines; judge nothing else.",
        ),
    ] = False,
    store_slices: Annotated[
        bool,
        typer.Option(
            "--store-slices",
            help="Cine: learn where base and apex are; judge nothing else.",
        ),
    ] = False,
    store_metrics: Annotated[
        bool,
        typer.Option("--store-metrics", help="Write the figures into the bundle's manifest and model card."),
    ] = False,
    no_tta: Annotated[bool, typer.Option("--no-tta", help="One view of every slice.")] = False,
    split: Annotated[str, typer.Option(help="Only the cases of this split, such as test.")] = "",
    ec_threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Cine: Dice that the end slices of a good frame exceed.")
    ] = 0.8,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Cine: earlier evaluation, bundle or training run to compare with; repeatable."),
    ] = None,
    benchmark: Annotated[
        bool, typer.Option("--benchmark", help="Also the tables of the public failure-detection benchmark.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print failures only.")] = False,
) -> None:
    """Measure a model against expert labels: Dice, and how well each uncertainty map finds the errors.

    Writes evaluation.md with the published figures beside ours, CSV files per case, JSON and figures.
    A run that was interrupted goes on where it stopped; a broken case is named and the others go on.
    """
    from ..datasets import open_dataset
    from ..datasets.check import of_split
    from ..evaluation.cine.command import CineEvaluation
    from ..evaluation.lge.command import CascadeOptions, Stored
    from ..evaluation.lge.judge import DROPOUT_SAMPLES
    from ..evaluation.shared.methods import Method
    from ..evaluation.shared.models import opened_model
    from ..evaluation.shared.predict import Computer, PassOptions

    chosen = parse_methods(methods)
    stored = Stored(store_calibration, store_metrics, store_stage_rule, store_slices)
    check_writable(output)
    stored.check(cross_validated=cross_validated, calibrated=Method.ERROR_PROBABILITY in chosen)
    cases = open_dataset(dataset, data, complete=False)
    cases = of_split(cases, split, cross_validated=cross_validated)
    cases = dataclasses.replace(cases, cases=cases.cases[::every][:limit])
    with opened_model(model, to_be_changed=any(dataclasses.astuple(stored))) as bundle:
        if any(dataclasses.astuple(stored)):
            check_writable(bundle.folder)
        passes = PassOptions(
            parse_folds(folds),
            (View.IDENTITY,) if no_tta else bundle.manifest.views,
            DROPOUT_SAMPLES if Method.MC_DROPOUT in chosen else 0,
            cross_validated,
        )
        if bundle.manifest.kind is BundleKind.STREAMING:
            if store_stage_rule:
                raise UsageError("--store-stage-rule is for cascades: a cine has no two stages")
            cine = CineEvaluation(
                ec_threshold, tuple(against or ()), device, precision, limit, store_calibration, store_metrics
            )
            if store_slices:
                _store_slices(bundle, cases, passes, Computer(device, precision), quiet=quiet)
                return
            code = _evaluate_cine(bundle, cases, output, passes, cine, quiet=quiet)
        elif store_slices:
            raise UsageError("--store-slices is for cine bundles: only they have a rule for base and apex")
        elif store_stage_rule:
            _store_stage_rule(bundle, cases, passes, device, precision, quiet=quiet)
            return
        else:
            cascade = CascadeOptions(chosen, device, precision, stored)
            code = _evaluate_cascade(bundle, cases, output, passes, cascade, quiet=quiet)
    if benchmark:
        _write_benchmark(output, cases.name, quiet=quiet)
    if code:
        raise typer.Exit(code)


def _write_benchmark(output: Path, name: str, *, quiet: bool) -> None:
    from ..evaluation.shared import failure_report

    _, page = failure_report.benchmark([(output, name)], output / "benchmark")
    if not quiet:
        typer.echo(f"failure detection and calibration as the public benchmark tabulates them: {page}")


def _store_slices(
    bundle: Bundle, cases: LabelledDataset, passes: PassOptions, computer: Computer, *, quiet: bool
) -> None:
    from ..evaluation.cine.fit_slices import store_slice_presence

    with shown_progress(lines=False, quiet=quiet) as progress:
        line = store_slice_presence(
            bundle, cases, passes, computer, progress=progress, on_failure=print_failure
        )
    if not quiet:
        typer.echo(line)


def _store_stage_rule(
    bundle: Bundle, cases: LabelledDataset, passes: PassOptions, device: str, precision: str, *, quiet: bool
) -> None:
    from ..evaluation.lge.fit_stages import store_stage_rule
    from ..evaluation.shared.predict import Computer

    computer = Computer(device, precision)
    with shown_progress(lines=False, quiet=quiet) as progress:
        line = store_stage_rule(
            bundle, cases, passes, computer, command_line(), progress=progress, on_failure=print_failure
        )
    if not quiet:
        typer.echo(line)


def _evaluate_cascade(
    bundle: Bundle,
    cases: LabelledDataset,
    output: Path,
    passes: PassOptions,
    options: CascadeOptions,
    *,
    quiet: bool,
) -> ExitCode:
    from ..evaluation.lge.command import evaluate_cascade

    with shown_progress(lines=False, quiet=quiet) as progress:
        judged, page = evaluate_cascade(
            bundle,
            cases,
            output,
            passes,
            options,
            command_line(),
            progress=progress,
            on_failure=print_failure,
        )
    _print_hints(judged, bundle)
    if not quiet:
        typer.echo(f"{len(judged.figures)} cases judged: {page}")
    if not judged.figures:
        raise InputError(output, "no case could be judged", "the page lists why, one line per case")
    return ExitCode.PARTIAL if judged.failures else ExitCode.DONE


def _evaluate_cine(
    bundle: Bundle,
    cases: LabelledDataset,
    output: Path,
    passes: PassOptions,
    options: CineEvaluation,
    *,
    quiet: bool,
) -> ExitCode:
    from ..evaluation.cine.command import evaluate_cine

    with shown_progress(lines=False, quiet=quiet) as progress:
        judged, pages = evaluate_cine(
            bundle,
            cases,
            output,
            passes,
            options,
            command_line(),
            progress=progress,
            on_failure=print_failure,
        )
    _print_hints(judged, bundle)
    if not quiet:
        typer.echo(f"{len(judged.figures)} frames judged: {', '.join(map(str, pages))}")
    if not judged.figures:
        raise InputError(output, "no frame could be judged", "the page lists why, one line per frame")
    return ExitCode.PARTIAL if judged.failures else ExitCode.DONE


def command_line() -> str:
    """The command as others can repeat it: where data and results lie is theirs to say."""
    from ..evaluation.shared.stored_metrics import command_without_places

    return "cardiacuq " + shlex.join(command_without_places(sys.argv[1:]))


def print_failure(line: str) -> None:
    """A case that could not be judged, on standard error."""
    print(f"cardiacuq: {line}", file=sys.stderr, flush=True)


def _print_hints(judged: Judged, bundle: Bundle) -> None:
    from ..evaluation.shared.exchanged import exchange_hints

    for line in exchange_hints(judged, bundle.manifest.classes):
        print_failure(line)


def parse_methods(text: str) -> tuple[Method, ...]:
    """Methods of an option such as "tta,scs"; raises UsageError for an unknown one."""
    from ..evaluation.shared.methods import Method

    if text.strip() == "all":
        return tuple(Method)
    if not text.strip():
        return tuple(method for method in Method if method is not Method.MC_DROPOUT)
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in set(Method)]
    if unknown:
        raise UsageError(f"--methods: '{unknown[0]}' is unknown; known are {', '.join(Method)}")
    return tuple(Method(name) for name in dict.fromkeys(names))
