"""Bull's-eyes of the left ventricle as areas and words, for whichever pen draws them.

Scales are fixed, never stretched per case, so that two cases compare by eye; every segment also says
its value in print, and what is undefined is hatched, so that the pictures survive a grey printer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..bundles.colours import HEAT_STOPS, SHARE_STOPS, scale_colours
from ..bundles.map_catalogue import MapName
from ..images.slice_number import slice_number
from ..measures.display import digits
from ..measures.insertion import READER

SIDE, HEIGHT = 300.0, 350.0
"""Size of one bull's-eye with its title and scale; every other length is in the same unit."""
RADIUS, MIDDLE = 120.0, 168.0
RINGS = ((1, 6, 0.75, 1.0, 60.0), (7, 6, 0.5, 0.75, 60.0), (13, 4, 0.25, 0.5, 45.0))
"""First segment, count, inner and outer radius, start angle of the first segment of each ring."""
APEX = 0.25
INK, SOFT, EDGE = (27, 31, 36), (91, 100, 112), (127, 127, 127)
_SCALE_STEPS, _SCALE_TOP, _SCALE_HEIGHT, _SCALE_INDENT = 40, 318.0, 9.0, 40.0
_DEGREES_PER_POINT = 3.0

Point = tuple[float, float]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Quantity:
    """What a bull's-eye shows: key of the segment's entry, title, end of the fixed scale, unit, colours."""

    key: str
    title: str
    maximum: float
    unit: str
    stops: tuple[str, ...] = SHARE_STOPS

    def text(self, value: float) -> str:
        """Value as printed in its segment."""
        return digits(value) if self.unit == "%" else f"{value:.2f}"

    def colours(self, values: Sequence[float]) -> list[Colour]:
        """Colour of each value."""
        found = np.rint(scale_colours(np.asarray(values, float) / self.maximum, self.stops)).astype(int)
        return [(int(red), int(green), int(blue)) for red, green, blue in found]


@dataclass(frozen=True)
class Area:
    """A polygon; ``fill`` None is hatched, what is not defined. ``name`` says what it is, "" for decoration;
    only named areas have an edge."""

    points: tuple[Point, ...]
    fill: Colour | None
    name: str = ""


@dataclass(frozen=True)
class Words:
    """A line of text around its middle, ``size`` in the unit of lengths."""

    middle: Point
    text: str
    size: float
    colour: Colour = SOFT
    bold: bool = False


@dataclass(frozen=True)
class Drawing:
    """Everything to draw, lowest first; y points downwards."""

    width: float
    height: float
    areas: tuple[Area, ...]
    words: tuple[Words, ...]


INFARCT_SHARE = Quantity("infarct_share_percent", "Infarct share of segment", 100.0, "%")
TRANSMURALITY = Quantity("transmurality_mean_percent", "Mean transmurality of infarcted chords", 100.0, "%")
ERROR_PROBABILITY = Quantity(
    "mean_error_probability", "Mean probability of a wrong label", 1.0, "", HEAT_STOPS
)
WALL_THICKNESS = Quantity("wall_thickness_mm", "Wall thickness", 20.0, "mm")


def mean_scs(n_classes: int) -> Quantity:
    """The soft correction score with its fixed range 0 .. 2/C."""
    highest = MapName.SCS.info.highest(n_classes)
    return Quantity("mean_scs", "Mean soft correction score", highest, "", HEAT_STOPS)


def bullseyes(measures: Mapping[str, Any], n_classes: int) -> Drawing | None:
    """The bull's-eyes of ``measures.json`` side by side; None where no slice showed a ring.

    Infarct share, transmurality and uncertainty for LGE, wall thickness and uncertainty for cine. Without
    an RV insertion point the sectors are marked by clock hours, not by walls.
    """
    segments = measures.get("segments")
    if not segments:
        return None
    items = segments["items"]
    chosen = _quantities(items, n_classes)
    shown = [q for q in chosen if any(item[q.key] is not None for item in items)]
    if not shown:
        return None
    aha = segments["reference"] == "rv_insertion"
    areas: list[Area] = []
    words: list[Words] = []
    for number, quantity in enumerate(shown):
        areas += _areas(number * SIDE, items, quantity)
        words += _words(number * SIDE, items, quantity, aha)
    return Drawing(SIDE * len(shown), HEIGHT, tuple(areas), tuple(words))


def segments_note(measures: Mapping[str, Any]) -> str:
    """What the segments are counted from and which end is the base, for under the bull's-eyes."""
    segments = measures.get("segments")
    if not segments:
        return ""
    if segments["reference"] == "rv_insertion":
        start = "AHA 17 segments from the anterior insertion of the right ventricle"
        by = (segments.get("insertion") or {}).get("by")
        start += f" ({'marked by the reader' if by == READER else f'found by {by}'})" if by else ""
    else:
        start = "17 sectors from 12 o'clock of the image: no RV insertion point, so not AHA segments"
    return f"{start}; base: slice {slice_number(segments['base_slice'])} ({segments['base_rule']})"


def _quantities(items: Sequence[Mapping[str, Any]], n_classes: int) -> tuple[Quantity, ...]:
    """Infarct and depth where infarct is known, else thickness; calibrated uncertainty where there is one."""
    lge = any(item["infarct_share_percent"] is not None for item in items)
    known = any(item["mean_error_probability"] is not None for item in items)
    unsure = ERROR_PROBABILITY if known else mean_scs(n_classes)
    return (INFARCT_SHARE, TRANSMURALITY, unsure) if lge else (WALL_THICKNESS, unsure)


def _sectors() -> Iterator[tuple[int, float, float, float, float]]:
    """Segment, inner and outer share of the radius, first and last angle (counter-clockwise from right)."""
    for first, count, inner, outer, start in RINGS:
        for n in range(count):
            yield first + n, inner, outer, start + n * 360 / count, start + (n + 1) * 360 / count
    yield 17, 0.0, APEX, 0.0, 360.0


def _areas(left: float, items: Sequence[Mapping[str, Any]], quantity: Quantity) -> Iterator[Area]:
    for number, inner, outer, begin, end in _sectors():
        item = items[number - 1]
        value, name = item[quantity.key], item["name"]
        if value is None:
            fill, told = None, f"{name}: not defined"
        else:
            (fill,), told = quantity.colours([value]), f"{name}: {quantity.text(value)} {quantity.unit}"
        yield Area(_sector(left, inner, outer, begin, end), fill, told)
    start, width = left + _SCALE_INDENT, (SIDE - 2 * _SCALE_INDENT) / _SCALE_STEPS
    middles = (np.arange(_SCALE_STEPS) + 0.5) / _SCALE_STEPS * quantity.maximum
    for n, colour in enumerate(quantity.colours(middles.tolist())):
        x = start + n * width
        yield Area(_box(x, x + width), colour)


def _words(left: float, items: Sequence[Mapping[str, Any]], quantity: Quantity, aha: bool) -> Iterator[Words]:
    """Title, value of every segment, walls around, ends of the scale."""
    yield Words((left + SIDE / 2, 12.0), quantity.title, 13.0, INK, bold=True)
    for number, inner, outer, begin, end in _sectors():
        value = items[number - 1][quantity.key]
        if value is not None:
            place = _at(left, 0.0 if number == 17 else (inner + outer) / 2, (begin + end) / 2)
            dark = float(np.dot(quantity.colours([value])[0], (0.299, 0.587, 0.114))) < 128
            yield Words(place, quantity.text(value), 11.0, (255, 255, 255) if dark else INK)
    if aha:  # the long words stand beside the upper left and right, where there is room
        around = (("anterior", 90.0, 1.09), ("septal", 140.0, 1.35), ("inferior", 270.0, 1.09))
        around += (("lateral", 40.0, 1.35),)
    else:
        around = (("12 h", 90.0, 1.09), ("9 h", 180.0, 1.13), ("6 h", 270.0, 1.09), ("3 h", 0.0, 1.13))
    for word, angle, share in around:
        yield Words(_at(left, share, angle), word, 11.0)
    unit = f" {quantity.unit}" if quantity.unit else ""
    y = _SCALE_TOP + _SCALE_HEIGHT + 10
    yield Words((left + _SCALE_INDENT, y), "0", 11.0)
    yield Words((left + SIDE - _SCALE_INDENT, y), f"{quantity.maximum:g}{unit}", 11.0)


def _at(left: float, share: float, degrees: float) -> Point:
    """A point at this share of the radius; angles run counter-clockwise from the right."""
    angle = np.radians(degrees)
    return (
        float(left + SIDE / 2 + RADIUS * share * np.cos(angle)),
        float(MIDDLE - RADIUS * share * np.sin(angle)),
    )


def _sector(left: float, inner: float, outer: float, begin: float, end: float) -> tuple[Point, ...]:
    """Outer arc and back along the inner one, which is a point in the middle."""
    angles = np.linspace(begin, end, round((end - begin) / _DEGREES_PER_POINT) + 1)
    back = angles[::-1] if inner > 0 else ()
    return tuple(_at(left, outer, a) for a in angles) + tuple(_at(left, inner, a) for a in back)


def _box(left: float, right: float) -> tuple[Point, ...]:
    top, bottom = _SCALE_TOP, _SCALE_TOP + _SCALE_HEIGHT
    return ((left, top), (right, top), (right, bottom), (left, bottom))
