"""The stops of a review: places, regions or slices, and the words on the card of each."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

import numpy as np

from ..bundles.map_catalogue import MapName
from ..images.slice_number import slices_text
from ..inference.result import Component
from ..uncertainty.look import Look
from .case_maps import SCORES, Box, CaseMaps
from .places import PlaceRegion

SLICES_OFFERED = 3
"""How many of the most uncertain slices are offered where no region was corrected."""

LEAST_SCAR_ML = 0.05
"""Below this no scar is said to be at stake."""


class ItemKind(enum.StrEnum):
    """A place worth a look, a region of the correction map, or a whole slice where there is neither."""

    PLACE = "place"
    COMPONENT = "component"
    SLICE = "slice"


@dataclass(frozen=True)
class ReviewItem:
    """One stop of the review.

    ``number`` is that of the place, the component's id or the slice counted from 0 in slice order. ``was``
    and ``became`` are label values in question, None for slices and where the words name none. ``voxels``
    and ``volume_ml`` are those in question, of a slice those of its heart. ``centre_ras`` in mm is the
    centre of a place, else a voxel centre of the item (of its heart, for a slice). ``mean_score`` is the
    mean of ``score`` over the item. A place has its ``look``; ``proposed`` is the label whose outline it
    offers.
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
    look: Look | None = None
    proposed: int | None = None

    @property
    def key(self) -> str:
        """Name of the item in ``review.json``, stable between sessions."""
        return f"{self.kind.value} {self.number}"


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


def place_item(case: CaseMaps, place: PlaceRegion, questioned: np.ndarray) -> ReviewItem:
    """A place worth a look; ``questioned`` (k, j, i) is True for its voxels in question."""
    look, voxels = place.look, int(np.count_nonzero(questioned))
    whole = _whole(case)
    score = _score_of_regions(case)
    return ReviewItem(
        kind=ItemKind.PLACE,
        number=look.number,
        was=look.was,
        became=look.became,
        voxels=voxels,
        volume_ml=voxels * case.geometry.voxel_volume_ml,
        centre_ras=look.centre_ras,
        score=score,
        mean_score=_mean(case, MapName.SCS, place.mask, whole) or 0.0,
        mean_error_probability=_mean(case, MapName.ERROR_PROBABILITY, place.mask, whole),
        look=look,
        proposed=look.label if place.outlined else None,
    )


def component_item(case: CaseMaps, component: Component) -> ReviewItem:
    """A region of the correction map."""
    if case.component_ids is None:
        raise ValueError(f"{case.name}: component {component.id} without a map of components")
    mask = case.component_ids[case.component_boxes[component.id]] == component.id
    item = remainder_item(case, component, mask)
    volume_ml = component.volume_mm3 / 1000.0
    return replace(item, volume_ml=volume_ml, mean_score=component.mean_scs)


def remainder_item(case: CaseMaps, component: Component, mask: np.ndarray) -> ReviewItem:
    """What is left of a component; ``mask`` (k, j, i) covers its bounding box only."""
    box, voxels = case.component_boxes[component.id], int(np.count_nonzero(mask))
    return ReviewItem(
        kind=ItemKind.COMPONENT,
        number=component.id,
        was=component.was,
        became=component.became,
        voxels=voxels,
        volume_ml=voxels * case.geometry.voxel_volume_ml,
        centre_ras=_central_voxel_ras(case, mask, box),
        score=_score_of_regions(case),
        mean_score=_mean(case, MapName.SCS, mask, box) or 0.0,
        mean_error_probability=_mean(case, MapName.ERROR_PROBABILITY, mask, box),
    )


def slice_item(case: CaseMaps, number: int) -> ReviewItem:
    """A whole slice, counted from 0 in slice order."""
    mask = case.slice_mask(number) & case.foreground
    whole = _whole(case)
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


def _whole(case: CaseMaps) -> Box:
    planes, rows, columns = case.segmentation.shape
    return (slice(0, planes), slice(0, rows), slice(0, columns))


def _score_of_regions(case: CaseMaps) -> MapName | None:
    return MapName.SCS if MapName.SCS in case.maps else None


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


def card_text(case: CaseMaps, items: tuple[ReviewItem, ...], listed: int, index: int) -> str:
    """One line: "2D said MVO, 3D says infarct; 41 voxels, 0.6 ml; P(wrong) 0.47; region 2 of 5" """
    item = items[index]
    place = "slice" if item.kind is ItemKind.SLICE else "region"
    position = f"{place} {index + 1} of {listed}"
    if index >= listed:
        position = f"further {place} {index + 1 - listed} of {len(items) - listed}"
    size = f"{item.voxels} voxels, {_ml(item.volume_ml)} ml" if item.voxels and item.proposed is None else ""
    return "; ".join(part for part in (title(case, item), size, _worth(item), position) if part)


def title(case: CaseMaps, item: ReviewItem) -> str:
    """What the item is about: "2D said MVO, 3D says infarct" or "possible MVO, 0.4 ml, probability 0.35" """
    return _opinions(case, item) if item.look is None else item.look.text


def _worth(item: ReviewItem) -> str:
    """What a look is expected to bring; where nobody knows, how doubtful the region is."""
    if item.look is None:
        return _doubt(item)
    scar = f", {_ml(item.look.scar_ml)} ml of scar at stake" if item.look.scar_ml >= LEAST_SCAR_ML else ""
    return f"expected gain {item.look.gain:.3f} Dice{scar}"


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
