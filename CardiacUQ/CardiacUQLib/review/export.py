"""A reviewed case as a training case: image, corrected labels and how they came about."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..classes import LGE_CLASSES
from ..errors import InputError, UsageError
from ..reading import geometry_of
from .case_maps import CaseMaps
from .review import Review

PATHOLOGICAL = (3, 4)
"""Labels whose presence puts a case into EMIDEC's group P: infarct and MVO."""


def export_reviewed(review: Review, folder: Path, image: sitk.Image | None = None) -> Path:
    """Write ``Case_X/Images``, ``Case_X/Contours`` and ``Case_X/decisions.json`` below ``folder``.

    This is EMIDEC's layout, so `cardiacuq train --dataset emidec` reads the folder as it is. X is the
    name of the case, with "P" before it if an infarct is left and "N" otherwise, unless the name
    already begins so: the reader balances its folds by that letter. ``image`` is the input volume;
    by default it is read from the path that the case was computed from.

    Returns the case's folder, which is complete or absent. Raises :class:`UsageError` for a case
    whose classes are not EMIDEC's or whose folder exists, :class:`InputError` for a missing or
    different image.
    """
    case = review.case
    if [info.value for info in case.classes] != [info.value for info in LGE_CLASSES]:
        raise UsageError(f"{case.name}: only LGE cases can be exported in EMIDEC's layout")
    image = _input_image(case) if image is None else image
    _check_grid(case, image)
    name = _case_name(review)
    target = folder / name
    if target.exists():
        raise UsageError(f"{target} exists; move it away or choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder))
    try:
        _write(review, image, temporary, name)
        temporary.chmod(0o755)
        temporary.replace(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return target


def _write(review: Review, image: sitk.Image, folder: Path, name: str) -> None:
    labels = sitk.GetImageFromArray(review.labels)
    labels.CopyInformation(image)
    for part, content in (("Images", image), ("Contours", labels)):
        (folder / part).mkdir()
        sitk.WriteImage(content, str(folder / part / f"{name}.nii.gz"), useCompression=True)
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
    (folder / "decisions.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _case_name(review: Review) -> str:
    name = review.case.name.removeprefix("Case_")
    if name[:1] in ("N", "P"):
        return f"Case_{name}"
    return f"Case_{'P' if np.isin(review.labels, PATHOLOGICAL).any() else 'N'}{name}"


def _input_image(case: CaseMaps) -> sitk.Image:
    path = case.input_path
    if path is None or not path.is_file():
        raise InputError(
            path or case.name, "the image of the case is no longer there", "load it and export again"
        )
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(path, "the image of the case cannot be read", "load it and export again") from error


def _check_grid(case: CaseMaps, image: sitk.Image) -> None:
    found = geometry_of(image)
    if not found.matches(case.geometry, tolerance_mm=0.01):
        where = case.input_path or case.name
        raise InputError(where, "the image does not lie on the grid of the case", "give the case's own image")
