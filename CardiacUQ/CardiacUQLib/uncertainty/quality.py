"""How good is this segmentation? The Dice that a reader would find, per structure, with a 90 % range.

Linear models of the evidence (:mod:`.evidence`) give the Dice of structures that every heart has. A
lesion may be absent, and counts 1 where reader and model agree on that: drawn, its expected Dice is
P D(evidence), not drawn 1 - P. The chance of a low mean Dice comes from the same models: with lesions there
or not, the mean is normal about what is expected then. Ranges are conformal: the residuals of cases that
neither the networks nor these models had seen, by a width that grows with the spread that P leaves open
(normalised split conformal prediction; Lei et al., JASA 2018).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..measures.intervals import LEVEL, residual_quantiles
from .linear import LinearModel

KEY = "predicted_dice"
"""Name of the fit in ``manifest.calibration``."""
MEAN = "mean"
"""Name under which the mean over the structures is told."""
LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class PredictedDice:
    """Dice that a reader would find for one structure (class name, or "mean"), with its range."""

    structure: str
    value: float
    low: float
    high: float
    level: float = LEVEL

    def as_text(self) -> str:
        """ "0.61 (0.48-0.72)" """
        return f"{self.value:.2f} ({self.low:.2f}-{self.high:.2f})"


@dataclass(frozen=True)
class DiceRange:
    """Width unit ``constant + per_spread * spread`` and the ascending residuals in it."""

    constant: float
    per_spread: float
    residuals: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.constant <= 0 or self.per_spread < 0:
            raise ValueError("the width of a range must be above 0")
        if not self.residuals or list(self.residuals) != sorted(self.residuals):
            raise ValueError("the residuals of a range must ascend")

    def around(self, structure: str, value: float, spread: float) -> PredictedDice:
        """The range about ``value``, clipped to 0 .. 1; it never leaves out the value itself."""
        low, high = residual_quantiles(self.residuals)
        width = self.constant + self.per_spread * spread
        ends = (min(max(value + width * end, 0.0), 1.0) for end in (min(low, 0.0), max(high, 0.0)))
        return PredictedDice(structure, round(value, 4), *(round(end, 4) for end in ends))


@dataclass(frozen=True)
class StructureDice:
    """``model`` gives the Dice where the structure is there and drawn, to within ``residual_sd``;
    ``lesion`` names the presence that decides whether it is there, "" for what every heart has."""

    model: LinearModel
    residual_sd: float
    range: DiceRange
    lesion: str = ""

    def expected(
        self, evidence: Mapping[str, float], presence: Mapping[str, float], drawn: Mapping[str, bool]
    ) -> tuple[float, float]:
        """Expected Dice and its standard deviation."""
        dice = self._where_drawn(evidence)
        if not self.lesion:
            return dice, self.residual_sd
        p = presence[self.lesion]
        if not drawn[self.lesion]:
            return 1.0 - p, math.sqrt(p * (1.0 - p))
        return p * dice, math.sqrt(p * self.residual_sd**2 + p * (1.0 - p) * dice**2)

    def if_known(
        self, evidence: Mapping[str, float], there: Mapping[str, bool], drawn: Mapping[str, bool]
    ) -> tuple[float, float]:
        """The same if it were known which lesions are ``there``."""
        if self.lesion and not (there[self.lesion] and drawn[self.lesion]):
            return float(there[self.lesion] == drawn[self.lesion]), 0.0
        return self._where_drawn(evidence), self.residual_sd

    def _where_drawn(self, evidence: Mapping[str, float]) -> float:
        return min(max(self.model.value(evidence), 0.0), 1.0)


@dataclass(frozen=True)
class DiceCalibration:
    """``manifest.calibration["predicted_dice"]``: by class name, and the range of their mean."""

    structures: Mapping[str, StructureDice]
    mean_range: DiceRange
    fitted_on: Mapping[str, Any] = field(default_factory=dict)

    def chance_below(
        self,
        low_dice: float,
        evidence: Mapping[str, float],
        presence: Mapping[str, float],
        drawn: Mapping[str, bool],
    ) -> float:
        """Probability that the mean Dice lies below ``low_dice``, before any fit of it. A lesion that is part
        of another is only there with that one: P orders them."""
        known = {one.lesion: presence[one.lesion] for one in self.structures.values() if one.lesion}
        order = sorted(known, key=lambda lesion: -known[lesion])
        steps = [1.0, *(known[lesion] for lesion in order), 0.0]
        chance = 0.0
        for count, (more, less) in enumerate(itertools.pairwise(steps)):  # the first ``count`` are there
            there = {lesion: number < count for number, lesion in enumerate(order)}
            parts = [one.if_known(evidence, there, drawn) for one in self.structures.values()]
            mean = sum(dice for dice, _ in parts) / len(parts)
            spread = math.sqrt(sum(sd**2 for _, sd in parts)) / len(parts)
            chance += (more - less) * _normal_below(low_dice, mean, max(spread, LEAST_SPREAD))
        return min(max(chance, 0.0), 1.0)

    def predict(
        self, evidence: Mapping[str, float], presence: Mapping[str, float], drawn: Mapping[str, bool]
    ) -> tuple[PredictedDice, ...]:
        """The mean first, then every structure. ``presence`` and ``drawn`` (shown at all) by lesion."""
        expected = {name: one.expected(evidence, presence, drawn) for name, one in self.structures.items()}
        values, spreads = zip(*expected.values(), strict=True)
        mean = sum(values) / len(values)
        spread = math.sqrt(sum(s**2 for s in spreads)) / len(spreads)
        return (
            self.mean_range.around(MEAN, mean, spread),
            *(self.structures[name].range.around(name, *one) for name, one in expected.items()),
        )


def _normal_below(limit: float, mean: float, sd: float) -> float:
    return 0.5 * math.erfc((mean - limit) / (sd * math.sqrt(2.0)))
