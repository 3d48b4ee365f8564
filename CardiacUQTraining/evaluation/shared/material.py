"""What the fits of a data set are made of: per case the evidence, the truth, and the Dice of every choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from CardiacUQLib.bundles.classes import LESIONS
from CardiacUQLib.bundles.manifest import ClassInfo
from CardiacUQLib.uncertainty.presence import labels_without

from .contours import ContourHistogram


@dataclass(frozen=True)
class Choice:
    """What hiding certain lesions gives: Dice by class name, and whether each lesion is drawn at all."""

    dice: Mapping[str, float]
    drawn: Mapping[str, bool]

    @property
    def mean_dice(self) -> float:
        """Mean over the classes."""
        return float(np.mean(list(self.dice.values())))


@dataclass(frozen=True)
class CaseMaterial:
    """One judged case. ``group`` names the networks that predicted it: cases of one group are never on both
    sides of a fit. ``present`` and ``volume_ml`` (the reader's) are by lesion, ``choices`` by the hidden
    lesions joined with "+" ("" shows all that is drawn); ``contours`` how the reader's contours lie to the
    scores of bands."""

    case: str
    group: str
    evidence: Mapping[str, float]
    present: Mapping[str, bool]
    volume_ml: Mapping[str, float]
    choices: Mapping[str, Choice]
    contours: Mapping[str, Mapping[str, ContourHistogram]] = field(default_factory=dict)

    def choice(self, hidden: Sequence[str]) -> Choice:
        """The choice that hides these lesions."""
        return self.choices[choice_key(hidden)]


def choice_key(hidden: Sequence[str]) -> str:
    """Name of a choice."""
    return "+".join(sorted(hidden))


def lesions_of(classes: Sequence[ClassInfo]) -> tuple[str, ...]:
    """Lesions that these classes tell apart."""
    names = {info.name for info in classes}
    return tuple(lesion for lesion, parts in LESIONS.items() if names.issuperset(parts))


def choices_of(
    p: np.ndarray, truth: np.ndarray, truth_voxels: np.ndarray, classes: Sequence[ClassInfo]
) -> dict[str, Choice]:
    """Every choice for a mean softmax ``p`` (C, z, y, x) against ``truth`` (z, y, x) in the same window;
    ``truth_voxels`` counts every class of the whole truth, so that what lies outside counts as missed."""
    values = {info.name: info.value for info in classes if info.value}
    lesions = lesions_of(classes)
    nothing: tuple[str, ...] = ()
    options = [nothing, *((name, *_inside(name, lesions)) for name in lesions)]
    found = {}
    for hidden in options:
        labels = labels_without(p, hidden, values)
        dice = {
            name: _dice(labels == value, truth == value, int(truth_voxels[value]))
            for name, value in values.items()
        }
        drawn = {
            lesion: bool(np.isin(labels, [values[part] for part in LESIONS[lesion]]).any())
            for lesion in lesions
        }
        found[choice_key(hidden)] = Choice(dice, drawn)
    return found


def _inside(lesion: str, lesions: Sequence[str]) -> list[str]:
    return [other for other in lesions if other != lesion and other in LESIONS[lesion]]


def _dice(ours: np.ndarray, theirs: np.ndarray, total: int) -> float:
    size = int(ours.sum()) + total
    return 1.0 if size == 0 else 2.0 * int((ours & theirs).sum()) / size
