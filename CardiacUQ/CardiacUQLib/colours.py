"""Colours of the Discrete Correction Map: the hue is the class it became, the tone the class it was."""

from __future__ import annotations

from collections.abc import Sequence

from .manifest import ClassInfo

_TONES: tuple[float, ...] = (0.0, -0.3, 0.35, 0.65, -0.5)
"""Mixing with white (positive) or black (negative), by the rank of the class it was."""


def correction_colour(was: int, became: int, classes: Sequence[ClassInfo]) -> str:
    """Colour (#RRGGBB) of the correction ``was`` -> ``became``, label values of ``classes``.

    Raises KeyError for a label that ``classes`` does not hold and ValueError where nothing changed.
    """
    if was == became:
        raise ValueError(f"label {was} was not corrected")
    hues = {info.value: info.colour for info in classes}
    others = sorted(value for value in hues if value != became)
    if was not in hues:
        raise KeyError(was)
    return _mixed(hues[became], _TONES[others.index(was) % len(_TONES)])


def _mixed(colour: str, tone: float) -> str:
    target = 255 if tone > 0 else 0
    channels = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(c + (target - c) * abs(tone)):02X}" for c in channels)
