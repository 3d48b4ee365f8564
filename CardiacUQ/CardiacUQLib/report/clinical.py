"""Bull's-eyes and distributions for the report page, as inline SVG: sharp on paper, no plotting package."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from ..bullseye.drawing import EDGE, INK, SIDE, SOFT, Area, Colour, bullseyes
from ..measures.display import digits, size_text, telling_sizes

BINS, DOTS = 16, 20
DOTS_TOP = 28.0
"""Where the highest dot may lie, below the title."""
SHOWN_SIZES = (
    "infarct_share_of_lv_percent",
    "ef_percent",
    "edv_ml",
    "esv_ml",
    "lv_mass_g",
    "lv_volume_ml",
    "rv_volume_ml",
)
_HATCH = (
    '<defs><pattern id="undefined" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect width="6" height="6" fill="#fff"/>'
    '<line x1="0" y1="0" x2="0" y2="6" stroke="#9aa1aa" stroke-width="2"/></pattern></defs>'
)


def bullseyes_svg(measures: Mapping[str, Any], n_classes: int) -> str:
    """Bull's-eyes of ``measures.json`` beside each other; "" where no slice showed a ring."""
    drawing = bullseyes(measures, n_classes)
    if drawing is None:
        return ""
    words = (
        _text(w.middle[0], w.middle[1] + 0.36 * w.size, w.text, size=w.size, colour=w.colour, bold=w.bold)
        for w in drawing.words
    )
    content = "".join((_HATCH, *map(_area, drawing.areas), *words))
    return _svg(drawing.width, drawing.height, "Bull's-eyes of the left ventricle", content)


def distributions_svg(measures: Mapping[str, Any]) -> str:
    """20 equally likely values of the main sizes as dots, with interval and value; "" without any."""
    sizes = telling_sizes(measures.get("sizes") or {})
    keys = [key for key in SHOWN_SIZES if key in sizes and sizes[key].get("distribution")]
    if not keys:
        return ""
    parts = [_dots(n * SIDE * 1.5, key, sizes[key]) for n, key in enumerate(keys)]
    return _svg(SIDE * 1.5 * len(keys), 130, "Distributions of the sizes", "".join(parts))


def threshold_rows(measures: Mapping[str, Any]) -> list[dict[str, str]]:
    """Method and share of LV mass of the threshold sizes; empty without an infarct to compare with."""
    thresholds = measures.get("thresholds")
    if not thresholds:
        return []
    return [
        {"method": size["method"], "share": f"{digits(size['share_of_lv_percent'])} %"}
        for size in thresholds["sizes"]
        if size["share_of_lv_percent"] is not None
    ]


def _area(area: Area) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in area.points)
    fill = "url(#undefined)" if area.fill is None else _rgb(area.fill)
    edge = f'stroke="{_rgb(EDGE)}"' if area.name else f'stroke="{fill}" stroke-width="0.4"'
    title = f"<title>{escape(area.name)}</title>" if area.name else ""
    return f'<polygon points="{points}" fill="{fill}" {edge}>{title}</polygon>'


def _dots(left: float, key: str, entry: Mapping[str, Any]) -> str:
    values = np.quantile(np.asarray(entry["distribution"], float), (np.arange(DOTS) + 0.5) / DOTS)
    ends = [*(entry["interval"] or ()), entry["value"], values.min(), values.max()]
    low, high = min(ends), max(ends)
    span = max(high - low, 0.02 * abs(high), 0.1)
    width, base = SIDE * 1.5 - 60, 92.0

    def at(value: float) -> float:
        return left + 20 + (value - low) / span * width

    bins = np.round((values - low) / span * BINS).astype(int)
    suffix = "" if entry["calibrated"] else ", not calibrated"
    title = f"{entry['label']}: {size_text(key, entry)}{suffix}"
    parts = [_text(left + 10, 14, title, size=13, bold=True, anchor="start")]
    value = at(entry["value"])
    parts.append(
        f'<line x1="{value:.1f}" y1="26" x2="{value:.1f}" y2="{base + 8}" stroke="#D55E00" stroke-width="2"/>'
    )
    tallest = int(np.bincount(bins - bins.min()).max())
    step = min(9.5, (base - 6 - DOTS_TOP) / max(1, tallest - 1))  # a single column must not reach the title
    for n, b in enumerate(bins):
        height = int(np.count_nonzero(bins[:n] == b))
        x, y = at(low + b * span / BINS), base - 6 - step * height
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{min(4.4, step):.1f}" fill="#0072B2"/>')
    if entry["interval"]:
        a, b = (at(end) for end in entry["interval"])
        y = base + 4
        parts.append(
            f'<line x1="{a:.1f}" y1="{y}" x2="{b:.1f}" y2="{y}" stroke="{_rgb(INK)}" stroke-width="4"/>'
        )
    parts += [_text(at(v), base + 24, digits(v), size=11, colour=SOFT) for v in (low, high)]
    return "".join(parts)


def _svg(width: float, height: float, label: str, content: str) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label, quote=True)}" '
        f'style="width: 100%; max-width: {width:g}px; height: auto" '
        f'font-family="system-ui, DejaVu Sans, Arial, sans-serif">{content}</svg>'
    )


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: float,
    colour: Colour = INK,
    bold: bool = False,
    anchor: str = "middle",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" font-weight="{600 if bold else 400}" '
        f'fill="{_rgb(colour)}" text-anchor="{anchor}">{escape(words)}</text>'
    )


def _rgb(colour: Colour) -> str:
    return f"rgb({','.join(map(str, colour))})"
