"""``cardiacuq export``: turn a training run into a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from CardiacUQLib.base.writable import check_writable


def command(
    run: Annotated[Path, typer.Argument(help="Run folder written by `cardiacuq train`.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the new bundle.")],
    name: Annotated[str | None, typer.Option(help="Name of the bundle; default: the folder's name.")] = None,
    version: Annotated[
        str | None, typer.Option(help="Version of the bundle; default: the program's.")
    ] = None,
    sharpness: Annotated[
        float, typer.Option(min=0.1, max=20, help="Factor on the logits of both stages of a cascade.")
    ] = 1.0,
    score_sharpness: Annotated[
        float, typer.Option(min=0.1, max=20, help="The same factor where SCS compares the stages only.")
    ] = 1.0,
    average_with: Annotated[
        str | None,
        typer.Option(
            help="Run or bundle the run began with (--start-from): export the mean of both weights."
        ),
    ] = None,
) -> None:
    """Write weights (fp16 safetensors), manifest and model card of a finished run."""
    from CardiacUQLib.base.version import __version__
    from CardiacUQLib.bundles.bundle import load_bundle

    from ..export.bundle import export_run

    check_writable(output.absolute().parent, output)
    folder = export_run(
        run,
        output,
        name=name,
        version=version or __version__,
        sharpness=sharpness,
        score_sharpness=score_sharpness,
        average_with=average_with,
    )
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    folds = len(load_bundle(folder).manifest.folds)
    typer.echo(f"{folder}: {folds} folds, {size:.1f} MB")
