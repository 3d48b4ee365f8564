"""A reviewed case as a training case: image, corrected labels and how they came about."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..base.errors import InputError, UsageError
from ..base.folder_swap import new_folder
from ..bundles.classes import CINE_CLASSES, LGE_CLASSES
from ..bundles.manifest import ClassInfo
from ..images.image_file import read_image
from ..images.placement import SAME_PLACE_MM
from ..images.reading import read_volume
from ..images.volume import Geometry
from .case_maps import CaseMaps
from .review import Review

if TYPE_CHECKING:
    import SimpleITK as sitk

PHASES_KEY = "Phases"
"""Line of ``Info.cfg`` that says which phases of the patient are there."""

_DECISIONS = "decisions.json"
PATHOLOGICAL = (3, 4)
"""Labels whose presence puts a case into EMIDEC's group P: infarct and MVO."""


FRAMES = {"ED": 1, "ES": 2}
"""Numbers in the file names of exported cine phases; the true ones are unknown by then."""


def export_reviewed(review: Review, folder: Path, image: sitk.Image | None = None) -> Path:
    """Write image, corrected labels and decisions below ``folder`` in the layout of a training data set.

    LGE: EMIDEC's ``Case_X/Images``, ``Case_X/Contours`` and ``Case_X/decisions.json``, which
    `cardiacuq train cascade --dataset emidec` reads as it is. X is the name of the case, with "P" before
    it if an infarct is left and "N" otherwise, unless the name already begins so: the reader balances
    its folds by that letter. Cine: ACDC's ``patientX`` for `cardiacuq train streaming --dataset acdc`,
    where the phases of one patient come together; the phase is that of ``measures.json``, or the end of
    the case's name, ED without either. ``image`` is the input volume; by default it is read from the
    path that the case was computed from.

    Returns the case's folder, which is complete or as before. Raises :class:`UsageError` for other
    classes and for a case that is there already, :class:`InputError` for a missing or different image.
    """
    case = review.case
    layouts = {LGE_CLASSES: _export_lge, CINE_CLASSES: _export_cine}
    export = next((e for classes, e in layouts.items() if _meaning(classes) == _meaning(case.classes)), None)
    if export is None:
        raise UsageError(f"{case.name}: only cases with the LGE or the cine classes can be exported")
    image = _input_image(case) if image is None else image
    _check_grid(case, image)
    return export(review, image, folder)


def _meaning(classes: tuple[ClassInfo, ...]) -> list[tuple[int, str]]:
    return [(info.value, info.name) for info in classes]


def _export_lge(review: Review, image: sitk.Image, folder: Path) -> Path:
    name = _case_name(review)
    if (folder / name).exists():
        raise UsageError(f"{folder / name} exists; move it away or choose another folder")

    def write(target: Path) -> None:
        for part, content in (("Images", image), ("Contours", _labels(review, image))):
            (target / part).mkdir()
            _write_image(content, target / part / f"{name}.nii.gz")
        _write_decisions(review, target / _DECISIONS)

    with new_folder(folder, name, overwrite=False, marker=_DECISIONS) as made:
        write(made)
    return folder / name


def _export_cine(review: Review, image: sitk.Image, folder: Path) -> Path:
    """One phase into the patient's folder, beside the other phase if that was exported before."""
    patient, phase = _patient_and_phase(review.case)
    target, stem = folder / patient, f"{patient}_frame{FRAMES[phase]:02d}"
    if (target / f"{stem}.nii.gz").exists():
        raise UsageError(f"{target} holds its {phase} frame; move it away or choose another folder")
    info = target / "Info.cfg"
    if target.exists() and not (info.is_file() and PHASES_KEY in info.read_text("utf-8")):
        raise UsageError(f"{target} was not exported by a review; choose another folder")

    def write(made: Path) -> None:
        _write_image(image, made / f"{stem}.nii.gz")
        _write_image(_labels(review, image), made / f"{stem}_gt.nii.gz")
        _write_decisions(review, made / f"decisions_{phase}.json")
        here = [p for p, number in FRAMES.items() if (made / f"{patient}_frame{number:02d}.nii.gz").exists()]
        frames = [f"{p}: {number}" for p, number in FRAMES.items()]
        lines = [*frames, "Group: reviewed", f"{PHASES_KEY}: {', '.join(here)}"]
        (made / "Info.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")

    with new_folder(folder, patient, overwrite=True, marker=info.name) as made:
        if target.exists():
            shutil.copytree(target, made, dirs_exist_ok=True)
        write(made)
    return target


def _patient_and_phase(case: CaseMaps) -> tuple[str, str]:
    """ "patient7", "ES" of a case "patient7_ES"; ACDC's reader wants every folder to begin with "patient"."""
    stem, _, end = re.sub(r"[-_ ](?=(ED|ES)$)", "\n", case.name).partition("\n")
    phase = str(case.measures.get("phase") or end or "ED")
    return stem if stem.startswith("patient") else f"patient_{stem}", phase


def _labels(review: Review, image: sitk.Image) -> sitk.Image:
    import SimpleITK as sitk

    labels = sitk.GetImageFromArray(review.labels)
    labels.CopyInformation(image)
    return labels


def _write_image(image: sitk.Image, path: Path) -> None:
    import SimpleITK as sitk

    sitk.WriteImage(image, str(path), useCompression=True)


def _write_decisions(review: Review, path: Path) -> None:
    case = review.case
    content = {
        "case": case.name,
        "input_sha256": case.input_sha256,
        "bundle": case.bundle,
        "bundle_sha256": case.bundle_sha256,
        "items": [
            {"item": item.key, "was": item.was, "became": item.became, "status": review.status(n).value}
            for n, item in enumerate(review.items)
        ],
        "decisions": [decision.as_json() for decision in review.decisions],
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _case_name(review: Review) -> str:
    name = review.case.name.removeprefix("Case_")
    if name[:1] in ("N", "P"):
        return f"Case_{name}"
    return f"Case_{'P' if np.isin(review.labels, PATHOLOGICAL).any() else 'N'}{name}"


def _input_image(case: CaseMaps) -> sitk.Image:
    """The image of the case on the grid of its file, from the path that it was computed from."""
    path = case.input_path
    if path is None or not path.exists():
        raise InputError(
            path or case.name, "the image of the case is no longer there", "load it and export again"
        )
    if path.is_dir():
        volume = read_volume(path)
        stored, geometry = volume.storage.to_stored(volume.array), volume.source_geometry
    else:  # voxel by voxel as it is, in its own number type
        file = read_image(path)
        stored, geometry = file.stored[0], file.geometry
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(stored)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    return image


def _check_grid(case: CaseMaps, image: sitk.Image) -> None:
    found = Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    if not found.matches(case.geometry, SAME_PLACE_MM):
        where = case.input_path or case.name
        raise InputError(where, "the image does not lie on the grid of the case", "give the case's own image")
