"""``cardiacuq compare``: where two opinions on the same image differ, and how strongly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..evaluation.shared.opinions import Agreement, Opinion

MARKER = "comparison.json"
LISTED = 10


def command(
    first: Annotated[Path, typer.Argument(metavar="A", help="Label map or probabilities of one opinion.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="The other opinion, on the same grid.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder for maps and tables.")] = Path(
        "comparison"
    ),
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="A and B hold class probabilities (4D or vector images).")
    ] = False,
    classes: Annotated[int, typer.Option(min=2, max=16, help="Number of classes, background included.")] = 5,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing comparison.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
) -> None:
    """Compare two readers, two models, or a reader and a model: the Discrete Correction Map between them.

    Writes dcm.nii.gz (codes A * classes + B), components.csv and comparison.json; with --probabilities
    also the Soft Correction Score between the two, scs.nii.gz.
    """
    from CardiacUQLib.base.folder_swap import new_folder

    from ..evaluation.shared.opinions import compare, read_labels, read_probabilities

    read = read_probabilities if probabilities else read_labels
    a, b = read(first), read(second)
    agreement = compare(a, b, classes)
    target = output.resolve()
    with new_folder(target.parent, target.name, overwrite=overwrite, marker=MARKER) as folder:
        _write(a, b, agreement, folder)
    if not quiet:
        typer.echo(summary(agreement, classes, output))


def _write(a: Opinion, b: Opinion, agreement: Agreement, folder: Path) -> None:
    from CardiacUQLib.base.json_codec import write_json
    from CardiacUQLib.cases.component_table import components_to_csv
    from CardiacUQLib.images.reading import write_map

    write_map(agreement.corrections.dcm, a.volume, folder / "dcm.nii.gz")
    if agreement.scs is not None:
        write_map(agreement.scs, a.volume, folder / "scs.nii.gz")
    (folder / "components.csv").write_text(components_to_csv(agreement.components), "utf-8")
    content = {
        "a": str(a.path),
        "b": str(b.path),
        "dice": agreement.dice,
        "equal_share": agreement.equal_share,
        "components": len(agreement.components),
        "mean_scs": None if agreement.scs is None else float(agreement.scs.mean()),
    }
    write_json(content, folder / MARKER)


def summary(agreement: Agreement, classes: int, output: Path) -> str:
    """What was found, for the terminal: Dice per class and the most urgent regions."""
    dice = ", ".join(f"{value}: {agreement.dice[value]:.3f}" for value in range(1, classes))
    lines = [
        f"Equal voxels {agreement.equal_share:.2%}; Dice by label {dice}",
        f"{len(agreement.components)} regions of disagreement: {output}",
    ]
    for c in agreement.components[:LISTED]:
        score = "" if agreement.scs is None else f", mean SCS {c.mean_scs:.2f}"
        slices = f"slices {c.first_slice + 1}-{c.last_slice + 1}"
        lines.append(f"  {c.id}: A {c.was}, B {c.became}, {c.volume_mm3 / 1000:.2f} ml, {slices}{score}")
    return "\n".join(lines)
