"""A DICOM archive, many patients and series in any folders, sorted into cases and skipped series."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.images.dicom_headers import SliceHeader, read_header

from .case import Case, Skipped, safe_name
from .late_enhancement import read_series_header, why_not


def is_dicom(path: Path) -> bool:
    """True for a file with the DICOM prefix; False for one that cannot be opened."""
    try:
        with path.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def series_cases(
    root: Path, files: Sequence[Path], model: Case
) -> tuple[tuple[Case, ...], tuple[Skipped, ...]]:
    """The series of ``files`` below ``root`` that are LGE candidates as cases, all others with the reason.

    A single series of one patient is what the user chose and is taken as it is. ``model`` gives the
    cases their bundle and options.
    """
    groups, damaged = _by_series(files)
    if len(groups) == 1:  # a damaged file beside it is named when the series is read
        ((uid, images),) = groups.items()
        return (replace(model, source=str(_folder_of(images)), series=uid, files=_in_order(images)),), ()
    cases: list[Case] = []
    skipped = list(damaged)
    for uid, images in sorted(groups.items(), key=lambda item: (item[1][0].number, item[0])):
        header = read_series_header(images[0].path)
        folder = _folder_of(images)
        patient = header.patient or folder.relative_to(root.parent).as_posix()
        name = safe_name(f"{patient}-series{images[0].number:03d}")
        if reason := why_not(images, header):
            skipped.append(Skipped(name, str(folder), reason, uid))
        else:
            found = replace(model, name=name, source=str(folder), series=uid)
            cases.append(replace(found, files=_in_order(images)))
    return tuple(sorted(cases, key=lambda case: case.name)), tuple(skipped)


def _by_series(files: Sequence[Path]) -> tuple[dict[str, list[SliceHeader]], list[Skipped]]:
    groups: dict[str, list[SliceHeader]] = {}
    damaged: list[Skipped] = []
    for path in files:
        try:
            image = read_header(path)
        except InputError as error:
            damaged.append(Skipped(path.name, str(path), f"{error.problem}; {error.remedy}"))
            continue
        if image is not None:
            groups.setdefault(image.series, []).append(image)
    return groups, damaged


def _folder_of(images: Sequence[SliceHeader]) -> Path:
    """The deepest folder that holds the whole series."""
    return Path(os.path.commonpath([image.path.parent for image in images]))


def _in_order(images: Sequence[SliceHeader]) -> tuple[str, ...]:
    """The files in slice order, each SOP instance once, so that their hash is that of the volume read."""
    first = {image.instance or str(image.path): image for image in reversed(images)}
    kept = [image for image in images if first[image.instance or str(image.path)] is image]
    if any(len(image.position) != 3 or len(image.axes) != 6 for image in kept):
        return tuple(str(image.path) for image in kept)
    kept = sorted(kept, key=lambda image: float(np.dot(image.position, kept[0].normal)))
    return tuple(str(image.path) for image in kept)
