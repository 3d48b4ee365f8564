"""Labels as anatomy: which voxels are cavity, wall, infarct, no-reflow and right ventricle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base.errors import UsageError
from ..base.regions import connected
from ..bundles.manifest import ClassInfo
from ..images.slice_number import slices_text
from ..images.volume import Geometry

DENSITY_G_PER_ML = 1.05
"""Density of myocardium, the value every cardiac tool uses."""

CAVITY_NAMES = ("blood pool", "LV")
WALL_NAMES = ("healthy myocardium", "myocardium")


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Boolean masks (z, y, x); ``wall`` holds healthy and infarcted myocardium, ``infarct`` holds MVO.

    ``infarct``, ``mvo`` and ``rv`` are None where the label set does not know the structure, which is
    not the same as a structure of zero volume.
    """

    cavity: np.ndarray
    wall: np.ndarray
    infarct: np.ndarray | None = None
    mvo: np.ndarray | None = None
    rv: np.ndarray | None = None

    @property
    def left_ventricle(self) -> np.ndarray:
        """Cavity and wall together."""
        return self.cavity | self.wall

    @property
    def wall_slices(self) -> np.ndarray:
        """Indices of the slices that hold myocardium, ascending."""
        return np.flatnonzero(self.wall.any(axis=(1, 2)))


def class_values(classes: Sequence[ClassInfo]) -> dict[str, int]:
    """Label value of every structure the measures know, by role: cavity, wall, infarct, mvo, rv."""
    by_name = {info.name: info.value for info in classes}
    roles = {"infarct": by_name.get("infarct"), "mvo": by_name.get("MVO"), "rv": by_name.get("RV")}
    for role, names in (("cavity", CAVITY_NAMES), ("wall", WALL_NAMES)):
        roles[role] = next((by_name[name] for name in names if name in by_name), None)
        if roles[role] is None:
            raise UsageError(
                f"the classes {sorted(by_name)} name no {role}; one of {names} is needed to measure"
            )
    return {role: value for role, value in roles.items() if value is not None}


def measurable(classes: Sequence[ClassInfo]) -> bool:
    """True if the classes name a left ventricular wall and cavity."""
    names = {info.name for info in classes}
    return bool(names.intersection(CAVITY_NAMES)) and bool(names.intersection(WALL_NAMES))


def anatomy_of(labels: np.ndarray, classes: Sequence[ClassInfo], geometry: Geometry) -> Anatomy:
    """Split a label map (z, y, x) into masks.

    Raises :class:`UsageError` if the labels are not on ``geometry`` or the geometry has no volume.
    """
    if labels.shape != geometry.shape:
        raise UsageError(
            f"the labels have the shape {labels.shape} (z, y, x), the image has {geometry.shape}; "
            "give labels drawn on this image"
        )
    if not (np.isfinite(geometry.spacing).all() and min(geometry.spacing) > 0):
        raise UsageError(
            f"the voxel spacing {geometry.spacing} mm is not positive, so volumes are undefined; "
            "give an image whose header holds its spacing"
        )
    value = class_values(classes)
    mvo = labels == value["mvo"] if "mvo" in value else None
    infarct = labels == value["infarct"] if "infarct" in value else None
    if infarct is not None and mvo is not None:
        infarct = infarct | mvo
    wall = labels == value["wall"]
    return Anatomy(
        cavity=labels == value["cavity"],
        wall=wall if infarct is None else wall | infarct,
        infarct=infarct,
        mvo=mvo,
        rv=labels == value["rv"] if "rv" in value else None,
    )


def volume_ml(mask: np.ndarray, geometry: Geometry) -> float:
    """Volume of a mask; a slice stands for the whole distance to the next one."""
    return float(np.count_nonzero(mask)) * geometry.voxel_volume_ml


def percent(part: float, whole: float) -> float | None:
    """Share in percent, None where there is no whole to take a share of."""
    return 100.0 * part / whole if whole > 0 else None


def largest_region(mask_yx: np.ndarray) -> np.ndarray:
    """Largest 4-connected region of a 2D mask: stray voxels must not steer centres and chords."""
    regions, count = connected(mask_yx)
    if count <= 1:
        return mask_yx
    return regions == 1 + np.argmax(np.bincount(regions.ravel())[1:])


def stack_notes(anatomy: Anatomy) -> tuple[str, ...]:
    """What a reader has to know about the stack before trusting a volume of it."""
    slices = anatomy.wall_slices
    if slices.size == 0:
        return ("no myocardium was found: sizes are zero and shares undefined",)
    notes = []
    if not anatomy.cavity.any():
        notes.append("no blood pool was found: transmurality and segments are undefined")
    gaps = sorted(set(range(slices[0], slices[-1] + 1)) - set(slices.tolist()))
    if gaps:
        notes.append(
            f"no myocardium in {slices_text(gaps)} between slices that have it: its volume is missing"
        )
    return tuple(notes)
