"""Measures of corrected labels: the sizes after every decision, everything when asked for.

An untouched case keeps the measures and intervals of its networks. Corrected labels have no
intervals: the spread of the networks says nothing about what a reader drew.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..bundles.map_catalogue import MapName
from ..images.orientation import reorder_geometry
from ..measures import Frame, frame_measures, headline, lge_measures, measures_json
from ..measures.aha import NO_INSERTION
from ..measures.anatomy import anatomy_of, measurable
from ..measures.display import digits
from ..measures.size_catalogue import Scan
from ..measures.sizes import only_values, sizes_of, structures_in
from .review import Review

Point = tuple[float, float, float]


def corrected_measures(review: Review, rv_insertion_ras: Point | None = None) -> dict[str, Any]:
    """Content of ``measures.json`` for the labels as they stand.

    With ``rv_insertion_ras``, the anterior insertion of the right ventricle in mm, the segments are
    counted from it. Raises :class:`UsageError` for a point that is not beside the left ventricle.
    """
    if not _as_computed(review):
        return _measured(review, rv_insertion_ras)
    measures = dict(review.case.measures)
    if rv_insertion_ras is None:
        return measures
    # The networks' intervals stay: only where the segments begin has changed.
    kept = [note for note in measures.get("notes", ()) if note != NO_INSERTION]
    return {**measures, "segments": _measured(review, rv_insertion_ras)["segments"], "notes": kept}


def _measured(review: Review, rv_insertion_ras: Point | None) -> dict[str, Any]:
    """Measured anew; uncertainty per segment as long as it is that of these labels."""
    case = review.case
    if not measurable(case.classes):
        return _volumes(review)
    turn, geometry = case.storage.from_stored, reorder_geometry(case.geometry, case.storage)
    maps = (case.maps.get(name) for name in (MapName.SCS, MapName.ERROR_PROBABILITY))
    scs, wrong = (None if m is None or not _as_computed(review) else turn(m) for m in maps)
    labels = turn(review.labels)
    if _is_lge(review):
        measures = lge_measures(
            labels,
            geometry,
            case.classes,
            scs=scs,
            error_probability=wrong,
            rv_insertion_ras=rv_insertion_ras,
        )
        return measures_json(measures)
    frame = Frame(labels, geometry, None, scs, wrong)
    return measures_json(frame_measures(frame, case.classes, rv_insertion_ras=rv_insertion_ras))


def _volumes(review: Review) -> dict[str, Any]:
    """The volume of every class, for classes that are not those of the heart."""
    voxel_ml = review.case.geometry.voxel_volume_ml
    counts = np.bincount(review.labels.ravel(), minlength=256)
    volumes = {i.name: round(float(counts[i.value]) * voxel_ml, 4) for i in review.case.classes if i.value}
    lead = ", ".join(f"{name} {digits(volume)} ml" for name, volume in volumes.items())
    return {"headline": lead, "kind": "volumes", "volumes_ml": volumes, "notes": ["corrected by a reader"]}


def corrected_sizes(review: Review) -> dict[str, Any]:
    """The same with only the sizes and the headline for LGE, in a few milliseconds."""
    if _as_computed(review) or not _is_lge(review):
        return corrected_measures(review)
    case = review.case
    labels, geometry = case.storage.from_stored(review.labels), reorder_geometry(case.geometry, case.storage)
    structures = structures_in(anatomy_of(labels, case.classes, geometry), geometry)
    values = only_values(sizes_of(Scan.LGE, structures))
    sizes = {key: {"value": value, "interval": None} for key, value in values.items()}
    content = {"kind": "lge", "sizes": sizes, "notes": ["corrected by a reader"]}
    return {"headline": headline(content), **content}


def _as_computed(review: Review) -> bool:
    return not any(decision.runs for decision in review.decisions) and "headline" in review.case.measures


def _is_lge(review: Review) -> bool:
    return any(info.name.lower() == "infarct" for info in review.case.classes)
