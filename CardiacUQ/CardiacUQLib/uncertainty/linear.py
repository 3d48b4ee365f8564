"""A linear model of named features in plain numbers: what every fitted judgement of a case is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..base.errors import ModelError


@dataclass(frozen=True)
class LinearModel:
    """``intercept + sum(weight * (feature - mean) / scale)``; all tuples are as long as ``features``.

    Raises ValueError for lengths that differ, numbers that are not finite and scales that are not above 0.
    """

    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    def __post_init__(self) -> None:
        numbers = (*self.means, *self.scales, *self.weights, self.intercept)
        if not len(self.features) == len(self.means) == len(self.scales) == len(self.weights):
            raise ValueError("a linear model needs one mean, scale and weight per feature")
        if not all(math.isfinite(number) for number in numbers) or any(s <= 0 for s in self.scales):
            raise ValueError("a linear model needs finite numbers and scales above 0")

    def value(self, evidence: Mapping[str, float]) -> float:
        """The model's value; raises ModelError if a feature is missing."""
        if missing := [name for name in self.features if name not in evidence]:
            raise ModelError(f'calibration: the evidence "{missing[0]}" is missing; fit the bundle anew')
        terms = zip(self.features, self.means, self.scales, self.weights, strict=True)
        return self.intercept + sum(w * (evidence[name] - m) / s for name, m, s, w in terms)

    def probability(self, evidence: Mapping[str, float]) -> float:
        """The value as a log-odds: a probability, 0 .. 1."""
        return expit(self.value(evidence))


def expit(logit: float) -> float:
    """1 / (1 + exp(-logit)) without overflow."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    return math.exp(logit) / (1.0 + math.exp(logit))


def logit(share: float, margin: float) -> float:
    """Log-odds of a share in 0 .. 1 that is first kept ``margin`` away from both ends."""
    kept = min(max(share, margin), 1.0 - margin)
    return math.log(kept / (1.0 - kept))
