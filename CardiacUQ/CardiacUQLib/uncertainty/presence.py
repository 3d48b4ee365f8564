"""Is there an infarct at all, is there MVO? Calibrated probabilities per case, and what is shown of it.

A lesion that the networks draw is shown where showing it promises more Dice than leaving it out: with
P the probability that the reader sees one and D the mean Dice of those that are both present and drawn,
showing is worth P D, not showing 1 - P (a class absent from both counts 1), so that it is shown from
P = 1 / (1 + D) on. Logistic regressions, fitted by ``CardiacUQTraining.evaluation.assessment.fit``; that of
MVO on hearts with an infarct, so that P(MVO) = P(infarct) P(MVO | infarct).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..base.arg_max import arg_max
from ..bundles.classes import LESIONS
from ..bundles.manifest import ClassInfo
from .linear import LinearModel

KEY = "presence"
"""Name of the fit in ``manifest.calibration``."""


@dataclass(frozen=True)
class LesionPresence:
    """Log-odds that a lesion is there, and from which probability on it is shown if it was drawn. ``given``
    names the lesion that it is part of where the log-odds are those of hearts that have that one."""

    model: LinearModel
    shown_from: float
    given: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.shown_from <= 1:
            raise ValueError("a lesion is shown from a probability between 0 and 1 on")


@dataclass(frozen=True)
class PresenceCalibration:
    """``manifest.calibration["presence"]``: one fit per lesion (keys of :data:`LESIONS`)."""

    lesions: Mapping[str, LesionPresence]
    fitted_on: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = {one.given for one in self.lesions.values() if one.given}
        if strange := sorted((set(self.lesions) | given) - set(LESIONS)):
            raise ValueError(f'"{strange[0]}" is no lesion; known are {", ".join(LESIONS)}')
        if lacking := sorted(given - {name for name, one in self.lesions.items() if not one.given}):
            raise ValueError(
                f'the probability of "{lacking[0]}" itself, given which another is told, is missing'
            )

    def probabilities(self, evidence: Mapping[str, float]) -> dict[str, float]:
        """P(lesion) by name; a lesion is never more probable than the one it is part of."""
        alone = {name: one.model.probability(evidence) for name, one in self.lesions.items()}
        found = {name: alone[name] * alone.get(one.given, 1.0) for name, one in self.lesions.items()}
        for name in found:
            for whole, parts in LESIONS.items():
                if whole != name and name in parts and whole in found:
                    found[name] = min(found[name], found[whole])
        return found

    def hidden(self, probabilities: Mapping[str, float]) -> tuple[str, ...]:
        """Lesions that are not to be shown although they may be drawn; those within a hidden one too."""
        hidden = {name for name, one in self.lesions.items() if probabilities[name] < one.shown_from}
        hidden |= {part for name in hidden for part in LESIONS[name] if part in self.lesions}
        return tuple(name for name in self.lesions if name in hidden)


def class_values(classes: Sequence[ClassInfo]) -> dict[str, int]:
    """Label values of the foreground classes by name."""
    return {info.name: info.value for info in classes if info.value}


def drawn_lesions(labels: np.ndarray, values: Mapping[str, int]) -> dict[str, bool]:
    """Whether each lesion that the classes tell apart has a voxel in ``labels``."""
    return {
        lesion: bool(np.isin(labels, [values[part] for part in parts]).any())
        for lesion, parts in LESIONS.items()
        if all(part in values for part in parts)
    }


def labels_without(p: np.ndarray, hidden: Collection[str], values: Mapping[str, int]) -> np.ndarray:
    """Labels (z, y, x), uint8, of softmax ``p`` (C, z, y, x) in which no voxel belongs to a hidden lesion:
    those take their next most likely class. ``values`` are label values by class name."""
    away = sorted({values[part] for lesion in hidden for part in LESIONS[lesion] if part in values})
    if away:
        p = p.copy()
        p[away] = -1.0
    return arg_max(p)
