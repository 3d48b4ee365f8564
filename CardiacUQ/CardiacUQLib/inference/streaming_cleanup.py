"""A heart has one of each chamber: what lies apart from the main part of a structure is none of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from ..base.regions import connected
from ..bundles.manifest import ClassInfo
from ..measures.anatomy import class_values, measurable

CONNECTIVITY = np.ones((3, 3, 3), bool)
"""26 neighbours, so that a thin oblique wall between two slices holds together."""
AROUND = np.ones((1, 3, 3), bool)
"""The in-plane neighbourhood in which a cavity meets its wall."""


WALL_AROUND = 0.35
"""Share of the pixels around the cavity of a slice that are wall at least; readers count a slice as
ventricle from half a circumference on, and an atrium has none."""
ENCLOSED = 0.6
"""Share from which on a cavity is a ventricle's, however wide; networks draw some wall around an atrium."""


def main_parts(labels: np.ndarray, classes: Sequence[ClassInfo]) -> np.ndarray:
    """Labels (z, y, x), uint8, with all but the main connected part of every structure as background.

    The main part is the largest one; that of the left ventricular cavity is the one that meets the most
    myocardium, since a right ventricle taken for a left one may be larger. A cavity that no ventricle can
    have, wider than the whole left ventricle in the slice beside it and not enclosed by wall, is an
    atrium and goes too; no reader's label of ACDC is like that. The rule of every cine ensemble, chosen on
    predictions of folds that had not seen the patient.
    """
    values = class_values(classes) if measurable(classes) else {}
    cleaned = labels.copy()
    wall = labels == values["wall"] if "wall" in values else None
    for info in classes:
        mask = labels == info.value
        box = ndimage.find_objects(mask.astype(np.uint8)) if info.value else []
        if not box:
            continue
        parts, count = connected(mask[box[0]], CONNECTIVITY)
        if count < 2:
            continue
        sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
        if wall is not None and info.value == values.get("cavity"):
            contact = _contact(labels.shape, box[0], parts, wall)
            sizes = contact if contact.any() else sizes
        cleaned[box[0]][(parts > 0) & (parts != 1 + int(sizes.argmax()))] = 0
    if wall is not None and "cavity" in values:
        atria = _atria(cleaned, values)[:, None, None] & (cleaned == values["cavity"])
        if atria.any():  # what lies beyond them now lies apart
            return main_parts(np.where(atria, 0, cleaned).astype(labels.dtype), classes)
    return cleaned


def walled_cavity(labels: np.ndarray, classes: Sequence[ClassInfo]) -> np.ndarray:
    """Mask (z, y, x) of the cavity in the slices where enough wall is around it, all if it is in none.

    For finding end-systole, where one atrium taken for a ventricle hides how much the ventricle empties.
    Labels keep such slices unless their cavity is too wide for a ventricle: readers trace a basal slice
    with little wall, and leaving it out costs Dice.
    """
    values = class_values(classes)
    cavity = labels == values["cavity"]
    if "wall" not in values:
        return cavity
    walled = wall_share(cavity, labels == values["wall"]) >= WALL_AROUND
    return cavity & walled[:, None, None] if walled.any() else cavity


def wall_share(cavity: np.ndarray, wall: np.ndarray) -> np.ndarray:
    """Share of the rim of the cavity that is wall, slice by slice (z,); 0 where there is no cavity."""
    rim = ndimage.binary_dilation(cavity, AROUND) & ~cavity
    return (rim & wall).sum(axis=(1, 2)) / np.maximum(1, rim.sum(axis=(1, 2)))


def _atria(labels: np.ndarray, values: Mapping[str, int]) -> np.ndarray:
    """Slices (z,) whose cavity is not enclosed and wider than cavity and wall together in a slice with
    wall beside it."""
    cavity, wall = labels == values["cavity"], labels == values["wall"]
    share = wall_share(cavity, wall)
    ventricle = np.where(share >= WALL_AROUND, (cavity | wall).sum(axis=(1, 2)), 0)
    beside = np.maximum(np.append(ventricle[1:], 0), np.append(0, ventricle[:-1]))
    return (share < ENCLOSED) & (beside > 0) & (cavity.sum(axis=(1, 2)) > beside)


def _contact(
    shape: tuple[int, ...], box: tuple[slice, ...], parts: np.ndarray, wall: np.ndarray
) -> np.ndarray:
    """Voxels of ``wall`` in the plane next to each of the ``parts`` inside ``box``."""
    whole = np.zeros(shape, parts.dtype)
    whole[box] = parts
    near = ndimage.grey_dilation(whole, footprint=AROUND)
    return np.bincount(near[wall], minlength=parts.max() + 1)[1:]
