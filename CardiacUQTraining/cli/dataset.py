"""``cardiacuq dataset check``: is a data set fit for a training, and what is it like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from CardiacUQLib.base.errors import ExitCode, UsageError
from CardiacUQLib.base.writable import check_file_writable, check_writable

from ..datasets.catalogue import dataset_help

if TYPE_CHECKING:
    from ..datasets.check import Fingerprint

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Look at labelled data before a training does."""


@app.command()
def check(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder of the data set, or its YAML file.")],
    dataset: Annotated[str, typer.Option(help=dataset_help())] = "table",
    page: Annotated[
        Path | None, typer.Option(help="Also write a page, such as cases.html, with a picture of every case.")
    ] = None,
) -> None:
    """Read every case: geometry, label values, classes, duplicates, leaks between training and test.

    Exit code 0 if all can be used, 6 if some cannot, 3 if none can.
    """
    from ..datasets import open_dataset
    from ..datasets.check import fingerprint
    from ..datasets.page import Thumbnails, write_dataset_page

    if page is not None:
        check_file_writable(page)
    cases, thumbnails = open_dataset(dataset, data, complete=False), Thumbnails()
    found = fingerprint(cases, thumbnails.add if page is not None else lambda *case: None)
    told = lines(found)
    typer.echo("\n".join(told))
    if page is not None:
        typer.echo(f"pictures: {write_dataset_page(found, told, thumbnails, data.resolve().name, page)}")
    if not found.facts:
        raise typer.Exit(ExitCode.INPUT)
    if found.unusable:
        raise typer.Exit(ExitCode.PARTIAL)


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="New folder for the cases.")],
    layout: Annotated[str, typer.Option(help="table (images, masks and a YAML file) or nnunet.")] = "table",
    cases: Annotated[int, typer.Option(min=4, max=100, help="How many; the last two are for the test.")] = 12,
) -> None:
    """Write labelled synthetic scans as another hospital would store them, to try a training with."""
    from ..datasets.sample import write_nnunet_sample, write_sample

    if layout not in ("table", "nnunet"):
        raise UsageError(f"--layout {layout}: is unknown; known are table and nnunet")
    if folder.exists():
        raise UsageError(f"{folder}: exists already; choose another folder or move it away")
    check_writable(folder)
    written = (write_sample if layout == "table" else write_nnunet_sample)(folder, cases)
    typer.echo(f"{cases} labelled scans: {written}")


def lines(found: Fingerprint) -> list[str]:
    """The fingerprint for a terminal."""
    count = len(found.facts)
    told = [f"{count} of {len(found.dataset)} cases can be used"]
    told += [f"  unusable: {line}" for line in found.unusable]
    told += [f"  look at:  {line}" for line in found.doubts]
    if not count:
        return told
    pixel, gap = (np.array([one.spacing_mm[axis] for one in found.facts]) for axis in (0, 2))
    slices = np.array([one.size[2] for one in found.facts])
    side = np.array([one.size[0] * one.spacing_mm[0] for one in found.facts])
    told += [
        f"pixels              {_range(pixel, 2)} mm",
        f"slice distance      {_range(gap, 1)} mm",
        f"slices              {_range(slices, 0)}",
        f"field of view       {_range(side, 0)} mm",
        "grey values         "
        + ", ".join(
            f"{name} {_range(np.array([one.grey[n] for one in found.facts]), 0)}"
            for n, name in enumerate(("1 %", "median", "99 %"))
        ),
    ]
    for info in found.dataset.classes[1:]:
        ml = np.array([one.class_ml[info.value] for one in found.facts])
        shown = ml[ml > 0]
        sizes = f"{_range(shown, 1)} ml" if shown.size else "-"
        told.append(f"{info.name:<20}in {shown.size} of {count} cases, {sizes}")
    return told


def _range(values: np.ndarray, digits: int) -> str:
    low, middle, high = np.min(values), np.median(values), np.max(values)
    if low == high:
        return f"{low:.{digits}f}"
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
