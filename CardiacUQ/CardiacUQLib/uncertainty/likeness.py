"""Does this scan belong here? Its traits against those of the scans that the bundle was trained on.

The traits (:mod:`.traits`) of the training scans, each seen by networks that had not seen it, have means,
spreads and correlations. A scan is unlike them if its Mahalanobis distance is larger than theirs are, if a
trait that never varies among them does, or if left and right seem exchanged (:mod:`.sides`). What is unlike
must be checked; where it is far away nothing that was measured on those scans holds. Where no closed ring of
muscle is found on which the passes agree there is nothing like a heart, and nothing to report.

P. C. Mahalanobis, Proceedings of the National Institute of Sciences of India 2, 1936; correlations are shrunk
towards none, as eighty scans are few for two dozen traits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .linear import LinearModel, expit
from .traits import PER_VIEW, heart_likeness, readable

KEY = "likeness"
"""Name of the fit in ``manifest.calibration``."""
FAR = 1.5
"""Distance, in limits, beyond which nothing that was measured on the training scans holds."""
HEART = 2 / 3
"""Likeness to a heart below which there is none: no training scan lies below 0.8."""
MIRRORED = 0.75
"""Probability of being mirrored from which it is said."""
MOST_REASONS = 2
_PLAIN = {"Dice of the views": "agreement of its mirrored views (Dice)"}
"""Figures of the evidence as a reader understands them."""
JUST_BEYOND = 1.01
"""Distance of what is unlike without a distance of its own."""


@dataclass(frozen=True)
class TraitRange:
    """Lowest and highest value of the training scans, their mean and spread, and, for a trait that hardly
    varies among them, ``margin``: how far beyond is still like them; 0 for a trait that varies."""

    low: float
    high: float
    margin: float
    mean: float = 0.0
    spread: float = 0.0

    def __post_init__(self) -> None:
        if not self.low <= self.high or self.margin < 0 or self.spread < 0 or not self.margin + self.spread:
            raise ValueError("the range of a trait needs low <= high and a margin or spread above 0")

    def beyond(self, value: float) -> float:
        """How far outside of a range that hardly varies, in margins; 0 within it, or where it varies."""
        return max(self.low - value, value - self.high, 0.0) / self.margin if self.margin else 0.0


@dataclass(frozen=True)
class Likeness:
    """``reasons`` in words, the weightiest first, none where the scan is like the training scans;
    ``distance`` in limits; ``heart`` 0 .. 1, how much like a heart what was found is."""

    reasons: tuple[str, ...] = ()
    distance: float = 0.0
    heart: float = 1.0

    def with_stated(self, stated: tuple[str, ...], never: tuple[str, ...] = ()) -> Likeness:
        """The same with reasons in front that need no comparison, such as another modality; with one of
        those that are ``never`` so, as a size that no heart has, the scan is far from all of training."""
        if not stated and not never:
            return self
        least = math.nextafter(FAR, math.inf) if never else JUST_BEYOND
        return replace(self, reasons=(*never, *stated, *self.reasons), distance=max(self.distance, least))

    @property
    def far(self) -> bool:
        """True where nothing that was measured on the training scans holds."""
        return self.distance > FAR

    @property
    def no_heart(self) -> bool:
        """True where nothing like a heart was found."""
        return self.heart < HEART


@dataclass(frozen=True)
class LikenessCalibration:
    """``manifest.calibration["likeness"]``: ``traits`` by name; ``joint`` are those that vary, in the order
    of their ``correlation``; ``limit`` of the distance; ``mirrored`` the log-odds of exchanged sides."""

    traits: Mapping[str, TraitRange]
    joint: tuple[str, ...] = ()
    correlation: tuple[tuple[float, ...], ...] = ()
    limit: float = 1.0
    mirrored: LinearModel | None = None
    fitted_on: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(len(row) != len(self.joint) for row in self.correlation) or self.limit <= 0:
            raise ValueError("likeness needs one correlation per pair of traits and a limit above 0")
        if len(self.correlation) != len(self.joint) or not set(self.joint) <= set(self.traits):
            raise ValueError("likeness needs a range for every trait of its correlation")

    def judge(self, evidence: Mapping[str, float], *, all_views: bool = True) -> Likeness:
        """How like the training scans a scan with these traits is; a trait that is missing says nothing.

        Without ``all_views`` what the passes agree about is left out: fewer passes agree more easily.
        """
        known = {
            name: value
            for name, value in evidence.items()
            if name in self.traits and (all_views or not name.startswith(PER_VIEW))
        }
        distance, shares = self.distance(known)
        weight = {name: distance / self.limit * share for name, share in shares.items()}
        reasons = dict.fromkeys(self._weightiest(shares)) if distance > self.limit else {}
        beyond = {name: self.traits[name].beyond(value) for name, value in known.items()}
        outside = {name: far for name, far in beyond.items() if far > 1.0}
        named = sorted({*reasons, *outside}, key=lambda name: -max(weight.get(name, 0), outside.get(name, 0)))
        words = [self._words(name, known[name]) for name in named]
        if sides := self._sides(evidence):
            words.insert(min(1, len(words)), sides)  # what was measured first: an odd image has no sides
        farthest = max(distance / self.limit, *outside.values(), JUST_BEYOND if sides else 0.0, 0.0)
        return Likeness(
            tuple(words[:MOST_REASONS]), round(farthest, 3), heart_likeness(evidence, all_views=all_views)
        )

    def distance(self, known: Mapping[str, float]) -> tuple[float, dict[str, float]]:
        """Mahalanobis distance over the root of the number of traits, about 1 for a training scan, and the
        share of it that each trait brings; of the traits that are known."""
        at = [n for n, name in enumerate(self.joint) if name in known]
        names = [self.joint[n] for n in at]
        if not names:
            return 0.0, {}
        ranges = [self.traits[name] for name in names]
        z = np.array([(known[n] - one.mean) / one.spread for n, one in zip(names, ranges, strict=True)])
        parts = z * np.linalg.solve(np.array(self.correlation)[np.ix_(at, at)], z)
        total = max(float(parts.sum()), 1e-12)
        return math.sqrt(total / len(names)), dict(zip(names, (parts / total).tolist(), strict=True))

    def _weightiest(self, shares: Mapping[str, float]) -> list[str]:
        return sorted(shares, key=lambda name: -shares[name])[:MOST_REASONS]

    def _sides(self, evidence: Mapping[str, float]) -> str:
        if self.mirrored is None or any(name not in evidence for name in self.mirrored.features):
            return ""
        probability = expit(self.mirrored.value(evidence))
        if probability < MIRRORED:
            return ""
        return f"left and right seem exchanged, probability {probability:.2f}"

    def _words(self, name: str, value: float) -> str:
        one = self.traits[name]
        shown, low, high = (readable(name, v) for v in (value, one.low, one.high))
        words = name.removeprefix(PER_VIEW).replace(": ", ", ")
        for figure, plain in _PLAIN.items():
            words = words.replace(figure, plain)
        if low <= shown <= high:
            return f"{words} {shown:.3g} does not go with the rest"
        return f"{words} {shown:.3g}, usual {low:.3g} to {high:.3g}"
