"""``cardiacuq statistics``: tell a bundle what its training scans look like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from CardiacUQLib.base.writable import check_writable

from ..datasets.catalogue import dataset_help


def command(
    model: Annotated[str, typer.Argument(help="Name of a bundle, or its folder; its manifest is changed.")],
    dataset: Annotated[str, typer.Option(help=dataset_help())] = "emidec",
    data: Annotated[Path | None, typer.Option(help="Folder of the training data.")] = None,
) -> None:
    """Store spacing, slice count and grey values of the training scans, for the flags of a cohort.

    New trainings note them themselves; this is for bundles made before, and needs no training.
    """
    from CardiacUQLib.bundles.bundle import load_bundle

    from ..datasets import open_dataset
    from ..training.input_statistics import store_input_statistics

    bundle = load_bundle(model)
    check_writable(bundle.folder)
    count, ranges = store_input_statistics(bundle, open_dataset(dataset, data))
    typer.echo(f"{bundle.folder}: usual ranges of {count} scans stored")
    for name, (low, high) in ranges.items():
        typer.echo(f"  {name}: {low:g} to {high:g}")
