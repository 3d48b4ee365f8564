"""Measures of corrected labels: the sizes after every decision, everything when asked for.

An untouched case keeps the measures and intervals of its networks. The spread of the networks says nothing
about what a reader drew: once every listed place is decided, sizes have the intervals of reviewed cases,
where the bundle has them, and none before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..base.errors import UsageError
from ..bundles.map_catalogue import MapName
from ..images.orientation import reorder_geometry
from ..measures import (
    REVIEWED_INTERVALS,
    Frame,
    cine_measures,
    frame_measures,
    headline,
    lge_measures,
    measures_json,
    phase_measures,
)
from ..measures.aha import NO_INSERTION
from ..measures.anatomy import anatomy_of, measurable
from ..measures.display import digits
from ..measures.insertion import known_insertion
from ..measures.size_catalogue import Scan
from ..measures.sizes import only_values, reviewed_sizes, scan_of, sizes_of, structures_in
from ..uncertainty.verdict import unlike_headline
from .phases import PHASES, OtherPhase, other_phase, phase_of
from .review import Review

Point = tuple[float, float, float]
_SWAPPED = "end-diastole is smaller than end-systole now: no ejection fraction"


def corrected_measures(review: Review, rv_insertion_ras: Point | None = None) -> dict[str, Any]:
    """Content of ``measures.json`` for the labels as they stand; a phase of a cine study has EF and volumes
    of both phases, as they stand.

    With ``rv_insertion_ras``, the anterior insertion of the right ventricle in mm, the segments are
    counted from it. Raises :class:`UsageError` for a point that is not beside the left ventricle.
    """
    other = other_phase(review.case)
    if not _as_computed(review, other):
        return _measured(review, rv_insertion_ras, other)
    measures = _confirmed(review)
    if rv_insertion_ras is None:
        return measures
    # The networks' intervals stay: only where the segments begin has changed.
    before = known_insertion(measures)
    replaced = {NO_INSERTION, *(() if before is None else before.notes)}
    kept = [note for note in measures.get("notes", ()) if note not in replaced]
    return {**measures, "segments": _measured(review, rv_insertion_ras)["segments"], "notes": kept}


def corrected_study(review: Review, rv_insertion_ras: Point | None = None) -> dict[str, Any] | None:
    """What both phases of a cine say together after their reviews, for ``NAME_cine.json``; None for any other
    case, without a change, and if end-diastole has become the smaller one."""
    other = other_phase(review.case)
    if other is None or _as_computed(review, other):
        return None
    return _together(_frame(review, None, None), phase_of(review.case), other, review, rv_insertion_ras)


def _measured(
    review: Review, rv_insertion_ras: Point | None, other: OtherPhase | None = None
) -> dict[str, Any]:
    """Measured anew; uncertainty per segment as long as it is that of these labels."""
    case = review.case
    if not measurable(case.classes):
        return _volumes(review)
    turn = case.storage.from_stored
    maps = (case.maps.get(name) for name in (MapName.SCS, MapName.ERROR_PROBABILITY))
    scs, wrong = (None if m is None or not _as_computed(review) else turn(m) for m in maps)
    frame, known = _frame(review, scs, wrong), known_insertion(case.measures)
    if _is_lge(review):
        measures = lge_measures(
            frame.labels,
            frame.geometry,
            case.classes,
            scs=scs,
            error_probability=wrong,
            reviewed_intervals=_reviewed_intervals(review),
            rv_insertion_ras=rv_insertion_ras,
            known_insertion=known,
        )
        content = measures_json(measures)
        return {**content, "notes": [*content["notes"], *_intervals_note(review)]}
    alone = measures_json(
        frame_measures(frame, case.classes, rv_insertion_ras=rv_insertion_ras, known_insertion=known)
    )
    if other is None:
        return alone
    together = _together(frame, phase_of(case), other, review, rv_insertion_ras)
    if together is None:
        return {**alone, "notes": [*alone["notes"], _SWAPPED]}
    return phase_measures(alone, together, phase_of(case))


def _frame(review: Review, scs: np.ndarray | None, wrong: np.ndarray | None) -> Frame:
    case = review.case
    geometry = reorder_geometry(case.geometry, case.storage)
    return Frame(case.storage.from_stored(review.labels), geometry, None, scs, wrong)


def _together(
    frame: Frame, phase: str, other: OtherPhase, review: Review, rv_insertion_ras: Point | None
) -> dict[str, Any] | None:
    """Measures of the pair; None if end-diastole is the smaller one now."""
    pair = {phase: frame, other.phase: Frame(other.labels, other.geometry)}
    try:
        return measures_json(
            cine_measures(pair["ED"], pair["ES"], review.case.classes, rv_insertion_ras=rv_insertion_ras)
        )
    except UsageError:
        return None


def _volumes(review: Review) -> dict[str, Any]:
    """The volume of every class, for classes that are not those of the heart."""
    voxel_ml = review.case.geometry.voxel_volume_ml
    counts = np.bincount(review.labels.ravel(), minlength=256)
    volumes = {i.name: round(float(counts[i.value]) * voxel_ml, 4) for i in review.case.classes if i.value}
    lead = ", ".join(f"{name} {digits(volume)} ml" for name, volume in volumes.items())
    return {"headline": lead, "kind": "volumes", "volumes_ml": volumes, "notes": ["corrected by a reader"]}


def corrected_sizes(review: Review) -> dict[str, Any]:
    """The same with only the sizes and the headline, in a few milliseconds."""
    case, other = review.case, other_phase(review.case)
    if _as_computed(review, other) or not measurable(case.classes):
        return corrected_measures(review)
    scan = scan_of(case.classes)
    frame = _frame(review, None, None)
    own = structures_in(anatomy_of(frame.labels, case.classes, frame.geometry), frame.geometry)
    values = only_values(sizes_of(scan, own))
    notes = ["corrected by a reader"]
    if other is not None:
        theirs = structures_in(anatomy_of(other.labels, case.classes, other.geometry), other.geometry)
        pair = {phase_of(case): own, other.phase: theirs}
        if pair["ED"].cavity[0] >= pair["ES"].cavity[0]:
            values = {**values, **only_values(sizes_of(Scan.PAIR, *(pair[p] for p in PHASES)))}
            scan = Scan.PAIR
        else:
            notes.append(_SWAPPED)
    notes += _intervals_note(review)
    sizes = _size_entries(values, _reviewed_intervals(review))
    content = {"kind": scan.value, "sizes": sizes, "notes": notes}
    return {"headline": headline(content), **content}


def _reviewed_intervals(review: Review) -> Mapping[str, Any] | None:
    """The fits for reviewed cases that the case brought along; None as long as a listed place is open."""
    return review.case.measures.get(REVIEWED_INTERVALS) if _all_decided(review) else None


def _all_decided(review: Review) -> bool:
    return bool(review.decisions) and review.progress().done


def _intervals_note(review: Review) -> list[str]:
    wanted = REVIEWED_INTERVALS in review.case.measures and not _all_decided(review)
    return ["intervals follow when every listed place is decided"] if wanted else []


def _size_entries(
    values: Mapping[str, float | None], fitted: Mapping[str, Any] | None
) -> dict[str, dict[str, Any]]:
    entries = {key: size.as_json() for key, size in reviewed_sizes(values, fitted).items()}
    return {key: {**entry, "distribution": None} for key, entry in entries.items()}


def _confirmed(review: Review) -> dict[str, Any]:
    """The networks' measures; with the intervals of reviewed cases once a reader has found nothing to change
    in any listed place."""
    measures, fitted = dict(review.case.measures), _reviewed_intervals(review)
    if fitted is None or "sizes" not in measures:
        return measures
    found = _size_entries({key: entry["value"] for key, entry in measures["sizes"].items()}, fitted)
    lead = headline({**measures, "sizes": found, "presence": {}})
    unlike = str(measures.get("headline", "")).startswith(unlike_headline(""))
    return {**measures, "sizes": found, "headline": unlike_headline(lead) if unlike else lead}


def _as_computed(review: Review, other: OtherPhase | None = None) -> bool:
    untouched = not any(decision.runs for decision in review.decisions) and "headline" in review.case.measures
    return untouched and not (other is not None and other.changed)


def _is_lge(review: Review) -> bool:
    return any(info.name.lower() == "infarct" for info in review.case.classes)
