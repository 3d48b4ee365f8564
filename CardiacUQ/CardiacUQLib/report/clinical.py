"""Bull's-eyes and distributions for the report page, as inline SVG: sharp on paper, no plotting package.

The same conventions as :mod:`CardiacUQLib.report.bullseye`, whose matplotlib figures are for papers:
fixed scales, every value in print, hatching for what is not defined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from ..bundles.colours import HEAT_STOPS
from ..measures.display import digits, size_text
from .bullseye import DOTS, RINGS, Quantity, default_quantities

SHARE_STOPS = (
    "#FFFFE5",
    "#FFF7BC",
    "#FEE391",
    "#FEC44F",
    "#FE9929",
    "#EC7014",
    "#CC4C02",
    "#993404",
    "#662506",
)
"""Evenly spaced colours of ColorBrewer's YlOrBr: light for nothing, colour-blind safe, readable in grey."""
RADIUS, SIDE, HEIGHT = 120.0, 300.0, 350.0
INK, SOFT = "#1b1f24", "#5b6470"
BINS = 16
DOTS_TOP = 28.0
"""Where the highest dot may lie, below the title."""
SHOWN_SIZES = ("infarct_share_of_lv_percent", "lv_mass_g", "lv_volume_ml", "rv_volume_ml", "ef_percent")


def bullseyes_svg(measures: Mapping[str, Any], n_classes: int) -> str:
    """Bull's-eyes of ``measures.json`` beside each other; "" where no slice showed a ring."""
    segments = measures.get("segments")
    if not segments:
        return ""
    items = segments["items"]
    shown = [
        q for q in default_quantities(items, n_classes) if any(item[q.key] is not None for item in items)
    ]
    if not shown:
        return ""
    aha = segments["reference"] == "rv_insertion"
    parts = [
        _bullseye(n * SIDE, [item[q.key] for item in items], q, aha, segments["items"])
        for n, q in enumerate(shown)
    ]
    width = SIDE * len(shown)
    hatch = (
        '<defs><pattern id="undefined" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="6" height="6" fill="#fff"/>'
        '<line x1="0" y1="0" x2="0" y2="6" stroke="#9aa1aa" stroke-width="2"/></pattern></defs>'
    )
    return _svg(width, HEIGHT, "Bull's-eyes of the left ventricle", hatch + "".join(parts))


def distributions_svg(measures: Mapping[str, Any]) -> str:
    """20 equally likely values of the main sizes as dots, with interval and value; "" without any."""
    sizes = measures.get("sizes") or {}
    keys = [key for key in SHOWN_SIZES if key in sizes and sizes[key].get("distribution")]
    if not keys:
        return ""
    parts = [_dots(n * SIDE * 1.5, key, sizes[key]) for n, key in enumerate(keys)]
    return _svg(SIDE * 1.5 * len(keys), 130, "Distributions of the sizes", "".join(parts))


def segments_note(measures: Mapping[str, Any]) -> str:
    """What the segments are counted from and which end is the base, for under the bull's-eyes."""
    segments = measures.get("segments")
    if not segments:
        return ""
    if segments["reference"] == "rv_insertion":
        start = "AHA 17 segments from the anterior insertion of the right ventricle"
    else:
        start = "17 sectors from 12 o'clock of the image: no RV insertion point, so not AHA segments"
    return f"{start}; base: slice {segments['base_slice'] + 1} ({segments['base_rule']})"


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


def _bullseye(
    left: float,
    values: Sequence[float | None],
    quantity: Quantity,
    aha: bool,
    items: Sequence[Mapping[str, Any]],
) -> str:
    cx, cy = left + SIDE / 2, 165.0
    heat = quantity.colours == "inferno"
    stops = HEAT_STOPS if heat else SHARE_STOPS
    parts = [_text(cx, 14, quantity.title, size=13, weight=600)]
    shapes = [(f'<circle cx="{cx:.1f}" cy="{cy}" r="{0.25 * RADIUS:.1f}"', (cx, cy), 17)]
    for first, count, inner, outer, start in RINGS:
        for n in range(count):
            begin, end = start + n * 360 / count, start + (n + 1) * 360 / count
            middle = _point(cx, cy, (inner + outer) / 2, (begin + end) / 2)
            shapes.append((f'<path d="{_wedge(cx, cy, inner, outer, begin, end)}"', middle, first + n))
    for shape, (x, y), number in shapes:
        value = values[number - 1]
        name = escape(str(items[number - 1]["name"]), quote=True)
        if value is None:
            parts.append(
                f'{shape} fill="url(#undefined)" stroke="#7f7f7f"><title>{name}: not defined</title>'
            )
        else:
            red, green, blue = colour_at(value / quantity.maximum, stops)
            text = quantity.text(value)
            parts.append(
                f'{shape} fill="rgb({red},{green},{blue})" stroke="#7f7f7f">'
                f"<title>{name}: {text} {quantity.unit}</title>"
            )
        parts.append("</circle>" if number == 17 else "</path>")
        if value is not None:
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 128
            parts.append(_text(x, y + 4, text, size=11, colour="#fff" if dark else INK))
    around = ("anterior", "septal", "inferior", "lateral") if aha else ("12 h", "9 h", "6 h", "3 h")
    for word, angle in zip(around, (90, 180, 270, 0), strict=True):
        x, y = _point(cx, cy, 1.1, angle)
        turn = {180: -90, 0: 90}.get(angle, 0) if aha else 0
        parts.append(_text(x, y + 4, word, size=11, colour=SOFT, turn=turn, about=(x, y)))
    return "".join(parts) + _scale(left + 40, quantity, stops)


def _scale(left: float, quantity: Quantity, stops: Sequence[str]) -> str:
    width, top = SIDE - 80, 318.0
    step = width / 40
    bars = "".join(
        f'<rect x="{left + n * step:.2f}" y="{top}" width="{step + 0.4:.2f}" height="9" '
        f'fill="rgb({",".join(map(str, colour_at((n + 0.5) / 40, stops)))})"/>'
        for n in range(40)
    )
    ends = ((left, 0.0), (left + width, quantity.maximum))
    texts = "".join(
        _text(
            x,
            top + 23,
            f"{value:g}{' ' + quantity.unit if value and quantity.unit else ''}",
            size=11,
            colour=SOFT,
        )
        for x, value in ends
    )
    return bars + f'<rect x="{left}" y="{top}" width="{width}" height="9" fill="none" stroke="#777"/>' + texts


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
    parts = [_text(left + 10, 14, title, size=13, weight=600, anchor="start")]
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
        parts.append(f'<line x1="{a:.1f}" y1="{y}" x2="{b:.1f}" y2="{y}" stroke="{INK}" stroke-width="4"/>')
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
    size: int,
    colour: str = INK,
    weight: int = 400,
    anchor: str = "middle",
    turn: int = 0,
    about: tuple[float, float] = (0.0, 0.0),
) -> str:
    rotate = f' transform="rotate({turn} {about[0]:.1f} {about[1]:.1f})"' if turn else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}"{rotate}>{escape(words)}</text>'
    )


def _point(cx: float, cy: float, radius: float, degrees: float) -> tuple[float, float]:
    angle = np.radians(degrees)
    return float(cx + RADIUS * radius * np.cos(angle)), float(cy - RADIUS * radius * np.sin(angle))


def _wedge(cx: float, cy: float, inner: float, outer: float, begin: float, end: float) -> str:
    """Path of a ring sector, counter-clockwise from ``begin`` to ``end`` degrees."""
    a, b = _point(cx, cy, outer, begin), _point(cx, cy, outer, end)
    c, d = _point(cx, cy, inner, end), _point(cx, cy, inner, begin)
    big, small = outer * RADIUS, inner * RADIUS
    return (
        f"M{a[0]:.1f} {a[1]:.1f}A{big:.1f} {big:.1f} 0 0 0 {b[0]:.1f} {b[1]:.1f}"
        f"L{c[0]:.1f} {c[1]:.1f}A{small:.1f} {small:.1f} 0 0 1 {d[0]:.1f} {d[1]:.1f}Z"
    )


def colour_at(share: float, stops: Sequence[str]) -> tuple[int, int, int]:
    """Red, green and blue of a share (0..1) of a scale with evenly spaced ``stops``."""
    place = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    low = min(int(place), len(stops) - 2)
    first, second = ([int(stops[n][i : i + 2], 16) for i in (1, 3, 5)] for n in (low, low + 1))
    red, green, blue = (round(a + (b - a) * (place - low)) for a, b in zip(first, second, strict=True))
    return red, green, blue
