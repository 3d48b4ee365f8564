"""Does this scan belong here? Its traits against those of the scans that the bundle was trained on.

Every trait (:mod:`.traits`) has the range of the training scans, each seen by networks that had not seen
it, and beyond it a margin of a stated share of that range. Beyond the margin a scan is unlike the training
scans and must be checked; beyond four margins nothing that was measured on those scans holds for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KEY = "likeness"
"""Name of the fit in ``manifest.calibration``."""


@dataclass(frozen=True)
class TraitRange:
    """Lowest and highest value of the training scans, and how far beyond is still like them."""

    low: float
    high: float
    margin: float

    def __post_init__(self) -> None:
        if not self.low <= self.high or self.margin <= 0:
            raise ValueError("the range of a trait needs low <= high and a margin above 0")

    def beyond(self, value: float) -> float:
        """How far outside, in margins; 0 within the range."""
        return max(self.low - value, value - self.high, 0.0) / self.margin


@dataclass(frozen=True)
class Likeness:
    """``reasons`` in words, the farthest trait first, none where the scan is like the training scans;
    ``distance`` is that of the farthest trait in margins."""

    reasons: tuple[str, ...] = ()
    distance: float = 0.0

    @property
    def far(self) -> bool:
        """True where nothing that was measured on the training scans holds."""
        return self.distance > FAR


FAR = 4.0
MOST_REASONS = 2


@dataclass(frozen=True)
class LikenessCalibration:
    """``manifest.calibration["likeness"]``: ranges by trait."""

    traits: Mapping[str, TraitRange]
    fitted_on: Mapping[str, Any] = field(default_factory=dict)

    def judge(self, evidence: Mapping[str, float]) -> Likeness:
        """How like the training scans a scan with these traits is; a trait that is missing says nothing."""
        beyond = {name: one.beyond(evidence[name]) for name, one in self.traits.items() if name in evidence}
        outside = sorted((name for name, far in beyond.items() if far > 1.0), key=lambda name: -beyond[name])
        reasons = tuple(self._words(name, evidence[name]) for name in outside[:MOST_REASONS])
        return Likeness(reasons, round(max(beyond.values(), default=0.0), 3))

    def _words(self, name: str, value: float) -> str:
        from .traits import readable  # with SciPy, which is not loaded to read a case

        one = self.traits[name]
        shown, low, high = (readable(name, v) for v in (value, one.low, one.high))
        words = name.removeprefix("agreement, ").replace(": ", ", ")
        return f"{words} {shown:.3g}, usual {low:.3g} to {high:.3g}"
