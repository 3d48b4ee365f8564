"""A place worth a look, as it is kept and shown; how places are found stands in :mod:`.looks`."""

from __future__ import annotations

import enum
from dataclasses import dataclass

RADIUS_MM = 15.0
LEAST_GAIN = 0.015
"""Expected gain in mean Dice below which a place is not worth a reader's look."""


class LookKind(enum.StrEnum):
    """Why a place is worth a look."""

    CORRECTION = "correction"
    DOUBT = "doubt"
    SECOND_LOOK = "second look"


@dataclass(frozen=True)
class Look:
    """One place, numbered from 1 by its worth.

    ``slice`` counts from 0 in slice order, ``centre_ras`` in mm. ``gain`` is the expected gain in mean Dice,
    ``scar_ml`` the expected volume of infarct and MVO that is wrongly there or not there. ``label`` is the
    proposed label of a second look, whose ``probability`` and volume ``text`` tells; None otherwise.
    ``became`` is the final label in question, ``was`` that of the opinion it overruled, None where both
    agree.
    """

    number: int
    kind: LookKind
    slice: int
    centre_ras: tuple[float, float, float]
    radius_mm: float
    gain: float
    scar_ml: float
    text: str
    label: int | None = None
    probability: float | None = None
    was: int | None = None
    became: int | None = None
