"""The queue: which regions a reader should look at, and the words on the card of each."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from ..bundles.map_catalogue import MapName
from ..images.slice_number import slices_text
from ..inference.result import Component
from .case_maps import SCORES, Box, CaseMaps

SLICES_OFFERED = 3
"""How many of the most uncertain slices are offered where no region was corrected."""


class ItemKind(enum.StrEnum):
    """A region of the correction map, or a whole slice where there is none."""

    COMPONENT = "component"
    SLICE = "slice"


@dataclass(frozen=True)
class ReviewItem:
    """One stop of the review.

    ``number`` is the component's id or the slice counted from 0 in slice order. ``was`` and
    ``became`` are label values, None for slices. ``centre_ras`` in mm is a voxel centre of the item
    (of its heart, for a slice). ``mean_score`` is the mean of ``score`` over the item.
    """

    kind: ItemKind
    number: int
    was: int | None
    became: int | None
    voxels: int
    volume_ml: float
    centre_ras: tuple[float, float, float]
    score: MapName | None
    mean_score: float
    mean_error_probability: float | None

    @property
    def key(self) -> str:
        """Name of the item in ``review.json``, stable between sessions."""
        return f"{self.kind.value} {self.number}"


def review_items(case: CaseMaps) -> tuple[ReviewItem, ...]:
    """Components by priority, highest first; without any, the slices of highest mean uncertainty."""
    if case.components:
        ordered = sorted(case.components, key=lambda c: (-c.priority, c.id))
        return tuple(_component_item(case, component) for component in ordered)
    return tuple(_slice_item(case, number) for number in uncertain_slices(case, SLICES_OFFERED))


def item_mask(case: CaseMaps, item: ReviewItem) -> np.ndarray:
    """Boolean (k, j, i) mask of the voxels that a decision about the item may change."""
    if item.was is None or item.became is None:
        return case.slice_mask(item.number)
    return case.component_ids == item.number


def uncertain_slices(case: CaseMaps, count: int) -> tuple[int, ...]:
    """Slices that show the heart, by their mean score over it, highest first."""
    score = score_of(case)
    if score is None:
        return ()
    profile = case.slice_profile(score)
    order = sorted(np.flatnonzero(~np.isnan(profile)), key=lambda z: (-profile[z], z))
    return tuple(int(z) for z in order[:count])


def score_of(case: CaseMaps) -> MapName | None:
    """The map that ranks slices, None if the case has no map."""
    return next((name for name in SCORES if name in case.maps), None)


def _component_item(case: CaseMaps, component: Component) -> ReviewItem:
    box = case.component_boxes[component.id]
    if case.component_ids is None:
        raise ValueError(f"{case.name}: component {component.id} without a map of components")
    mask = case.component_ids[box] == component.id
    return ReviewItem(
        kind=ItemKind.COMPONENT,
        number=component.id,
        was=component.was,
        became=component.became,
        voxels=component.voxels,
        volume_ml=component.volume_mm3 / 1000.0,
        centre_ras=_central_voxel_ras(case, mask, box),
        score=MapName.SCS if MapName.SCS in case.maps else None,
        mean_score=component.mean_scs,
        mean_error_probability=_mean(case, MapName.ERROR_PROBABILITY, mask, box),
    )


def _slice_item(case: CaseMaps, number: int) -> ReviewItem:
    mask = case.slice_mask(number) & case.foreground
    whole = (slice(0, mask.shape[0]), slice(0, mask.shape[1]), slice(0, mask.shape[2]))
    voxels = int(mask.sum())
    score = score_of(case)
    if score is None:
        raise ValueError(f"{case.name}: no map ranks its slices")
    return ReviewItem(
        kind=ItemKind.SLICE,
        number=number,
        was=None,
        became=None,
        voxels=voxels,
        volume_ml=voxels * case.geometry.voxel_volume_ml,
        centre_ras=_central_voxel_ras(case, mask, whole),
        score=score,
        mean_score=float(case.slice_profile(score)[number]),
        mean_error_probability=_mean(case, MapName.ERROR_PROBABILITY, mask, whole),
    )


def _mean(case: CaseMaps, name: MapName, mask: np.ndarray, box: Box) -> float | None:
    return float(case.maps[name][box][mask].mean(dtype=np.float64)) if name in case.maps else None


def _central_voxel_ras(case: CaseMaps, mask: np.ndarray, box: Box) -> tuple[float, float, float]:
    """RAS of the voxel of the mask nearest to its centroid: the centroid of a ring lies outside it.

    ``mask`` (k, j, i) covers ``box`` of the case only.
    """
    kji = np.argwhere(mask) + [extent.start for extent in box]
    spacing = np.asarray(case.geometry.spacing)[::-1]
    distances = np.linalg.norm((kji - kji.mean(axis=0)) * spacing, axis=1)
    ras = case.geometry.index_to_ras(kji[int(distances.argmin())][::-1])
    return (float(ras[0]), float(ras[1]), float(ras[2]))


def card_text(case: CaseMaps, items: tuple[ReviewItem, ...], index: int) -> str:
    """One line: "2D said MVO, 3D says infarct; 41 voxels, 0.6 ml; P(wrong) 0.47; region 2 of 5"."""
    item = items[index]
    parts = [_opinions(case, item), f"{item.voxels} voxels, {_ml(item.volume_ml)} ml", _doubt(item)]
    place = "region" if item.kind is ItemKind.COMPONENT else "slice"
    parts.append(f"{place} {index + 1} of {len(items)}")
    return "; ".join(part for part in parts if part)


def _opinions(case: CaseMaps, item: ReviewItem) -> str:
    if item.was is None or item.became is None:
        which = slices_text([item.number])
        return f"{which} of the stack is among the most uncertain, no region was corrected"
    was, became = case.class_name(item.was), case.class_name(item.became)
    first, final = case.kind.opinions
    return f"{first} said {was}, {final} says {became}"


def _doubt(item: ReviewItem) -> str:
    if item.mean_error_probability is not None:
        return f"P(wrong) {item.mean_error_probability:.2f}"
    if item.score is None:
        return ""  # two label maps without probabilities
    return f"{item.score.info.title} {item.mean_score:.2f}"


def _ml(volume: float) -> str:
    """Millilitres with one sensible digit: 12, 3.4, 0.6, 0.04."""
    if volume >= 10:
        return f"{volume:.0f}"
    return f"{volume:.1f}" if volume >= 0.095 else f"{volume:.1g}"
