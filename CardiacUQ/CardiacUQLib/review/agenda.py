"""What a reader is asked to look at, in which order, and which voxels every stop covers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..inference.result import Component
from .case_maps import Box, CaseMaps
from .items import (
    SLICES_OFFERED,
    ReviewItem,
    component_item,
    place_item,
    remainder_item,
    slice_item,
    uncertain_slices,
)
from .places import in_question, place_regions


@dataclass(frozen=True)
class Agenda:
    """The stops of a review.

    The first ``listed`` of ``items`` are worth a look, best first; the rest is folded behind one line.
    ``regions`` is int32 (k, j, i), position of the item that a voxel belongs to, from 1, and 0 in none;
    ``questioned`` is True where its words put the label of a voxel in question. Both are None for slices.
    """

    items: tuple[ReviewItem, ...]
    listed: int
    regions: np.ndarray | None = None
    questioned: np.ndarray | None = None


def agenda_of(case: CaseMaps) -> Agenda:
    """Places worth a look, then the components that lie in none of them; without places the components by
    priority; without any, the slices of highest mean uncertainty."""
    if case.looks is not None:
        return _places_first(case)
    if case.components:
        return _components(case)
    items = tuple(slice_item(case, number) for number in uncertain_slices(case, SLICES_OFFERED))
    return Agenda(items, len(items))


def _components(case: CaseMaps) -> Agenda:
    ordered = _by_priority(case)
    position = np.zeros(max(c.id for c in ordered) + 1, np.int32)
    position[[c.id for c in ordered]] = np.arange(1, len(ordered) + 1)
    items = tuple(component_item(case, component) for component in ordered)
    regions = position[_ids(case)]
    return Agenda(items, len(items), regions, regions > 0)


def _places_first(case: CaseMaps) -> Agenda:
    regions = np.zeros(case.segmentation.shape, np.int32)
    questioned = np.zeros(regions.shape, bool)
    items: list[ReviewItem] = []
    for place in place_regions(case):
        doubt = in_question(case, place)
        items.append(place_item(case, place, doubt))
        regions[place.mask] = len(items)
        questioned |= doubt
    listed = len(items)
    for component in _by_priority(case):
        box: Box = case.component_boxes[component.id]
        rest = (_ids(case)[box] == component.id) & (regions[box] == 0)
        if rest.any():
            items.append(remainder_item(case, component, rest))
            regions[box][rest] = len(items)
            questioned[box] |= rest
    return Agenda(tuple(items), listed, regions, questioned)


def _by_priority(case: CaseMaps) -> list[Component]:
    return sorted(case.components, key=lambda c: (-c.priority, c.id))


def _ids(case: CaseMaps) -> np.ndarray:
    if case.component_ids is None:
        raise ValueError(f"{case.name}: components without a map of them")
    return case.component_ids
