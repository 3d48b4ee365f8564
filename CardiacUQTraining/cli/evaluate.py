"""``cardiacuq evaluate``: a model against labelled cases, with every uncertainty method side by side."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from CardiacUQLib.errors import ExitCode, InputError, UsageError
from CardiacUQLib.manifest import BundleKind, Flip

from .progress import shown_progress
from .segment import parse_folds

if TYPE_CHECKING:
    from CardiacUQLib.bundle import Bundle

    from ..datasets import LabelledDataset
    from ..evaluation.analysis import Analysis
    from ..evaluation.cine.command import CineOptions
    from ..evaluation.fit_lesions import store_limits
    from ..evaluation.methods import Method
    from ..evaluation.predict import PassOptions

DATASET_HELP = "Layout of the data: emidec, myops, phantom; for cine models acdc, mnms, cine-phantom."


def command(
    model: Annotated[str, typer.Option(help="Name of a bundle, or its folder.")] = "lge-cascade",
    dataset: Annotated[str, typer.Option(help=DATASET_HELP)] = "emidec",
    data: Annotated[Path | None, typer.Option(help="Folder of the cases; phantoms are made without.")] = None,
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
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bf16.")] = "auto",
    store_calibration: Annotated[
        bool,
        typer.Option(
            "--store-calibration", help="Write the fitted error probability and intervals into the bundle."
        ),
    ] = False,
    store_lesion_limits: Annotated[
        bool,
        typer.Option(
            "--store-lesion-limits",
            help="Choose the smallest believable infarct and MVO; write them into the bundle.",
        ),
    ] = False,
    no_tta: Annotated[bool, typer.Option("--no-tta", help="Without flipped passes.")] = False,
    ec_threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Cine: Dice that the end slices of a good frame exceed.")
    ] = 0.8,
    against: Annotated[
        list[Path] | None, typer.Option(help="Cine: output folder of an earlier evaluation to test against.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print failures only.")] = False,
) -> None:
    """Measure a model against expert labels: Dice, and how well each uncertainty map finds the errors.

    Writes evaluation.md with the published figures beside ours, CSV files per case, JSON and figures.
    A run that was interrupted goes on where it stopped; a broken case is named and the others go on.
    """
    from CardiacUQLib.bundle import load_bundle

    from ..datasets import open_dataset
    from ..evaluation.analysis import analyse, write_analysis
    from ..evaluation.calibrate import store
    from ..evaluation.cine.command import CineOptions
    from ..evaluation.methods import Method
    from ..evaluation.predict import PassOptions
    from ..evaluation.report import Source
    from ..evaluation.run import DROPOUT_SAMPLES, judge
    from ..evaluation.sizes import size_figures, store_intervals

    chosen = parse_methods(methods)
    fit_calibration = cross_validated and Method.ERROR_PROBABILITY in chosen
    if store_calibration and not fit_calibration:
        raise UsageError("--store-calibration needs --cross-validated: it is fitted on unseen cases only")
    if store_lesion_limits and not cross_validated:
        raise UsageError(
            "--store-lesion-limits needs --cross-validated: they are chosen on unseen cases only"
        )
    cases = open_dataset(dataset, data, complete=False)
    bundle = load_bundle(model)
    options = PassOptions(
        parse_folds(folds),
        (Flip.IDENTITY,) if no_tta else bundle.manifest.flips,
        DROPOUT_SAMPLES if Method.MC_DROPOUT in chosen else 0,
        cross_validated,
    )
    if bundle.manifest.kind is BundleKind.STREAMING:
        if store_calibration or store_lesion_limits:
            raise UsageError("--store-calibration and --store-lesion-limits are for cascades, not for cine")
        cine = CineOptions(ec_threshold, tuple(against or ()), device, precision, limit)
        _evaluate_cine(bundle, cases, output, options, cine, quiet=quiet)
        return
    with shown_progress(lines=False, quiet=quiet) as progress:
        judged = judge(
            bundle,
            cases,
            output,
            options,
            methods=chosen,
            device=device,
            precision=precision,
            limit=limit,
            progress=progress,
            on_failure=lambda line: print(f"cardiacuq: {line}", file=sys.stderr, flush=True),
        )
        analysis = analyse(
            judged, len(bundle.manifest.classes), fit_calibration=fit_calibration, progress=progress
        )
    sizes = size_figures(judged, bundle.manifest, fit=cross_validated)
    analysis = dataclasses.replace(analysis, sizes=sizes)
    source = Source(bundle, cases, "cardiacuq " + shlex.join(sys.argv[1:]), cross_validated)
    page = write_analysis(analysis, source, output)
    if store_calibration and analysis.model is not None and analysis.verdict is not None:
        store(bundle, analysis.model, provenance(dataset, analysis))
    if store_calibration and sizes is not None and sizes.fitted:
        store_intervals(load_bundle(str(bundle.folder)), sizes, dataset)
    if store_lesion_limits:
        typer.echo(store_limits(load_bundle(model), judged, source.command))
    if not quiet:
        typer.echo(f"{len(judged.figures)} cases judged: {page}")
    if not judged.figures:
        raise InputError(output, "no case could be judged", "the page lists why, one line per case")
    if judged.failures:
        raise typer.Exit(ExitCode.PARTIAL)


def _evaluate_cine(
    bundle: Bundle,
    cases: LabelledDataset,
    output: Path,
    passes: PassOptions,
    options: CineOptions,
    *,
    quiet: bool,
) -> None:
    from ..evaluation.cine.command import evaluate_cine

    with shown_progress(lines=False, quiet=quiet) as progress:
        judged, pages = evaluate_cine(
            bundle,
            cases,
            output,
            passes,
            options,
            "cardiacuq " + shlex.join(sys.argv[1:]),
            progress=progress,
            on_failure=lambda line: print(f"cardiacuq: {line}", file=sys.stderr, flush=True),
        )
    if not quiet:
        typer.echo(f"{len(judged.figures)} frames judged: {', '.join(map(str, pages))}")
    if not judged.figures:
        raise InputError(output, "no frame could be judged", "the page lists why, one line per frame")
    if judged.failures:
        raise typer.Exit(ExitCode.PARTIAL)


def provenance(dataset: str, analysis: Analysis) -> dict[str, object]:
    """Where a fitted error probability comes from and whether it shall be the default heat map."""
    from ..evaluation.tables import as_plain

    return {
        "dataset": dataset,
        "cases": len(analysis.judged.figures),
        "predictions": "out of fold",
        "figures": as_plain(analysis.verdict),
        "default_heat_map": analysis.verdict is not None and analysis.verdict.wins,
    }


def parse_methods(text: str) -> tuple[Method, ...]:
    """Methods of an option such as "tta,scs"; raises UsageError for an unknown one."""
    from ..evaluation.methods import Method

    if text.strip() == "all":
        return tuple(Method)
    if not text.strip():
        return tuple(method for method in Method if method is not Method.MC_DROPOUT)
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in set(Method)]
    if unknown:
        raise UsageError(f"--methods: '{unknown[0]}' is unknown; known are {', '.join(Method)}")
    return tuple(Method(name) for name in dict.fromkeys(names))
