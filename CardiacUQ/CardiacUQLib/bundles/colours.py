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

SHARE_STOPS = (
    "#FFFFE5", "#FFF7BC", "#FEE391", "#FEC44F", "#FE9929", "#EC7014", "#CC4C02", "#993404", "#662506",
)  # fmt: skip
"""Evenly spaced colours of ColorBrewer's YlOrBr: light for nothing, colour-blind safe, readable in grey."""

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
    """Red, green and blue (n, 3), 0..255, of shares (n,) of an uncertainty scale, 0..1; wherever one is
    drawn, its colours come from here."""
    return scale_colours(shares, HEAT_STOPS)


def scale_colours(shares: np.ndarray, stops: Sequence[str]) -> np.ndarray:
    """Red, green and blue (n, 3), 0..255, of shares (n,) of a scale with evenly spaced ``stops``; what lies
    outside 0..1 has the colour of the nearer end."""
    ends = np.array([rgb(stop) for stop in stops], float)
    places = np.linspace(0.0, 1.0, len(stops))
    return np.stack([np.interp(shares, places, channel) for channel in ends.T], axis=1)


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue (0..255) of #RRGGBB."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return (red, green, blue)


def _mixed(colour: str, tone: float) -> str:
    target = 255 if tone > 0 else 0
    return "#" + "".join(f"{round(c + (target - c) * abs(tone)):02X}" for c in rgb(colour))
