"""What the types of a case record cannot say: that its parts fit together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from ..bundles.manifest import ClassInfo
from ..images.volume import Geometry, StorageOrder
from ..inference.result import Component
from ..uncertainty.look import Look

_AGAIN = "segment the image again"
_MOST_CLASSES = 16
_MOST_VOXELS = 2**31
_LONGEST_MM = 1e4
_SQUARE = 1e-3
"""How far the axes of a grid may be from right angles and unit length."""


def check_record(
    path: Path,
    classes: Sequence[ClassInfo],
    geometry: Geometry,
    storage: StorageOrder,
    pass_volumes_ml: Sequence[Sequence[float]],
) -> None:
    """Raise InputError naming the first entry of the record at ``path`` that cannot be."""
    problem = _classes(classes) or _grid(geometry) or _order(storage) or _passes(pass_volumes_ml, classes)
    if problem:
        raise InputError(path, problem, _AGAIN)


def check_components(components: Sequence[Component], classes: int, path: Path) -> None:
    """Raise InputError naming the first row of a component table that cannot be."""
    for number, one in enumerate(components, 1):
        numbers = [*one.centroid_ras, one.volume_mm3, one.priority]
        scores = (one.mean_scs, one.max_scs)
        if not all(map(math.isnan, scores)):  # opinions compared by their labels alone have no score
            numbers += scores
        if not all(map(math.isfinite, numbers)):
            problem = "holds a number that is not finite"
        elif not (0 <= one.was < classes and 0 <= one.became < classes) or one.was == one.became:
            problem = f"corrects {one.was} to {one.became}, of {classes} classes"
        elif one.id < 1 or one.voxels < 1 or one.volume_mm3 < 0 or not 0 <= one.first_slice <= one.last_slice:
            problem = "has no voxels or no slices"
        else:
            continue
        raise InputError(path, f"component {one.id} in row {number} {problem}", _AGAIN)


def check_looks(
    path: Path, looks: Sequence[Look], classes: Sequence[ClassInfo], geometry: Geometry, storage: StorageOrder
) -> None:
    """Raise InputError naming the first place worth a look that cannot be in such a case."""
    slices = geometry.shape[storage.axes[0]]
    for position, look in enumerate(looks):
        labels = [label for label in (look.label, look.was, look.became) if label is not None]
        numbers = (*look.centre_ras, look.radius_mm, look.gain, look.scar_ml)
        if not 0 <= look.slice < slices:
            problem = f"lies in slice {look.slice} of {slices}"
        elif not all(0 <= label < len(classes) for label in labels):
            problem = "has a label that is no class"
        elif not all(map(math.isfinite, numbers)):
            problem = "holds a number that is not finite"
        else:
            continue
        raise InputError(path, f"case.looks[{position}] {problem}", _AGAIN)


def _classes(classes: Sequence[ClassInfo]) -> str:
    values = [info.value for info in classes]
    if values != list(range(len(values))) or not 2 <= len(values) <= _MOST_CLASSES:
        return f"case.classes must be 2 to {_MOST_CLASSES} classes numbered from 0"
    return ""


def _grid(geometry: Geometry) -> str:
    if min(geometry.size) < 1 or math.prod(geometry.size) > _MOST_VOXELS:
        return f"case.geometry.size {geometry.size} is no size of an image"
    if not all(0 < mm <= _LONGEST_MM for mm in geometry.spacing):
        return f"case.geometry.spacing {geometry.spacing} is no voxel size in mm"
    axes = np.reshape(geometry.direction, (3, 3))
    if np.abs(axes.T @ axes - np.eye(3)).max() > _SQUARE:
        return "case.geometry.direction is no set of three axes at right angles"
    return ""


def _order(storage: StorageOrder) -> str:
    if sorted(storage.axes) != [0, 1, 2]:
        return f"case.storage.axes {storage.axes} is no order of three axes"
    return ""


def _passes(pass_volumes_ml: Sequence[Sequence[float]], classes: Sequence[ClassInfo]) -> str:
    for number, row in enumerate(pass_volumes_ml):
        if len(row) != len(classes) or min(row, default=0.0) < 0:
            return f"case.pass_volumes_ml[{number}] is no row of {len(classes)} volumes"
    return ""
