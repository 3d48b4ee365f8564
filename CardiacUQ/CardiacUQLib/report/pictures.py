"""Pictures of one slice after another: the image, the outlines of both stages, heat maps, corrections.

Every picture is a PNG of the same square field of view around the heart, x to the right and y downwards as
the slice is stored in slice order. Fills stay at or under a quarter of the opacity so that the image
remains readable; heat maps vanish where the result is certain.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from ..classes import BACKGROUND
from ..colours import correction_colour
from ..volume import Geometry
from .contents import Contents, HeatMap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS = 340
MARGIN_MM = 14.0
SMALLEST_FIELD_MM = 70.0
HIDDEN_BELOW = 0.06
"""Share of a heat map's scale under which the image shows alone."""

OPAQUE_FROM = 0.25
"""Share of a heat map's scale from which its colours cover the image; between the two they fade in."""

FILL = 0.25
"""Opacity of the area of a correction."""

_SCALE_BAR_MM = 20.0
_FAINT = (1.0, 1.0, 1.0, 0.55)
_OUTERMOST = frozenset({"healthy myocardium", "myocardium"})


@dataclass(frozen=True)
class Picture:
    """One PNG and what it shows, in words."""

    png: bytes
    description: str


@dataclass(frozen=True)
class Field:
    """The square that is shown, in mm from the centre of voxel 0: left, right, top, bottom."""

    left: float
    right: float
    top: float
    bottom: float

    @property
    def size_mm(self) -> float:
        """Length of a side."""
        return self.right - self.left


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
    """For every slice number the pictures of its row: image, outlines, each heat map, corrections."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    marked = (contents.segmentation > 0) | (contents.dcm > 0)
    if contents.stage2d is not None:
        marked |= contents.stage2d > 0
    field = field_of_view(marked, contents.geometry)
    count = 3 + len(contents.heat_maps)
    figure = Figure(figsize=(count * PIXELS / 100, PIXELS / 100), dpi=100, facecolor="black")
    canvas = FigureCanvasAgg(figure)
    for z in slices:
        figure.clear()
        window = grey_window(contents, z, field)
        axes = [figure.add_axes((n / count, 0, 1 / count, 1)) for n in range(count)]
        for ax in axes:
            _prepare(ax, contents, z, field, window)
        descriptions = [_draw_image(axes[0], contents, z, field), _draw_outlines(axes[1], contents, z)]
        descriptions += [
            _draw_heat_map(ax, contents, heat_map, z)
            for ax, heat_map in zip(axes[2:], contents.heat_maps, strict=False)
        ]
        descriptions.append(_draw_corrections(axes[-1], contents, z))
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
        cells = np.split(pixels, count, axis=1)
        yield tuple(Picture(_png(cell), text) for cell, text in zip(cells, descriptions, strict=True))


def grey_window(contents: Contents, z: int, field: Field) -> tuple[float, float]:
    """Grey values of slice ``z`` shown black and white: its 1st and 99.5th percentile inside ``field``."""
    if contents.image is None:
        return (0.0, 1.0)
    x_mm, y_mm = contents.geometry.spacing[:2]
    rows = slice(max(0, round(field.top / y_mm)), max(1, round(field.bottom / y_mm) + 1))
    columns = slice(max(0, round(field.left / x_mm)), max(1, round(field.right / x_mm) + 1))
    low, high = np.percentile(contents.image[z, rows, columns], (1.0, 99.5))
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def _prepare(ax: Axes, contents: Contents, z: int, field: Field, window: tuple[float, float]) -> None:
    ax.set_axis_off()
    ax.set_facecolor("black")
    if contents.image is not None:
        ax.imshow(
            contents.image[z],
            cmap="gray",
            vmin=window[0],
            vmax=window[1],
            interpolation="bicubic",
            extent=_extent(contents),
        )
    ax.set_xlim(field.left, field.right)
    ax.set_ylim(field.bottom, field.top)
    ax.set_aspect("auto")


def _extent(contents: Contents) -> tuple[float, float, float, float]:
    """Outer edges of the slice in mm, as imshow wants them: left, right, bottom, top."""
    (columns, rows, _), (x_mm, y_mm, _) = contents.geometry.size, contents.geometry.spacing
    return (-0.5 * x_mm, (columns - 0.5) * x_mm, (rows - 0.5) * y_mm, -0.5 * y_mm)


def _draw_image(ax: Axes, contents: Contents, z: int, field: Field) -> str:
    from matplotlib.patheffects import withStroke

    x_mm, y_mm = np.reshape(contents.geometry.direction, (3, 3))[:, :2].T
    pad = field.size_mm * 0.03
    middle = (field.left + field.right) / 2, (field.top + field.bottom) / 2
    edge = [withStroke(linewidth=2, foreground="black")]
    style: dict[str, Any] = {"color": "white", "fontsize": 12, "path_effects": edge}
    ax.text(field.right - pad, middle[1], _patient_side(x_mm), ha="right", va="center", **style)
    ax.text(middle[0], field.bottom - pad, _patient_side(y_mm), ha="center", va="bottom", **style)
    start, level = field.left + pad, field.bottom - pad
    ends = [start, start + _SCALE_BAR_MM]
    thick = [withStroke(linewidth=4, foreground="black")]
    ax.plot(ends, [level, level], color="white", linewidth=2, solid_capstyle="butt", path_effects=thick)
    ax.text(start, level - pad * 0.6, f"{_SCALE_BAR_MM:.0f} mm", ha="left", va="bottom", **style)
    return f"Slice {z + 1}: image"


def _patient_side(direction_lps: np.ndarray) -> str:
    """Letters of the patient's sides an axis points to, the strongest first, such as "L" or "PF"."""
    letters = (("R", "L"), ("A", "P"), ("F", "H"))
    strongest = sorted(range(3), key=lambda n: -abs(direction_lps[n]))
    return "".join(letters[n][int(direction_lps[n] > 0)] for n in strongest if abs(direction_lps[n]) > 0.35)


def _draw_outlines(ax: Axes, contents: Contents, z: int) -> str:
    """Dashed first, so that a dash shows only where the stages differ."""
    if contents.stage2d is not None:
        _outline_classes(ax, contents, contents.stage2d[z], linewidth=1.1, linestyle=(0, (2.2, 1.6)))
    _outline_classes(ax, contents, contents.segmentation[z], linewidth=1.6)
    present = [
        info.name
        for info in contents.classes
        if info.value and (contents.segmentation[z] == info.value).any()
    ]
    return f"Slice {z + 1}: outlines of {', '.join(present) or 'nothing'}"


def _outline_classes(ax: Axes, contents: Contents, labels: np.ndarray, **style: Any) -> None:
    """One line per class; on a shared border the myocardium yields, then the lower label."""
    order = sorted(contents.classes, key=lambda info: (info.name not in _OUTERMOST, info.value))
    for info in order:
        if info.value:
            _outline(ax, contents, labels == info.value, info.colour, **style)


def _outline(
    ax: Axes, contents: Contents, mask: np.ndarray, colour: Any, *, linewidth: float, linestyle: Any = "solid"
) -> None:
    if not mask.any():
        return
    padded = np.pad(mask, 1).astype(float)
    x_mm, y_mm = contents.geometry.spacing[:2]
    x = (np.arange(padded.shape[1]) - 1) * x_mm
    y = (np.arange(padded.shape[0]) - 1) * y_mm
    ax.contour(x, y, padded, levels=[0.5], colors=[colour], linewidths=linewidth, linestyles=[linestyle])


def _draw_heat_map(ax: Axes, contents: Contents, heat_map: HeatMap, z: int) -> str:
    from matplotlib import colormaps

    share = np.clip(heat_map.values[z] / heat_map.maximum, 0.0, 1.0)
    coloured = colormaps["inferno"](share)
    coloured[..., 3] = 0.85 * np.clip((share - HIDDEN_BELOW) / (OPAQUE_FROM - HIDDEN_BELOW), 0.0, 1.0)
    ax.imshow(coloured, interpolation="nearest", extent=_extent(contents))
    _faint_outline(ax, contents, z)
    return f"Slice {z + 1}: {heat_map.title}, at most {float(heat_map.values[z].max()):.2f}"


def _draw_corrections(ax: Axes, contents: Contents, z: int) -> str:
    _faint_outline(ax, contents, z)
    count = len(contents.classes)
    names = {info.value: info.name for info in contents.classes}
    words = []
    for code in np.unique(contents.dcm[z]):
        if code == 0:
            continue
        was, became = divmod(int(code), count)
        colour = correction_colour(was, became, contents.classes)
        mask = contents.dcm[z] == code
        fill = np.zeros((*mask.shape, 4))
        fill[mask] = _rgba(colour, FILL)
        ax.imshow(fill, interpolation="nearest", extent=_extent(contents))
        _outline(ax, contents, mask, colour, linewidth=1.6)
        words.append(f"{names[was]} to {names[became]}")
    _number_regions(ax, contents, z)
    return f"Slice {z + 1}: corrections {', '.join(words) or 'none'}"


def _number_regions(ax: Axes, contents: Contents, z: int) -> None:
    x_mm, y_mm = contents.geometry.spacing[:2]
    for region in np.unique(contents.component_ids[z]):
        if region == 0:
            continue
        mask = contents.component_ids[z] == region
        rows, columns = np.nonzero(mask)
        right = int(columns.argmax())
        ax.annotate(
            str(int(region)),
            (columns[right] * x_mm, rows[right] * y_mm),
            xytext=(5, 0),
            textcoords="offset points",
            color="white",
            fontsize=13,
            va="center",
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "black", "edgecolor": "none", "alpha": 0.6},
        )


def _faint_outline(ax: Axes, contents: Contents, z: int) -> None:
    """The outer border of the heart, for orientation."""
    whole = ndimage.binary_fill_holes(contents.segmentation[z] != BACKGROUND.value)
    _outline(ax, contents, np.asarray(whole), _FAINT, linewidth=0.8)


def _rgba(colour: str, opacity: float) -> tuple[float, float, float, float]:
    red, green, blue = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    return (red, green, blue, opacity)


def _png(pixels: np.ndarray) -> bytes:
    """PNG of an RGB array (y, x, 3), with one channel if it is grey all over."""
    from PIL import Image

    grey = bool((pixels[..., :1] == pixels[..., 1:]).all())
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[..., 0] if grey else pixels)).save(stream, "PNG")
    return stream.getvalue()
