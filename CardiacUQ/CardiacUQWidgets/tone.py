"""Colours of words in the panel: readable on the light and on the dark palette (contrast at least 4.5:1)."""

from __future__ import annotations

import enum

import qt


class Tone(enum.Enum):
    """What a line means; the values are its colour on a light and on a dark ground."""

    PLAIN = ("", "")
    GOOD = ("#1b6e3c", "#81d8a0")
    CARE = ("#8a4b00", "#ffc46b")
    BAD = ("#b3261e", "#ffb4ab")


def set_tone(label: qt.QLabel, tone: Tone) -> None:
    """Colour the words of a label for the palette it is drawn with."""
    light, dark = tone.value
    ground = label.palette.color(qt.QPalette.Window)
    colour = dark if ground.lightness() < _MIDDLE else light
    label.styleSheet = f"color: {colour};" if colour else ""


_MIDDLE = 128
