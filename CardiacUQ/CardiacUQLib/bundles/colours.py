"""Colours of what the reader must tell apart: corrections by class, uncertainty by brightness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .manifest import ClassInfo

HEAT_STOPS = (
    "#000004", "#040312", "#0B0724", "#150B37", "#210C4A", "#2F0A5B", "#3D0965", "#4A0C6B", "#57106E",
    "#64156E", "#71196E", "#7D1E6D", "#8A226A", "#972766", "#A32C61", "#B0315B", "#BC3754", "#C63D4D",
    "#D04545", "#DA4E3C", "#E35933", "#EB6429", "#F1711F", "#F67E14", "#F98C0A", "#FB9B06", "#FCAA0F",
    "#FBBA1F", "#F9C932", "#F5D949", "#F2E865", "#F3F586", "#FCFFA4",
)  # fmt: skip
"""Evenly spaced colours of matplotlib's inferno (CC0): equal steps look equally far apart."""

_TONES: tuple[float, ...] = (0.0, -0.3, 0.35, 0.65, -0.5)
"""Mixing with white (positive) or black (negative), by the rank of the class it was."""


def correction_colour(was: int, became: int, classes: Sequence[ClassInfo]) -> str:
    """Colour (#RRGGBB) of the correction ``was`` -> ``became``, label values of ``classes``.

    The hue is that of the class it became, the tone tells the class it was.
    Raises KeyError for a label that ``classes`` does not hold and ValueError where nothing changed.
    """
    if was == became:
        raise ValueError(f"label {was} was not corrected")
    hues = {info.value: info.colour for info in classes}
    others = sorted(value for value in hues if value != became)
    if was not in hues:
        raise KeyError(was)
    return _mixed(hues[became], _TONES[others.index(was) % len(_TONES)])


def heat_colours(shares: np.ndarray) -> np.ndarray:
    """Red, green and blue (n, 3), 0..255, of shares (n,) of an uncertainty scale, 0..1."""
    stops = np.array([[int(stop[n : n + 2], 16) for n in (1, 3, 5)] for stop in HEAT_STOPS], float)
    places = np.linspace(0.0, 1.0, len(HEAT_STOPS))
    return np.stack([np.interp(shares, places, channel) for channel in stops.T], axis=1)


def _mixed(colour: str, tone: float) -> str:
    target = 255 if tone > 0 else 0
    channels = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(c + (target - c) * abs(tone)):02X}" for c in channels)
