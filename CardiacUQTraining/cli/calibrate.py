"""``cardiacuq calibrate``: a bundle whose words fit one's own scanner, from labelled cases of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from CardiacUQLib.base.errors import ExitCode, InputError
from CardiacUQLib.base.writable import check_writable

from ..datasets.catalogue import dataset_help
from .progress import shown_progress

if TYPE_CHECKING:
    from CardiacUQLib.bundles.bundle import Bundle

    from ..datasets import LabelledDataset
    from ..evaluation.shared.judged import Judged

ENOUGH_CASES = 20
"""Fewer say too little about verdict and intervals."""


def command(
    model: Annotated[str, typer.Option(help="Name of the bundle to calibrate, or its folder; it stays.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the new bundle.")],
    data: Annotated[Path | None, typer.Option(help="Your labelled cases: YAML file or folder.")] = None,
    dataset: Annotated[str, typer.Option(help=dataset_help())] = "table",
    figures: Annotated[
        Path | None, typer.Option(help="Folder for tables and figures; default: OUTPUT-figures.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bf16.")] = "auto",
) -> None:
    """Fit P(wrong), verdict and intervals on your own cases, and write the result as a new bundle.

    Cases that the bundle was trained on are judged by folds that did not see them, others by all folds; no
    case judges itself. Cases of the split "test" have no part in it. From 20 cases on everything is fitted;
    with fewer only P(wrong), the rest stays that of the bundle. An interrupted run goes on where it stopped.
    """
    from CardiacUQLib.bundles.bundle import load_bundle

    from ..datasets import open_dataset
    from ..datasets.check import training_cases
    from ..export.bundle_copy import check_new_bundle, copied_bundle

    pages = figures or output.with_name(f"{output.name}-figures")
    check_new_bundle(output)
    check_writable(pages)
    bundle = load_bundle(model)
    cases = training_cases(open_dataset(dataset, data, complete=False))
    if len(cases) < ENOUGH_CASES:
        typer.echo(f"cardiacuq: {few(len(cases))}", err=True)
    with copied_bundle(bundle, output) as copy:
        judged, page = _calibrated(copy, cases, pages, device, precision)
        _note_few(copy.folder, len(judged.figures))
    typer.echo(f"{output}: calibrated on {len(judged.figures)} cases; figures in {page}")
    if judged.failures:
        raise typer.Exit(ExitCode.PARTIAL)


def few(cases: int) -> str:
    """What few cases mean for a calibration."""
    return (
        f"{cases} cases are few: P(wrong) is fitted on them and uncertain, verdict and intervals stay as "
        f"they were; {ENOUGH_CASES} cases suffice for all"
    )


def _calibrated(
    copy: Bundle, cases: LabelledDataset, pages: Path, device: str, precision: str
) -> tuple[Judged, Path]:
    """Judge the cases and store all fits and figures in ``copy``. Raises InputError if none can be judged."""
    from CardiacUQLib.bundles.manifest import BundleKind

    from ..evaluation.cine.command import CineEvaluation, evaluate_cine
    from ..evaluation.lge.command import CascadeOptions, Stored, evaluate_cascade
    from ..evaluation.shared.methods import Method
    from ..evaluation.shared.predict import PassOptions
    from .evaluate import command_line, print_failure

    passes = PassOptions(views=copy.manifest.views, cross_validated=True, foreign=True)
    with shown_progress(lines=False, quiet=False) as bar:
        hear = {"progress": bar, "on_failure": print_failure}
        if copy.manifest.kind is BundleKind.STREAMING:
            wanted = CineEvaluation(
                device=device, precision=precision, store_calibration=True, store_metrics=True
            )
            judged, written = evaluate_cine(copy, cases, pages, passes, wanted, command_line(), **hear)
            page = written[0]
        else:
            methods = (Method.SCS, Method.PAIRWISE_DICE, Method.ENTROPY, Method.ERROR_PROBABILITY)
            options = CascadeOptions(methods, device, precision, Stored(calibration=True, metrics=True))
            judged, page = evaluate_cascade(copy, cases, pages, passes, options, command_line(), **hear)
    if not judged.figures:
        raise InputError(pages, "no case could be judged", "the page lists why, one line per case")
    return judged, page


def _note_few(folder: Path, cases: int) -> None:
    """Say on the card that the calibration stands on few cases."""
    from CardiacUQLib.bundles.bundle import open_bundle, write_manifest

    if cases >= ENOUGH_CASES:
        return
    manifest = open_bundle(folder).manifest
    limits = (*manifest.limitations, f"Calibrated on {few(cases)}.")
    write_manifest(dataclasses.replace(manifest, limitations=limits), folder)
