"""The bull's-eyes as pixels, for viewers that show images: what the report draws as SVG.

Drawn with Pillow, which Slicer brings along, because neither a plotting package nor SVG is there.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .drawing import EDGE, SOFT, Area, bullseyes, segments_note

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

SCALE = 4 / 3
"""Pixels per unit of the drawing."""
NOTE_HEIGHT = 44
_FINE = 2
"""Drawn this much larger and reduced, which smooths the edges."""
_HATCHED, _HATCH, _HATCH_STEP = (255, 255, 255), (154, 161, 170), 8
_NOTE_SIZE = 13


def bullseyes_picture(measures: Mapping[str, Any], n_classes: int) -> np.ndarray | None:
    """Bull's-eyes of ``measures.json`` side by side on white, uint8 (rows from the top, columns, RGB).

    None where no slice showed a ring, nothing is known per segment, or Pillow is not installed.
    """
    drawing = bullseyes(measures, n_classes) if importlib.util.find_spec("PIL") is not None else None
    if drawing is None:
        return None
    from PIL import Image, ImageDraw

    size = (round(drawing.width * SCALE), round(drawing.height * SCALE))
    fine = Image.new("RGB", (size[0] * _FINE, size[1] * _FINE), "white")
    for area in drawing.areas:
        _fill(fine, area)
    picture = Image.new("RGB", (size[0], size[1] + NOTE_HEIGHT), "white")
    picture.paste(fine.resize(size, Image.Resampling.LANCZOS), (0, 0))
    pen = ImageDraw.Draw(picture)
    for words in drawing.words:
        x, y = (length * SCALE for length in words.middle)
        pen.text((x, y), words.text, words.colour, _font(round(words.size * SCALE)), anchor="mm")
    _note(pen, segments_note(measures), picture.size)
    return np.asarray(picture)


def _fill(picture: Image.Image, area: Area) -> None:
    from PIL import Image, ImageDraw

    points = [(x * SCALE * _FINE, y * SCALE * _FINE) for x, y in area.points]
    pen = ImageDraw.Draw(picture)
    if area.fill is None:
        mask = Image.new("1", picture.size)
        ImageDraw.Draw(mask).polygon(points, fill=1)
        picture.paste(_hatching(picture.size), mask=mask)
    else:
        pen.polygon(points, fill=area.fill)
    if area.name:
        pen.line([*points, points[0]], EDGE, _FINE, joint="curve")


def _hatching(size: tuple[int, int]) -> Image.Image:
    from PIL import Image, ImageDraw

    hatching = Image.new("RGB", size, _HATCHED)
    pen, (width, height) = ImageDraw.Draw(hatching), size
    for start in range(-height, width, _HATCH_STEP * _FINE):
        pen.line((start, height, start + height, 0), _HATCH, _FINE)
    return hatching


def _note(pen: ImageDraw.ImageDraw, text: str, size: tuple[int, int]) -> None:
    """What the segments are counted from, in as many lines as it needs."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if pen.textlength(longer, _font(_NOTE_SIZE)) > size[0] - 20:
            lines.append(word)
        else:
            lines[-1] = longer
    for number, line in enumerate(reversed(lines)):
        place = (size[0] / 2, size[1] - 12 - 16 * number)
        pen.text(place, line, SOFT, _font(_NOTE_SIZE), anchor="mm")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)
