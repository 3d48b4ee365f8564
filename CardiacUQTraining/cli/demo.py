"""``cardiacuq demo``: a synthetic scan from start to report, scored against its truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.writable import check_writable

from .progress import part_of, shown_progress
from .segment import DEFAULT_MODEL, open_bundle

CASE_NAME = "phantom"


def command(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the scan and the result.")
    ] = Path("demo-output"),
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another heart.")] = 3,
    model: Annotated[
        str, typer.Option(help="Name of a bundle, or its folder; lge-cascade or cine-streaming if empty.")
    ] = "",
    cine: Annotated[bool, typer.Option("--cine", help="A beating heart and its ejection fraction.")] = False,
) -> None:
    """Make a synthetic scan (late enhancement, or with --cine a film), segment it, compare with its truth.

    The scan, its truth and the case folder lie in the output folder; an earlier demo there is replaced.
    """
    from CardiacUQLib import phantom
    from CardiacUQLib.images.reading import read_volume
    from CardiacUQLib.report import REPORT_FILE
    from CardiacUQLib.studies.scan import segment_to_folder

    from ..evaluation.shared.dice import dice_by_name, means

    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: this is a file; give a folder for --output")
    check_writable(output)
    if cine:
        from .demo_cine import CINE_MODEL, show_cine

        show_cine(output, seed, model or CINE_MODEL)
        return
    bundle = open_bundle(model or DEFAULT_MODEL)
    heart = phantom.lge_phantom(seed)
    scan, _ = phantom.write(heart, output / "scan", CASE_NAME)
    target = output / CASE_NAME
    with shown_progress(lines=False, quiet=False) as progress:
        one = part_of(progress, 0, 1, CASE_NAME)
        result = segment_to_folder(read_volume(scan), bundle, target, overwrite=True, progress=one)
    scores = dice_by_name(result.segmentation, heart.labels, result.classes)
    typer.echo("Dice against the phantom's truth:")
    for name, score in scores.items():
        typer.echo(f"  {name:<20} {score:.2f}")
    for words, mean in means(scores, heart.labels, result.classes).items():
        typer.echo(f"  {words:<20} {mean:.2f}")
    typer.echo(f"{len(result.components)} regions where the two stages disagree.")
    page = target / REPORT_FILE
    where = f"Open {page} in a browser" if page.is_file() else f"The result lies in {target}"
    typer.echo(f"{where}; the scan lies in {scan}.")
