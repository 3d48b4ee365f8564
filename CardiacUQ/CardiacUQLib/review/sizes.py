"""Measures of corrected labels: the sizes after every decision, everything when asked for.

An untouched case keeps the measures and intervals of its networks. Corrected labels have no
intervals: the spread of the networks says nothing about what a reader drew.
"""

from __future__ import annotations

from typing import Any

from ..measures import Frame, frame_measures, headline, lge_measures, measures_json
from ..measures.anatomy import anatomy_of
from ..measures.lge import lge_sizes
from ..orientation import reorder_geometry
from .review import Review


def corrected_measures(review: Review) -> dict[str, Any]:
    """Content of ``measures.json`` for the labels as they stand."""
    if _as_computed(review):
        return dict(review.case.measures)
    case = review.case
    labels, geometry = case.storage.from_stored(review.labels), reorder_geometry(case.geometry, case.storage)
    if _is_lge(review):
        return measures_json(lge_measures(labels, geometry, case.classes))
    return measures_json(frame_measures(Frame(labels, geometry), case.classes))


def corrected_sizes(review: Review) -> dict[str, Any]:
    """The same with only the sizes and the headline for LGE, in a few milliseconds."""
    if _as_computed(review) or not _is_lge(review):
        return corrected_measures(review)
    case = review.case
    labels, geometry = case.storage.from_stored(review.labels), reorder_geometry(case.geometry, case.storage)
    values = lge_sizes(anatomy_of(labels, case.classes, geometry), geometry)
    sizes = {key: {"value": value, "interval": None} for key, value in values.items()}
    content = {"kind": "lge", "sizes": sizes, "notes": ["corrected by a reader"]}
    return {"headline": headline(content), **content}


def _as_computed(review: Review) -> bool:
    return not any(decision.runs for decision in review.decisions) and "headline" in review.case.measures


def _is_lge(review: Review) -> bool:
    return any(info.name.lower() == "infarct" for info in review.case.classes)
