"""Bull's-eyes, distributions of sizes and a strip of slices, as matplotlib figures or PNG.

Scales are fixed, never stretched per case, so that two cases compare by eye; every segment also says
its value in print, and what is undefined is hatched, so the pictures survive a grey printer.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundles.manifest import ClassInfo
from ..images.volume import Geometry
from ..measures.anatomy import class_values
from ..measures.display import digits, size_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 120
RINGS = ((1, 6, 0.75, 1.0, 60.0), (7, 6, 0.5, 0.75, 60.0), (13, 4, 0.25, 0.5, 45.0))
"""First segment, count, inner and outer radius, start angle of the first segment of each ring."""
DOTS = 20
BINS = 16
INK, PALE, ACCENT = "#222222", "#D9D9D9", "#0072B2"


@dataclass(frozen=True)
class Quantity:
    """What a bull's-eye shows: key of the segment's entry, title, end of the fixed scale, unit, colours."""

    key: str
    title: str
    maximum: float
    unit: str
    colours: str

    def text(self, value: float) -> str:
        """Value as printed in its segment."""
        return digits(value) if self.unit == "%" else f"{value:.2f}"


INFARCT_SHARE = Quantity("infarct_share_percent", "Infarct share of segment", 100.0, "%", "YlOrBr")
TRANSMURALITY = Quantity(
    "transmurality_mean_percent", "Mean transmurality of infarcted chords", 100.0, "%", "YlOrBr"
)
ERROR_PROBABILITY = Quantity(
    "mean_error_probability", "Mean probability of a wrong label", 1.0, "", "inferno"
)
WALL_THICKNESS = Quantity("wall_thickness_mm", "Wall thickness", 20.0, "mm", "YlOrBr")


def mean_scs(n_classes: int) -> Quantity:
    """The soft correction score with its fixed range 0 .. 2/C."""
    return Quantity("mean_scs", "Mean soft correction score", 2.0 / n_classes, "", "inferno")


def bullseye_figure(
    measures: Mapping[str, Any], quantities: Sequence[Quantity] | None = None
) -> Figure | None:
    """Bull's-eyes of ``measures.json`` side by side; None if no slice showed a ring.

    By default infarct share, transmurality and uncertainty for LGE, wall thickness and uncertainty for
    cine. Without an RV insertion point the sectors are marked by clock hours, not by walls.
    """
    from matplotlib.figure import Figure

    segments = measures.get("segments")
    if not segments:
        return None
    items = segments["items"]
    chosen = default_quantities(items) if quantities is None else quantities
    shown = [q for q in chosen if any(item[q.key] is not None for item in items)]
    if not shown:
        return None
    figure = Figure(figsize=(3.3 * len(shown), 3.9), layout="constrained")
    aha = segments["reference"] == "rv_insertion"
    for axes, quantity in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        _bullseye(axes, [item[quantity.key] for item in items], quantity, aha)
    note = (
        "AHA 17 segments"
        if aha
        else "17 sectors from 12 o'clock of the image (no RV insertion point: not AHA)"
    )
    figure.supxlabel(note, fontsize=8, color=INK)
    return figure


def default_quantities(items: Sequence[Mapping[str, Any]], n_classes: int = 5) -> tuple[Quantity, ...]:
    """Infarct and depth where infarct is known, else thickness; calibrated uncertainty where there is one."""
    lge = any(item["infarct_share_percent"] is not None for item in items)
    known = any(item["mean_error_probability"] is not None for item in items)
    unsure = ERROR_PROBABILITY if known else mean_scs(n_classes)
    return (INFARCT_SHARE, TRANSMURALITY, unsure) if lge else (WALL_THICKNESS, unsure)


def distribution_figure(
    measures: Mapping[str, Any], keys: Sequence[str] = ("infarct_share_of_lv_percent", "lv_mass_g")
) -> Figure | None:
    """For every size 20 equally likely values as dots, the interval and the value; None without any.

    One dot is a chance of 5 %: a reader counts dots instead of judging an area.
    """
    from matplotlib.figure import Figure

    sizes = measures.get("sizes", {})
    shown = [key for key in keys if key in sizes and sizes[key].get("distribution")]
    if not shown:
        return None
    figure = Figure(figsize=(6.2, 1.45 * len(shown) + 0.3), layout="constrained")
    for axes, key in zip(figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown, strict=True):
        _dots(axes, key, sizes[key])
    figure.supxlabel("one dot: a chance of 5 %; bar: interval; line: value", fontsize=8, color=INK)
    return figure


def slice_strip_figure(
    image: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[ClassInfo],
    geometry: Geometry,
    remote: np.ndarray | None = None,
    margin_mm: float = 12.0,
) -> Figure | None:
    """Every slice with labels, outlined on the image, numbered from 1; None without labels.

    ``image``, ``labels`` and the remote region of the thresholds (hatched) are (z, y, x).
    """
    from matplotlib.figure import Figure

    slices = np.flatnonzero((labels > 0).any(axis=(1, 2)))
    if slices.size == 0:
        return None
    window = _window(labels, geometry, margin_mm)
    columns = min(6, slices.size)
    rows = -(-slices.size // columns)
    figure = Figure(figsize=(1.55 * columns, 1.6 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, z in zip(grid, slices, strict=False):
        hatched = None if remote is None else remote[z][window]
        _slice(axes, image[z][window], labels[z][window], classes, hatched, geometry)
        axes.set_title(f"slice {z + 1}", fontsize=8, pad=2, color=INK)
    _legend(figure, labels, classes, remote is not None)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as PNG, without the time of writing, so that equal results give equal bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(stream, format="png", dpi=DPI, metadata={"Software": None})
    return stream.getvalue()


def _bullseye(axes: Axes, values: Sequence[float | None], quantity: Quantity, aha: bool) -> None:
    import matplotlib
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.patches import Circle, Wedge

    colours, scale = matplotlib.colormaps[quantity.colours], Normalize(0.0, quantity.maximum)
    places = [(Circle((0, 0), 0.25), (0.0, 0.0), 17)]
    for first, count, inner, outer, start in RINGS:
        width = 360.0 / count
        for n in range(count):
            begin = start + n * width
            middle, radius = np.radians(begin + width / 2), (inner + outer) / 2
            wedge = Wedge((0, 0), outer, begin, begin + width, width=outer - inner)
            places.append((wedge, (radius * np.cos(middle), radius * np.sin(middle)), first + n))
    for patch, (x, y), number in places:
        value = values[number - 1]
        face = PALE if value is None else colours(scale(value))
        patch.set(facecolor=face, edgecolor="#7F7F7F", linewidth=0.8, hatch="////" if value is None else None)
        axes.add_patch(patch)
        if value is not None:
            dark = np.dot(face[:3], (0.299, 0.587, 0.114)) < 0.5
            axes.text(
                x,
                y,
                quantity.text(value),
                ha="center",
                va="center",
                fontsize=7.5,
                color="white" if dark else INK,
            )
    around = ("anterior", "septal", "inferior", "lateral") if aha else ("12 h", "9 h", "6 h", "3 h")
    turns = (0, 90, 0, -90) if aha else (0, 0, 0, 0)
    spots = ((0, 1.1), (-1.1, 0), (0, -1.1), (1.1, 0))
    for text, (x, y), turn in zip(around, spots, turns, strict=True):
        axes.text(x, y, text, ha="center", va="center", fontsize=8, rotation=turn, color=INK)
    axes.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal")
    axes.axis("off")
    axes.set_title(quantity.title, fontsize=9, color=INK)
    bar = axes.figure.colorbar(
        ScalarMappable(scale, colours), ax=axes, orientation="horizontal", shrink=0.75, aspect=22, pad=0.01
    )
    bar.set_label(quantity.unit, fontsize=8)
    bar.ax.tick_params(labelsize=7)


def _dots(axes: Axes, key: str, entry: Mapping[str, Any]) -> None:
    values = np.quantile(np.asarray(entry["distribution"], float), (np.arange(DOTS) + 0.5) / DOTS)
    low, high = min(values.min(), entry["value"]), max(values.max(), entry["value"])
    if entry["interval"]:
        low, high = min(low, entry["interval"][0]), max(high, entry["interval"][1])
    span = max(high - low, 0.02 * abs(high), 0.1)
    bins = np.round((values - low) / span * BINS).astype(int)
    height = np.array([np.count_nonzero(bins[:n] == b) for n, b in enumerate(bins)])
    axes.plot(
        low + bins * span / BINS, height + 1.0, "o", color=ACCENT, markersize=6.5, markeredgecolor="white"
    )
    if entry["interval"]:
        axes.plot(entry["interval"], [0.0, 0.0], "-", color=INK, linewidth=3, solid_capstyle="butt")
    axes.axvline(entry["value"], color="#D55E00", linewidth=1.5, zorder=0)
    axes.set(
        ylim=(-1.0, max(height.max() + 2.0, 4.0)), xlim=(low - 0.06 * span, high + 0.06 * span), yticks=[]
    )
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8)
    suffix = "" if entry["calibrated"] else ", not calibrated"
    axes.set_title(f"{entry['label']}: {size_text(key, entry)}{suffix}", fontsize=9, loc="left", color=INK)


def _window(labels: np.ndarray, geometry: Geometry, margin_mm: float) -> tuple[slice, slice]:
    y, x = np.nonzero((labels > 0).any(axis=0))
    margin = [int(np.ceil(margin_mm / spacing)) for spacing in (geometry.spacing[1], geometry.spacing[0])]
    return (
        slice(max(0, y.min() - margin[0]), min(labels.shape[1], y.max() + margin[0] + 1)),
        slice(max(0, x.min() - margin[1]), min(labels.shape[2], x.max() + margin[1] + 1)),
    )


def _slice(
    axes: Axes,
    image: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[ClassInfo],
    hatched: np.ndarray | None,
    geometry: Geometry,
) -> None:
    low, high = np.percentile(image, [1, 99.5])
    shape = geometry.spacing[1] / geometry.spacing[0]
    axes.imshow(
        image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=shape, interpolation="bilinear"
    )
    for mask, colour in _outlines(labels, classes):
        axes.contour(mask, levels=[0.5], colors=[colour], linewidths=1.1)
    if hatched is not None and hatched.any():
        axes.contourf(hatched, levels=[0.5, 1.5], colors="none", hatches=["//////"])


def _outlines(labels: np.ndarray, classes: Sequence[ClassInfo]) -> list[tuple[np.ndarray, str]]:
    """Masks to outline, below first: the wall by its outer border, the cavity on top as the inner one."""
    value = class_values(classes)
    colour = {info.value: info.colour for info in classes}
    ventricle = (labels > 0) & (labels != value.get("rv", -1))
    masks = [(ventricle, colour[value["wall"]])]
    others = [info.value for info in classes if info.value not in (0, value["wall"], value["cavity"])]
    masks += [(labels == n, colour[n]) for n in (*others, value["cavity"])]
    return [(mask, shade) for mask, shade in masks if mask.any()]


def _legend(figure: Figure, labels: np.ndarray, classes: Sequence[ClassInfo], remote: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    present = [info for info in classes if info.value and (labels == info.value).any()]
    handles = [Line2D([], [], color=info.colour, linewidth=2, label=info.name) for info in present]
    if remote:
        handles.append(Patch(facecolor="none", edgecolor=INK, hatch="//////", label="remote (n-SD)"))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8, frameon=False,
        facecolor="white",
    )  # fmt: skip
