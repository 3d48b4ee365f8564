"""What the page is told about a case: once when it is opened, and anew after every decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from CardiacUQLib.bundles.colours import HEAT_STOPS, correction_colour
from CardiacUQLib.bundles.map_catalogue import Use, maps_used, plain_first
from CardiacUQLib.cases.casefolder import COMPONENT_IDS, PROBABILITIES_FILE
from CardiacUQLib.measures.display import SIZE_NAMES, digits, telling_sizes
from CardiacUQLib.measures.size_catalogue import unit_of
from CardiacUQLib.report.pictures import HIDDEN_BELOW
from CardiacUQLib.review import CaseMaps, ItemKind, Review, ReviewItem, corrected_sizes
from CardiacUQLib.uncertainty.bands import band_colours

from .cases import OpenCase
from .grid import side_letters, strides_of, voxel_at

FIRST, FINAL, LABELS, REGIONS = "first", "final", "labels", COMPONENT_IDS
"""Label arrays that the page can ask for: the overruled opinion, the final one, as reviewed, the regions."""

DOES_NOT_BELONG = "Do this image and this model belong together?"
"""Stands where the sizes of a scan that is unlike those of the training would be read first."""

LONGEST_TRAIL = 100
"""The page and its print show the latest decisions; all are in ``review.json``."""


def described(case: OpenCase, number: int, *, read_only: bool) -> dict[str, Any]:
    """Everything about an opened case but its arrays; ends with :func:`state_of`."""
    maps, review = case.maps, case.review
    strides = strides_of(maps.storage, maps.segmentation.shape)
    geometry = case.case.geometry
    film = case.film()
    return {
        "number": number,
        "name": case.folder.name,
        "read_only": read_only,
        "opinions": list(maps.kind.opinions),
        "size": list(geometry.shape),
        "offset": strides.offset,
        "steps": list(strides.steps),
        "spacing": list(geometry.spacing[::-1]),
        "letters": side_letters(geometry),
        "classes": [{"value": c.value, "name": c.name, "colour": c.colour} for c in maps.classes],
        "has_first": maps.opinion is not None,
        "maps": shown_maps(maps),
        "default_map": None if maps.default_map is None else maps.default_map.value,
        "heat_stops": list(HEAT_STOPS),
        "hidden_below": HIDDEN_BELOW,
        "items": [_item(case, review, index, item) for index, item in enumerate(review.items)],
        "listed": review.listed,
        "warnings": list(maps.warnings),
        "model": f"{case.case.run.bundle} {case.case.run.bundle_version}".strip(),
        "model_headline": str(maps.measures.get("headline", "")),
        "predicted_dice": case.stated("predicted_dice"),
        "bands": shown_bands(maps),
        "has_probabilities": PROBABILITIES_FILE in case.case.record.files,
        "film": None if film is None else {"frames": film.frames, "count": film.count, "here": film.here},
        "state": state_of(case),
    }


def state_of(case: OpenCase) -> dict[str, Any]:
    """What changes with decisions: statuses, progress, sizes, what can be undone."""
    review = case.review
    progress, sizes = review.progress(), corrected_sizes(review)
    refused = case.maps.verdict is not None and case.maps.verdict.nothing_holds
    if refused:
        sizes = without_intervals(sizes)
    last = review.decisions[-1] if review.decisions else None
    return {
        "revision": case.revision,
        "statuses": [review.status(index).value for index in range(len(review.items))],
        "done": progress.done,
        "progress": progress.as_text(),
        "decided": progress.decided,
        "headline": DOES_NOT_BELONG if refused and not review.decisions else str(sizes.get("headline", "")),
        "sizes": sizes_of(sizes, review.case.measures),
        "interval_title": _interval_title(sizes),
        "model_title": "A" if "comparison" in review.case.measures else "networks",
        "notes": [str(note) for note in sizes.get("notes", ())],
        "can_undo": review.can_undo,
        "can_redo": review.can_redo,
        "last": None if last is None else {"what": last.what, "item": last.item, "reviewer": last.reviewer},
        "trail": [
            {"what": d.what, "reviewer": d.reviewer, "time": d.time, "note": d.note}
            for d in review.decisions[-LONGEST_TRAIL:]
        ],
    }


def without_intervals(measures: Mapping[str, Any]) -> dict[str, Any]:
    """The same sizes; their intervals hold for scans like those of the training only."""
    sizes = {key: {**entry, "interval": None} for key, entry in (measures.get("sizes") or {}).items()}
    return {**measures, "sizes": sizes}


def sizes_of(measures: Mapping[str, Any], model: Mapping[str, Any]) -> list[dict[str, str]]:
    """Name, value, interval of every size; after a correction ``model`` is what the networks had said.

    Of a comparison it is what A says.
    """
    comparison = model.get("comparison")
    if comparison:
        said = comparison["a"]["sizes"]
        names = {f"{name}_volume_ml": name for name in model.get("volumes_ml") or {}}
        now = {key: entry["value"] for key, entry in (measures.get("sizes") or {}).items()}
        now = now or {f"{name}_volume_ml": v for name, v in (measures.get("volumes_ml") or {}).items()}
        return [
            {
                "name": SIZE_NAMES.get(key) or names.get(key, key),
                "value": _number(key, value),
                "interval": "",
                "model": _number(key, said.get(key)),
            }
            for key, value in now.items()
        ]
    own = model.get("sizes") or {}
    found = []
    for key, entry in telling_sizes(measures.get("sizes") or {}).items():
        before = own.get(key)
        found.append(
            {
                "name": SIZE_NAMES.get(key, str(entry.get("label", key))),
                "value": _value(key, entry),
                "interval": _interval(entry),
                "model": "" if before is None else _value(key, before),
            }
        )
    if found:
        return found
    volumes, before = measures.get("volumes_ml") or {}, model.get("volumes_ml") or {}
    return [
        {
            "name": name,
            "value": f"{digits(volume)} ml",
            "interval": "",
            "model": f"{digits(before[name])} ml" if name in before else "",
        }
        for name, volume in volumes.items()
    ]


def _value(key: str, entry: Mapping[str, Any]) -> str:
    return _number(key, entry["value"])


def _number(key: str, value: float | None) -> str:
    return "not defined" if value is None else f"{digits(value)} {unit_of(key)}"


def _interval(entry: Mapping[str, Any]) -> str:
    interval = entry.get("interval")
    return "" if interval is None else f"{digits(interval[0])}–{digits(interval[1])}"


def _interval_title(measures: Mapping[str, Any]) -> str:
    """ "90 % interval", or "passes" for a spread that nobody has calibrated."""
    for entry in (measures.get("sizes") or {}).values():
        if entry.get("interval") is not None:
            return f"{100 * entry['level']:.0f} % interval" if entry["calibrated"] else "passes"
    return ""


def _item(case: OpenCase, review: Review, index: int, item: ReviewItem) -> dict[str, Any]:
    colour = ""
    if item.was is not None and item.became is not None:
        colour = correction_colour(item.was, item.became, case.maps.classes)
    return {
        "key": item.key,
        "component": 0 if item.kind is ItemKind.SLICE else index + 1,
        "place": item.kind is ItemKind.PLACE,
        "title": "" if item.look is None else item.look.text,
        "proposed": item.proposed,
        "slice": item.number if item.kind is ItemKind.SLICE else None,
        "was": item.was,
        "became": item.became,
        "ml": item.volume_ml,
        "voxel": list(voxel_at(case.case.geometry, item.centre_ras)),
        "card": review.card_text(index),
        "colour": colour,
    }


def shown_bands(maps: CaseMaps) -> list[dict[str, str]]:
    """Name, colour and words of every contour band, with the share of a reader's contour it is made for."""
    colours = band_colours(maps.bands, maps.classes)
    holds = maps.verdict is None or not maps.verdict.nothing_holds
    return [
        {
            "name": band.stem,
            "colour": colours[band.structure],
            "words": band.with_coverage(holds=holds),
            "share": f"{100 * band.share:.0f} %",
        }
        for band in maps.bands
    ]


def shown_maps(maps: CaseMaps) -> list[dict[str, Any]]:
    """Name, title and the fixed end of the scale of every map that the page offers."""
    return [
        {
            "name": name.value,
            "title": name.info.title,
            "explanation": name.info.explain(maps.kind),
            "maximum": name.info.highest(len(maps.classes)),
        }
        for name in plain_first(maps_used(Use.OFFERED, maps.maps))
    ]
