"""``cardiacuq export``: turn a training run into a bundle, or a bundle into MONAI's layout."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from CardiacUQLib.base.writable import check_writable


class Layout(enum.StrEnum):
    """How the files of a bundle are laid out."""

    CARDIACUQ = "cardiacuq"
    MONAI = "monai"


def command(
    run: Annotated[
        Path,
        typer.Argument(help="Run folder written by `cardiacuq train`; for MONAI a bundle."),
    ],
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
    layout: Annotated[
        Layout, typer.Option("--format", help="The own layout, or a MONAI bundle of a finished bundle.")
    ] = Layout.CARDIACUQ,
    average_with: Annotated[
        str | None,
        typer.Option(
            help="Run or bundle the run began with (--start-from): export the mean of both weights."
        ),
    ] = None,
) -> None:
    """Write weights (fp16 safetensors), manifest and model card of a finished run.

    With --format monai: write a finished bundle, all its folds and views as one network, as a MONAI bundle.
    """
    from CardiacUQLib.base.errors import UsageError
    from CardiacUQLib.base.version import __version__
    from CardiacUQLib.bundles.bundle import load_bundle

    if layout is Layout.MONAI:
        if name or version or average_with or (sharpness, score_sharpness) != (1.0, 1.0):
            raise UsageError("--format monai takes a finished bundle as it is; leave the other options out")
        from ..export.monai_bundle import write_monai_bundle

        typer.echo(f"{write_monai_bundle(load_bundle(str(run)), output)}: MONAI bundle")
        return
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
