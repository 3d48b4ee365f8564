"""A place worth a look, as it is kept and shown; how places are found stands in :mod:`.looks`."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .quality import MEAN, PredictedDice

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


def one_for_each_proposal(looks: Sequence[Look]) -> tuple[Look, ...]:
    """Places that show slices of one proposal become one, worth what they are worth together; the most
    rewarding first."""
    kept: dict[object, Look] = {}
    for look in looks:
        key = _proposal(look)
        first = kept.get(key)
        if first is not None:
            look = replace(first, gain=first.gain + look.gain, scar_ml=first.scar_ml + look.scar_ml)
        kept[key] = look
    return tuple(sorted(kept.values(), key=lambda look: (-look.gain, look.number)))


def within_loss(looks: Sequence[Look], predicted: Sequence[PredictedDice]) -> tuple[Look, ...]:
    """Places that together promise no more mean Dice than is predicted to be missing: each gain is the share
    of it that P(wrong) gives the place. As they are where no Dice is predicted or they promise less."""
    missing = next((1.0 - one.value for one in predicted if one.structure == MEAN), None)
    promised = sum(look.gain for look in looks)
    if missing is None or promised <= missing:
        return tuple(looks)
    return tuple(replace(look, gain=round(look.gain * missing / promised, 4)) for look in looks)


def slices_shown(one: Look, looks: Sequence[Look]) -> tuple[int, ...]:
    """The slices of all ``looks`` that show the proposal of ``one``, of any other place its own."""
    return tuple(sorted({look.slice for look in looks if _proposal(look) == _proposal(one)}))


def _proposal(look: Look) -> object:
    """What looks at one proposal have in common, and no others."""
    return look.label if look.kind is LookKind.SECOND_LOOK else -look.number
