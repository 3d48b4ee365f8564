"""The bull's-eyes as pixels, for viewers that show images: the same scales and words as in the report.

Drawn with Pillow, which Slicer brings along, because neither a plotting package nor SVG is there.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundles.colours import HEAT_STOPS
from .bullseye import RINGS, Quantity, default_quantities
from .clinical import SHARE_STOPS, colour_at, segments_note

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

SIDE, HEIGHT = 400, 500
_RADIUS, _MIDDLE = 160, 230
_FINE = 2
"""Drawn this much larger and reduced, which smooths the edges."""
_INK, _SOFT, _EDGE, _UNDEFINED = (27, 31, 36), (91, 100, 112), (127, 127, 127), (217, 217, 217)


def bullseyes_picture(measures: Mapping[str, Any], n_classes: int) -> np.ndarray | None:
    """Bull's-eyes of ``measures.json`` side by side on white, uint8 (rows from the top, columns, RGB).

    None where no slice showed a ring, nothing is known per segment, or Pillow is not installed.
    """
    segments = measures.get("segments")
    if not segments or importlib.util.find_spec("PIL") is None:
        return None
    items = segments["items"]
    quantities = default_quantities(items, n_classes)
    shown = [q for q in quantities if any(item[q.key] is not None for item in items)]
    if not shown:
        return None
    from PIL import Image

    picture = Image.new("RGB", (SIDE * len(shown), HEIGHT), "white")
    aha = segments["reference"] == "rv_insertion"
    for number, quantity in enumerate(shown):
        drawn = _bullseye([item[quantity.key] for item in items], quantity, aha)
        picture.paste(drawn, (number * SIDE, 0))
    _note(picture, segments_note(measures))
    return np.asarray(picture)


def _bullseye(values: Sequence[float | None], quantity: Quantity, aha: bool) -> Image.Image:
    """One bull's-eye with its title and scale."""
    from PIL import Image, ImageDraw

    stops = HEAT_STOPS if quantity.colours == "inferno" else SHARE_STOPS
    faces = [_UNDEFINED if v is None else colour_at(v / quantity.maximum, stops) for v in values]
    fine = Image.new("RGB", (SIDE * _FINE, HEIGHT * _FINE), "white")
    pen, places = ImageDraw.Draw(fine), {17: (SIDE / 2, float(_MIDDLE))}
    for first, count, inner, outer, start in RINGS:
        for n in range(count):
            begin, end = start + n * 360 / count, start + (n + 1) * 360 / count
            # Pillow measures angles clockwise, the model counter-clockwise.
            pen.pieslice(_box(outer), -end, -begin, faces[first + n - 1], _EDGE, _FINE)
            middle, radius = np.radians((begin + end) / 2), _RADIUS * (inner + outer) / 2
            places[first + n] = (SIDE / 2 + radius * np.cos(middle), _MIDDLE - radius * np.sin(middle))
    pen.ellipse(_box(0.25), faces[16], _EDGE, _FINE)
    _scale(pen, stops)
    drawn = fine.resize((SIDE, HEIGHT), Image.Resampling.LANCZOS)
    _words(ImageDraw.Draw(drawn), values, faces, places, quantity, aha)
    return drawn


def _words(
    pen: ImageDraw.ImageDraw,
    values: Sequence[float | None],
    faces: Sequence[tuple[int, int, int]],
    places: Mapping[int, tuple[float, float]],
    quantity: Quantity,
    aha: bool,
) -> None:
    """Title, value of every segment, walls around, ends of the scale."""
    pen.text((SIDE / 2, 22), quantity.title, _INK, _font(17), anchor="mm")
    for number, place in places.items():
        value, face = values[number - 1], faces[number - 1]
        if value is not None:
            dark = float(np.dot(face, (0.299, 0.587, 0.114))) < 128
            pen.text(place, quantity.text(value), (255, 255, 255) if dark else _INK, _font(15), anchor="mm")
    around = ("anterior", "septal", "inferior", "lateral") if aha else ("12 h", "9 h", "6 h", "3 h")
    spots = ((0, -1), (-1, 0), (0, 1), (1, 0))
    for word, (x, y) in zip(around, spots, strict=True):
        shift = 8 + (pen.textlength(word, _font(13)) / 2 if x else 6)
        spot = (SIDE / 2 + x * (_RADIUS + shift), _MIDDLE + y * (_RADIUS + shift))
        if x and aha:  # the long words stand beside the upper left and right, where there is room
            spot = (SIDE / 2 + x * (_RADIUS + 4), _MIDDLE - 0.86 * _RADIUS)
        pen.text(spot, word, _SOFT, _font(13), anchor="mm")
    unit = f" {quantity.unit}" if quantity.unit else ""
    pen.text((80, 448), "0", _SOFT, _font(13), anchor="mm")
    pen.text((SIDE - 80, 448), f"{quantity.maximum:g}{unit}", _SOFT, _font(13), anchor="mm")


def _scale(pen: ImageDraw.ImageDraw, stops: Sequence[str]) -> None:
    left, right, top, bottom = 80 * _FINE, (SIDE - 80) * _FINE, 424 * _FINE, 436 * _FINE
    for x in range(left, right):
        pen.line((x, top, x, bottom), colour_at((x - left) / (right - left), stops))
    pen.rectangle((left, top, right, bottom), outline=_EDGE, width=_FINE)


def _note(picture: Image.Image, text: str) -> None:
    """What the segments are counted from, in as many lines as it needs."""
    from PIL import ImageDraw

    pen, lines = ImageDraw.Draw(picture), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if pen.textlength(longer, _font(13)) > picture.width - 20:
            lines.append(word)
        else:
            lines[-1] = longer
    for number, line in enumerate(lines):
        pen.text(
            (picture.width / 2, HEIGHT - 12 - 16 * (len(lines) - 1 - number)),
            line,
            _SOFT,
            _font(13),
            anchor="mm",
        )


def _box(radius: float) -> tuple[float, float, float, float]:
    x, y, r = SIDE / 2 * _FINE, _MIDDLE * _FINE, _RADIUS * radius * _FINE
    return (x - r, y - r, x + r, y + r)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)
