"""``cardiacuq benchmark``: evaluations as tables of the public benchmark of failure detection."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.writable import check_writable


def command(
    evaluations: Annotated[
        list[Path],
        typer.Argument(metavar="EVALUATION", help="Folders that `evaluate -o` wrote, training data first."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for tables, arrays and plots.")],
    names: Annotated[
        str, typer.Option(help="Names of the data sets, such as emidec,myops; default: the folders' names.")
    ] = "",
) -> None:
    """Failure detection and calibration as the segmentation-failures benchmark (MedIA 2025) tabulates them.

    Writes fd_metrics.csv, calibration.csv, the arrays that its analysis loads, curves, plots and a page.
    """
    from ..evaluation.shared.failure_report import benchmark

    check_writable(output)
    domains = (
        [name.strip() for name in names.split(",")] if names else [e.resolve().name for e in evaluations]
    )
    if len(domains) != len(evaluations) or len(set(domains)) != len(domains):
        raise UsageError(
            f"--names {names}: give every one of the {len(evaluations)} evaluations its own name"
        )
    whole, page = benchmark(list(zip(evaluations, domains, strict=True)), output)
    typer.echo(f"{len(whole.cases)} cases, {len(whole.confidence_names)} scores: {page}")
