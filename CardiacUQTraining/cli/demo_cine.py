"""``cardiacuq demo --cine``: a synthetic film of a heart up to its ejection fraction, scored by its truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from CardiacUQLib.bundles.manifest import ClassInfo

from .cine import summary
from .progress import part_of, shown_progress
from .segment import open_bundle

if TYPE_CHECKING:
    from CardiacUQLib.phantom import CinePhantom

CINE_MODEL = "cine-streaming"
CASE_NAME = "phantom-cine"
FRAMES = 12


def show_cine(output: Path, seed: int, model: str) -> None:
    """Make a film of a beating heart, segment ED and ES, compare labels and EF with the truth.

    Raises ModelError where there is no such bundle, before anything is made.
    """
    from CardiacUQLib import phantom
    from CardiacUQLib.cases.casefolder import read_case
    from CardiacUQLib.studies.cine import segment_cine

    from ..evaluation.shared.dice import dice_by_name, means

    bundle = open_bundle(model)
    heart = phantom.cine_phantom(seed, n_frames=FRAMES)
    film = write_film(heart, output / "scan", CASE_NAME)
    with shown_progress(lines=False, quiet=False) as progress:
        study = segment_cine(
            film, bundle, output, name=CASE_NAME, overwrite=True, progress=part_of(progress, 0, 1, CASE_NAME)
        )
    truth = {"ED": heart.ed.labels, "ES": heart.es.labels}
    for phase, labels in truth.items():
        case = read_case(study.folders[phase])
        scores = dice_by_name(case.segmentation, labels, case.classes)
        found = ", ".join(f"{name} {score:.2f}" for name, score in scores.items())
        both = ", ".join(f"{words} {mean:.2f}" for words, mean in means(scores, labels, case.classes).items())
        typer.echo(f"Dice at {phase}: {found}, {both}")
    measured = study.measures["sizes"]["ef_percent"]["value"]
    text = "undefined" if measured is None else f"{measured:.1f} %"
    typer.echo(f"Ejection fraction {text}, truth {true_ef(heart, heart.ed.classes):.1f} %.")
    found_es = study.frames["ES"] if study.frames else "unknown"
    typer.echo(f"End-systole: frame {found_es}, truth {heart.es_frame} of {FRAMES}.")
    typer.echo(summary(study))
    typer.echo(f"The film lies in {film}.")


def true_ef(heart: CinePhantom, classes: tuple[ClassInfo, ...]) -> float:
    """EF in % from the voxels of the true labels, as a perfect segmentation would give it."""
    cavity = classes[-1].value
    ed, es = (float((frame.labels == cavity).sum()) for frame in (heart.ed, heart.es))
    return 100 * (ed - es) / ed


def write_film(heart: CinePhantom, folder: Path, name: str) -> Path:
    """The frames as a 4D NIfTI file, their truth beside it; returns the film."""
    import SimpleITK as sitk

    folder.mkdir(parents=True, exist_ok=True)
    for suffix, frames in (("", heart.frames), ("_label", heart.frame_labels)):
        if frames is None:
            continue
        image = sitk.JoinSeries([sitk.GetImageFromArray(frame) for frame in frames])
        image.SetSpacing((*heart.ed.spacing, 1.0))
        sitk.WriteImage(image, str(folder / f"{name}{suffix}.nii.gz"), useCompression=True)
    return folder / f"{name}.nii.gz"
