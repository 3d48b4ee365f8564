"""The cavity over the heartbeat with both phases marked, as inline SVG for the report of a cine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from ..bullseye.drawing import INK

WIDTH, HEIGHT = 560.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 50.0, 14.0, 30.0, 32.0
LINE, MARK, AXIS = "#0072B2", "#D55E00", "#9aa1aa"


def beat_svg(measures: Mapping[str, Any]) -> str:
    """Curve of ``measures["beat"]`` (cavity_ml per frame, frames of ED and ES); "" without a film.

    Frames in which no cavity could be measured (null) are left out of the line.
    """
    beat = measures.get("beat")
    if not beat or len(beat["cavity_ml"]) < 2:
        return ""
    volumes = np.array([np.nan if ml is None else ml for ml in beat["cavity_ml"]], float)
    if not np.isfinite(volumes).any():
        return ""
    top = float(np.nanmax(volumes)) * 1.08
    step = (WIDTH - LEFT - RIGHT) / (len(volumes) - 1)

    def place(frame: int) -> tuple[float, float]:
        return LEFT + frame * step, TOP + (HEIGHT - TOP - BOTTOM) * (1 - volumes[frame] / top)

    shown = [place(int(n)) for n in np.flatnonzero(np.isfinite(volumes))]
    parts = [_axis(len(volumes), step, top), _line(shown)]
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{LINE}"/>' for x, y in shown]
    for phase, frame in beat["frames"].items():
        if np.isfinite(volumes[frame]):
            parts.append(_phase(phase, frame, float(volumes[frame]), *place(frame)))
    title = "Cavity of the left ventricle over the heartbeat, quick pass of all folds"
    return (
        f'<svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" width="{WIDTH:.0f}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def _axis(frames: int, step: float, top: float) -> str:
    base = HEIGHT - BOTTOM
    lines = f'<path d="M{LEFT} {TOP}V{base}H{WIDTH - RIGHT}" fill="none" stroke="{AXIS}"/>'
    every = max(1, round(frames / 10))
    words = [_word(LEFT + n * step, base + 13, str(n), "middle") for n in range(0, frames, every)]
    words += [_word(LEFT - 6, TOP + 4, f"{top / 1.08:.0f} ml", "end"), _word(LEFT - 6, base, "0", "end")]
    words.append(_word((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 3, "frame, counted from 0", "middle"))
    return lines + "".join(words)


def _line(points: Sequence[tuple[float, float]]) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="2"/>'


def _phase(phase: str, frame: int, ml: float, x: float, y: float) -> str:
    """A ring with its words on the side away from the curve: above the largest, below the smallest."""
    words = f"{phase}: frame {frame}, {ml:.0f} ml"
    room = 3.2 * len(words)
    middle = min(max(x, LEFT + room), WIDTH - RIGHT - room)
    mark = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="none" stroke="{MARK}" stroke-width="2.5"/>'
    return mark + _word(middle, y - 11 if phase == "ED" else y + 19, words, "middle", bold=True)


def _word(x: float, y: float, text: str, anchor: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="11" fill="{INK}" text-anchor="{anchor}"{weight}>'
        f"{escape(text)}</text>"
    )
