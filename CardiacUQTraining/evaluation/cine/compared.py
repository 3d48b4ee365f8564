"""What is compared between evaluated cine ensembles, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..shared.statistics import Summary

COMPARED = ("mean_dice", "dice_1", "dice_2", "dice_3", "end_dice")
EC = "ec"
PHASES = ("all", "ED", "ES")


@dataclass(frozen=True)
class Evaluated:
    """One evaluation folder: its name in the tables, its JSON, its frames by case."""

    name: str
    content: Mapping[str, Any]

    @property
    def frames(self) -> Mapping[str, Mapping[str, Any]]:
        """Figures of every frame."""
        return self.content["frames"]

    @property
    def cost(self) -> tuple[int, int]:
        """Parameters, and floating point operations per slice."""
        found = self.content["cost"]["ensemble"]
        return int(found["parameters"]), int(found["flops"])


@dataclass(frozen=True)
class PairedTest:
    """``first`` against ``second``: means (0 to 1) over ``count`` pairs, p, and p Holm-corrected over all
    figures and phases of this pair of variants.

    Dice: Wilcoxon's signed-rank test, a pair being a patient (the mean of both frames, or the frame of one
    phase). EC: McNemar's exact test, a pair being a frame.
    """

    first: str
    second: str
    figure: str
    phase: str
    count: int
    first_mean: float
    second_mean: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class Variant:
    """Figures of one variant over the common frames by phase: every one of :data:`COMPARED`, and "ec"."""

    evaluated: Evaluated
    figures: Mapping[str, Mapping[str, Summary]]
