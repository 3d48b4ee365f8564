"""The places of a case worth a look, as regions of its voxels: no voxel belongs to two of them.

What is proposed is a region of its own, through all its slices: one look decides on it. Any other place is
its disc in one slice, less what a proposal or a better place has already.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..bundles.classes import LESIONS
from ..bundles.map_catalogue import MapName
from ..images.orientation import reorder_geometry
from ..images.volume import Geometry
from ..uncertainty.look import Look, LookKind
from .case_maps import CaseMaps

DOUBTED_FROM = 0.3
"""P(wrong) from which a voxel belongs to the doubt about a label that both opinions give."""


@dataclass(frozen=True)
class PlaceRegion:
    """A place and its region, boolean (k, j, i); ``outlined`` if that is the outline of what it proposes."""

    look: Look
    mask: np.ndarray
    outlined: bool


def place_regions(case: CaseMaps) -> tuple[PlaceRegion, ...]:
    """The places of a case, the most rewarding first; none where nobody has looked."""
    looks = _one_for_each_proposal(case.looks or ())
    outlines = [_outline(case, look) for look in looks]
    taken = np.zeros(case.segmentation.shape, bool)
    for outline in outlines:
        if outline is not None:
            taken |= outline
    found = []
    for look, outline in zip(looks, outlines, strict=True):
        region = outline if outline is not None else _disc(case, look) & ~taken
        taken |= region
        if region.any():
            found.append(PlaceRegion(look, region, outline is not None))
    return tuple(found)


def in_question(case: CaseMaps, place: PlaceRegion) -> np.ndarray:
    """Boolean (k, j, i): the voxels of a place whose label its words put in question."""
    look, labels = place.look, case.segmentation
    if place.outlined:
        return place.mask
    if look.became is None:
        return np.zeros(labels.shape, bool)
    if look.was is not None:
        differs = np.zeros(labels.shape, bool) if case.opinion is None else case.opinion == look.was
        return place.mask & (labels == look.became) & differs
    if look.probability is not None:  # a lesion that may not be there at all
        parts = LESIONS.get(case.class_name(look.became), ())
        return place.mask & np.isin(labels, [c.value for c in case.classes if c.name in parts])
    return place.mask & (labels == look.became) & (case.maps[MapName.ERROR_PROBABILITY] >= DOUBTED_FROM)


def _one_for_each_proposal(looks: tuple[Look, ...]) -> list[Look]:
    """Places that show slices of one proposal become one, worth what they are worth together."""
    kept: dict[object, Look] = {}
    for look in looks:
        key = look.label if look.kind is LookKind.SECOND_LOOK else -look.number
        first = kept.get(key)
        if first is not None:
            look = replace(first, gain=first.gain + look.gain, scar_ml=first.scar_ml + look.scar_ml)
        kept[key] = look
    return sorted(kept.values(), key=lambda look: (-look.gain, look.number))


def _outline(case: CaseMaps, look: Look) -> np.ndarray | None:
    if look.label is None or case.proposals is None:
        return None
    outline = case.proposals == look.label
    return outline if outline.any() else None


def _disc(case: CaseMaps, look: Look) -> np.ndarray:
    """The disc of a place in its slice, boolean (k, j, i)."""
    grid = reorder_geometry(case.geometry, case.storage)
    ordered = np.zeros(grid.shape, bool)
    ordered[look.slice] = _round(grid, look)
    return case.storage.to_stored(ordered)


def _round(grid: Geometry, look: Look) -> np.ndarray:
    lps = (-look.centre_ras[0], -look.centre_ras[1], look.centre_ras[2], 1.0)
    column, row = (np.linalg.inv(grid.index_to_lps) @ lps)[:2]
    y, x = np.ogrid[: grid.shape[1], : grid.shape[2]]
    return np.hypot((y - row) * grid.spacing[1], (x - column) * grid.spacing[0]) <= look.radius_mm
