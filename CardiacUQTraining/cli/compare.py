"""``cardiacuq compare``: where two opinions on one image differ, as maps and tables or as a whole case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from CardiacUQLib.base.writable import check_writable

if TYPE_CHECKING:
    from ..evaluation.shared.opinions import Opinion, OpinionsCompared

MARKER = "comparison.json"
LISTED = 10
USUAL_CLASSES = 5


def command(
    first: Annotated[Path, typer.Argument(metavar="A", help="One opinion: label map, .seg.nrrd, DICOM SEG.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="The other opinion on the same image.")],
    image: Annotated[
        Path | None,
        typer.Option("--image", help="The scan: writes a case folder that browser and Slicer review."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder.")] = Path("comparison"),
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities",
            help="A and B hold class probabilities: 4D images, .npz of nnU-Net or folders of its folds.",
        ),
    ] = False,
    labels: Annotated[
        str, typer.Option("--labels", help="With --image: lge, cine or a table (value, name, colour, ...).")
    ] = "",
    classes: Annotated[
        int, typer.Option(min=2, max=16, help="Without --image: number of classes, background included.")
    ] = USUAL_CLASSES,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing comparison.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
) -> None:
    """Compare two readers, two models, or a reader and a model: the Discrete Correction Map between them.

    With --image a whole case folder: report, regions in order, measures of both and their difference, for
    `cardiacuq review` or Slicer. Otherwise dcm.nii.gz (codes A * classes + B), components.csv and
    comparison.json; with --probabilities also the Soft Correction Score between the two.
    """
    check_writable(output.absolute().parent, output)
    if image is not None:
        words = _as_case(first, second, image, output, probabilities, labels, overwrite)
    else:
        words = _as_maps(first, second, output, probabilities, classes, overwrite)
    if not quiet:
        typer.echo(words)


def _as_case(
    first: Path, second: Path, image: Path, output: Path, probabilities: bool, labels: str, overwrite: bool
) -> str:
    from CardiacUQLib.images.reading import read_volume

    from ..comparison import case
    from ..comparison.classes import joined, numbered_classes, read_classes
    from ..comparison.labels import onto, read_label_map
    from ..comparison.probabilities import read_passes

    scan = read_volume(image)
    named = read_classes(labels) if labels else ()
    if probabilities:
        a, b = (case.opinion_of_passes(path, read_passes(path, scan), scan) for path in (first, second))
        known = named or numbered_classes(0 if a.passes is None else a.passes.shape[1])
    else:
        maps = [read_label_map(path) for path in (first, second)]
        known, *values = joined(maps[0], maps[1], named)
        turned = [scan.storage.from_stored(onto(m, v, scan)) for m, v in zip(maps, values, strict=True)]
        a, b = (case.Opinion(path, found) for path, found in zip((first, second), turned, strict=True))
    result = case.compared(a, b, scan, known)
    folder = case.write_comparison(result, output, overwrite=overwrite)
    count = len(result.components)
    regions = f"{count} region{'s' * (count != 1)} of disagreement"
    return f"{result.measures['headline']}\n{regions}; review them with: cardiacuq review {folder}"


def _as_maps(
    first: Path, second: Path, output: Path, probabilities: bool, classes: int, overwrite: bool
) -> str:
    from CardiacUQLib.base.folder_swap import new_folder

    from ..evaluation.shared.opinions import compare, read_labels, read_probabilities

    read = read_probabilities if probabilities else read_labels
    a, b = read(first), read(second)
    agreement = compare(a, b, classes)
    target = output.resolve()
    with new_folder(target.parent, target.name, overwrite=overwrite, marker=MARKER) as folder:
        _write(a, b, agreement, folder)
    return summary(agreement, classes, output)


def _write(a: Opinion, b: Opinion, agreement: OpinionsCompared, folder: Path) -> None:
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


def summary(agreement: OpinionsCompared, classes: int, output: Path) -> str:
    """What was found, for the terminal: Dice per class and the most urgent regions."""
    from CardiacUQLib.images.slice_number import slice_range

    dice = ", ".join(f"{value}: {agreement.dice[value]:.3f}" for value in range(1, classes))
    lines = [
        f"Equal voxels {agreement.equal_share:.2%}; Dice by label {dice}",
        f"{len(agreement.components)} regions of disagreement: {output}",
    ]
    for c in agreement.components[:LISTED]:
        score = "" if agreement.scs is None else f", mean SCS {c.mean_scs:.2f}"
        slices = f"slice{'s' * (c.first_slice != c.last_slice)} {slice_range(c.first_slice, c.last_slice)}"
        lines.append(f"  {c.id}: A {c.was}, B {c.became}, {c.volume_mm3 / 1000:.2f} ml, {slices}{score}")
    return "\n".join(lines)
