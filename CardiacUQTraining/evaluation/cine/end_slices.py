"""The End Coefficient of Streaming, eq. (6): are apex and base right?

The end slices of a 3D frame are its first two and its last two. Only those count in which the reference
holds all three structures; a frame without such a slice is left out. A frame is good if its mean Dice,
over the structures and the counted slices, exceeds the threshold; EC is the share of good frames.

The formula can also be read with the slices taken together as one mask; that reading is kept as an option.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..shared.dice import dice

THRESHOLD = 0.8
ENDS = 2


def end_slices(depth: int) -> tuple[int, ...]:
    """Numbers of the first two and last two of ``depth`` slices, each once."""
    return tuple(sorted({*range(min(ENDS, depth)), *range(max(0, depth - ENDS), depth)}))


def countable(truth: np.ndarray, values: Sequence[int]) -> tuple[int, ...]:
    """End slices of the reference (z, y, x) that hold every label of ``values``."""
    return tuple(z for z in end_slices(len(truth)) if all((truth[z] == value).any() for value in values))


def end_dice(
    predicted: np.ndarray, truth: np.ndarray, values: Sequence[int], *, together: bool = False
) -> float:
    """Mean Dice of the structures ``values`` on the countable end slices, NaN without one.

    Each slice has its own Dice; with ``together`` the slices form one mask.
    """
    slices = list(countable(truth, values))
    if not slices:
        return float("nan")
    parts = [slices] if together else [[z] for z in slices]
    return float(
        np.mean([dice(predicted[part] == value, truth[part] == value) for part in parts for value in values])
    )


def end_coefficient(end_dices: ArrayLike, threshold: float = THRESHOLD) -> float:
    """Share (0 to 1) of frames whose end Dice exceeds ``threshold``; frames with NaN do not count.

    NaN if no frame counts.
    """
    good = good_ends(end_dices, threshold)
    return float(np.nanmean(good)) if np.isfinite(good).any() else float("nan")


def good_ends(end_dices: ArrayLike, threshold: float = THRESHOLD) -> np.ndarray:
    """1 for a frame whose end Dice exceeds ``threshold``, 0 for another, NaN where it does not count."""
    values = np.asarray(end_dices, float)
    return np.where(np.isfinite(values), values > threshold, np.nan)
