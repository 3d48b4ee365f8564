"""Pictures of one slice after another: the image, outlines of both stages, bands, heat maps, corrections.

Every picture is a PNG of the same square field of view around the heart, x to the right and y downwards as
the slice is stored in slice order. Fills stay at or under a quarter of the opacity so that the image
remains readable; heat maps vanish where the result is certain.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..base.regions import boxes_of, without_holes
from ..base.threads import available_threads
from ..bundles.classes import BACKGROUND
from ..bundles.colours import correction_colour, heat_colours, rgb
from ..images.slice_number import slice_number
from ..images.volume import Geometry
from ..uncertainty.bands import BETWEEN, INSIDE, band_colours
from .canvas import PIXELS, Canvas, Field, boundary_pieces
from .contents import Contents, HeatColumn

MARGIN_MM = 14.0
SMALLEST_FIELD_MM = 70.0
HIDDEN_BELOW = 0.06
"""Share of a heat map's scale under which the image shows alone."""

OPAQUE_FROM = 0.25
"""Share of a heat map's scale from which its colours cover the image; between the two they fade in."""

HEAT_OPACITY = 0.85
FILL = 0.25
"""Opacity of the area of a correction."""

MOST_THREADS = 4
_EDGE_PX = 9
_SCALE_BAR_MM = 20.0
_OUTERMOST = frozenset({"healthy myocardium", "myocardium"})


@dataclass(frozen=True)
class Picture:
    """One PNG and what it shows, in words."""

    png: bytes
    description: str


class ColumnKind(enum.StrEnum):
    """What the pictures below one another show."""

    IMAGE = "image"
    OUTLINES = "outlines"
    BANDS = "bands"
    HEAT = "heat"
    CORRECTIONS = "corrections"


@dataclass(frozen=True)
class Column:
    """One column of pictures; ``heat`` is the map of a heat column."""

    kind: ColumnKind
    title: str
    heat: HeatColumn | None = None


def columns_of(contents: Contents) -> tuple[Column, ...]:
    """The columns of a case from left to right: :func:`slice_pictures` gives one picture for each."""
    bands = [Column(ColumnKind.BANDS, "Contour bands")] if contents.case.bands else []
    return (
        Column(ColumnKind.IMAGE, "Image"),
        Column(ColumnKind.OUTLINES, "Outlines"),
        *bands,
        *(Column(ColumnKind.HEAT, heat.title, heat) for heat in contents.heat_maps),
        Column(ColumnKind.CORRECTIONS, "Corrections (DCM)"),
    )


def field_of_view(marked: np.ndarray, geometry: Geometry) -> Field:
    """Square around everything in ``marked`` (bool (z, y, x)) with a margin; the image centre if empty."""
    spacing = geometry.spacing[:2]
    rows, columns = np.nonzero(marked.any(axis=0))
    if rows.size == 0:
        centre = [(n - 1) / 2 * s for n, s in zip(geometry.size[:2], spacing, strict=True)]
        half = max(SMALLEST_FIELD_MM, min(n * s for n, s in zip(geometry.size[:2], spacing, strict=True)) / 3)
        half = half / 2
    else:
        low = columns.min() * spacing[0], rows.min() * spacing[1]
        high = columns.max() * spacing[0], rows.max() * spacing[1]
        centre = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        extent = max(b - a for a, b in zip(low, high, strict=True))
        half = max(SMALLEST_FIELD_MM, extent + 2 * MARGIN_MM) / 2
    return Field(centre[0] - half, centre[0] + half, centre[1] - half, centre[1] + half)


def slice_pictures(contents: Contents, slices: Sequence[int]) -> Iterator[tuple[Picture, ...]]:
    """For every slice number the pictures of its row, one for each of :func:`columns_of`."""
    marked = (contents.segmentation > 0) | (contents.case.dcm > 0)
    if contents.case.opinion is not None:
        marked |= contents.case.opinion > 0
    field = field_of_view(marked, contents.case.geometry)

    def row(z: int) -> tuple[Picture, ...]:
        plain = Canvas(field, contents.case.geometry.spacing[:2])
        if contents.image is not None:
            plain.show_grey(contents.image[z], grey_window(contents, z, field))
        border = boundary_pieces(without_holes(contents.segmentation[z] != BACKGROUND.value))
        return tuple(_picture(column, plain, contents, z, border) for column in columns_of(contents))

    # compressing and resampling let other threads run, drawing lines does not
    with ThreadPoolExecutor(min(available_threads(), MOST_THREADS), "pictures") as pool:
        yield from pool.map(row, slices) if available_threads() > 1 else map(row, slices)


def _picture(column: Column, plain: Canvas, contents: Contents, z: int, border: np.ndarray) -> Picture:
    canvas = Canvas(plain.field, plain.spacing, plain.image)
    if column.heat is not None:
        return _heat(canvas, column.heat, z, border)
    if column.kind is ColumnKind.CORRECTIONS:
        return _corrections(canvas, contents, z, border)
    draw = {ColumnKind.IMAGE: _image, ColumnKind.OUTLINES: _outlines, ColumnKind.BANDS: _bands}
    return draw[column.kind](canvas, contents, z)


def grey_window(contents: Contents, z: int, field: Field) -> tuple[float, float]:
    """Grey values of slice ``z`` shown black and white: its 1st and 99.5th percentile inside ``field``."""
    if contents.image is None:
        return (0.0, 1.0)
    x_mm, y_mm = contents.case.geometry.spacing[:2]
    rows = slice(max(0, round(field.top / y_mm)), max(1, round(field.bottom / y_mm) + 1))
    columns = slice(max(0, round(field.left / x_mm)), max(1, round(field.right / x_mm) + 1))
    low, high = np.percentile(contents.image[z, rows, columns], (1.0, 99.5))
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def _image(canvas: Canvas, contents: Contents, z: int) -> Picture:
    right, down = np.reshape(contents.case.geometry.direction, (3, 3))[:, :2].T
    canvas.write(_patient_side(right), (PIXELS - _EDGE_PX, PIXELS / 2), "rm")
    canvas.write(_patient_side(down), (PIXELS / 2, PIXELS - _EDGE_PX), "mb")
    canvas.bar(_SCALE_BAR_MM, (_EDGE_PX, PIXELS - _EDGE_PX))
    canvas.write(f"{_SCALE_BAR_MM:.0f} mm", (_EDGE_PX, PIXELS - _EDGE_PX - 7), "lb")
    return Picture(canvas.png(), f"Slice {slice_number(z)}: image")


def _patient_side(direction_lps: np.ndarray) -> str:
    """Letters of the patient's sides an axis points to, the strongest first, such as "L" or "PF"."""
    letters = (("R", "L"), ("A", "P"), ("F", "H"))
    strongest = sorted(range(3), key=lambda n: -abs(direction_lps[n]))
    return "".join(letters[n][int(direction_lps[n] > 0)] for n in strongest if abs(direction_lps[n]) > 0.35)


def _outlines(canvas: Canvas, contents: Contents, z: int) -> Picture:
    """Dashed first, so that a dash shows only where the stages differ."""
    order = sorted(contents.case.classes, key=lambda info: (info.name not in _OUTERMOST, info.value))
    classes = [info for info in order if info.value]  # on a shared border the last line wins
    if contents.case.opinion is not None:
        for info in classes:
            canvas.outline(contents.case.opinion[z] == info.value, info.colour, width=1.5, dashed=True)
    for info in classes:
        canvas.outline(contents.segmentation[z] == info.value, info.colour)
    found = np.unique(contents.segmentation[z])
    present = [info.name for info in contents.case.classes if info.value and info.value in found]
    return Picture(canvas.png(), f"Slice {slice_number(z)}: outlines of {', '.join(present) or 'nothing'}")


def _bands(canvas: Canvas, contents: Contents, z: int) -> Picture:
    """Each band as the area between its two contours."""
    colours = band_colours(contents.case.bands, contents.case.classes)
    planes = {name: contents.case.band_maps[name][z] for name in colours}
    for name, plane in planes.items():
        fills = np.zeros((256, 4), np.uint8)
        fills[BETWEEN] = (*rgb(colours[name]), round(255 * FILL))
        canvas.lay_over(plane, fills)
    for name, plane in planes.items():
        canvas.outline(plane == INSIDE, colours[name], width=1.5)
        canvas.outline(plane > 0, colours[name], width=1.5)
    shown = [name for name, plane in planes.items() if plane.any()]
    return Picture(canvas.png(), f"Slice {slice_number(z)}: contour bands of {', '.join(shown) or 'nothing'}")


@functools.cache
def _faded_heat() -> np.ndarray:
    """Colours of the shares 0 to 255 of a heat map's scale, uint8 RGBA."""
    steps = np.linspace(0.0, 1.0, 256)
    fade = np.clip((steps - HIDDEN_BELOW) / (OPAQUE_FROM - HIDDEN_BELOW), 0.0, 1.0)
    colours = np.concatenate([heat_colours(steps), 255 * HEAT_OPACITY * fade[:, None]], axis=1)
    return np.rint(colours).astype(np.uint8)


def _heat(canvas: Canvas, heat_map: HeatColumn, z: int, border: np.ndarray) -> Picture:
    share = np.clip(heat_map.values[z] / heat_map.maximum, 0.0, 1.0)
    canvas.lay_over(np.rint(255 * share), _faded_heat())
    _faint_outline(canvas, border)
    highest = float(heat_map.values[z].max())
    return Picture(canvas.png(), f"Slice {slice_number(z)}: {heat_map.title}, at most {highest:.2f}")


def _corrections(canvas: Canvas, contents: Contents, z: int, border: np.ndarray) -> Picture:
    _faint_outline(canvas, border)
    names = {info.value: info.name for info in contents.case.classes}
    codes = [int(code) for code in np.unique(contents.case.dcm[z]) if code]
    fills = np.zeros((256, 4), np.uint8)
    inks: dict[int, str] = {}
    words = []
    for code in codes:
        was, became = divmod(code, len(contents.case.classes))
        inks[code] = correction_colour(was, became, contents.case.classes)
        fills[code] = (*rgb(inks[code]), round(255 * FILL))
        words.append(f"{names[was]} to {names[became]}")
    if codes:
        canvas.lay_over(contents.case.dcm[z], fills)
    for code in codes:
        canvas.outline(contents.case.dcm[z] == code, inks[code])
    _number_regions(canvas, contents, z)
    return Picture(canvas.png(), f"Slice {slice_number(z)}: corrections {', '.join(words) or 'none'}")


def _number_regions(canvas: Canvas, contents: Contents, z: int) -> None:
    ids = contents.case.component_ids[z]
    for region, box in enumerate(boxes_of(ids), start=1):
        if box is None:
            continue
        rows, columns = np.nonzero(ids[box] == region)
        rightmost = int(columns.argmax())
        x, y = canvas.pixel_of(box[1].start + columns[rightmost], box[0].start + rows[rightmost])
        canvas.write(str(region), (min(x + 6, PIXELS - 12), y), "lm", size=15)


def _faint_outline(canvas: Canvas, border: np.ndarray) -> None:
    """The outer border of the heart, for orientation."""
    canvas.draw_pieces(border, "#FFFFFF", width=1.0, opacity=0.6)
