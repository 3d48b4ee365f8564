"""Overlap of label maps: the Dice similarity coefficient, per class and averaged as the paper does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from CardiacUQLib.bundles.manifest import ClassInfo


def dice(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Dice coefficient 2 |A & B| / (|A| + |B|) of two boolean masks of equal shape; both empty = 1."""
    predicted, truth = np.asarray(predicted, bool), np.asarray(truth, bool)
    if predicted.shape != truth.shape:
        raise ValueError(f"masks differ in shape: {predicted.shape} and {truth.shape}")
    total = int(predicted.sum()) + int(truth.sum())
    return 1.0 if total == 0 else 2.0 * int((predicted & truth).sum()) / total


def dice_per_class(predicted: np.ndarray, truth: np.ndarray, values: Sequence[int]) -> dict[int, float]:
    """Dice of every label value in ``values`` over two label maps of equal shape."""
    return {value: dice(predicted == value, truth == value) for value in values}


def dice_by_name(predicted: np.ndarray, truth: np.ndarray, classes: Sequence[ClassInfo]) -> dict[str, float]:
    """Dice of every foreground class by its name."""
    found = dice_per_class(predicted, truth, [info.value for info in classes if info.value])
    return {info.name: found[info.value] for info in classes if info.value}


def means(scores: Mapping[str, float], truth: np.ndarray, classes: Sequence[ClassInfo]) -> dict[str, float]:
    """The mean Dice over all classes, absent from both counting 1, and over those that the truth has."""
    there = [info.name for info in classes if info.value and (truth == info.value).any()]
    return {
        "mean": float(np.mean(list(scores.values()))),
        "mean of those there": float(np.mean([scores[name] for name in there])) if there else float("nan"),
    }


def mean_foreground_dice(predicted: np.ndarray, truth: np.ndarray, class_count: int) -> float:
    """Mean Dice over the labels 1 .. ``class_count`` - 1; a class absent from both maps counts 1.

    This is the "DCS" of Schwab et al. (UNSURE 2025), Table 1, for one patient.
    """
    return float(np.mean(list(dice_per_class(predicted, truth, range(1, class_count)).values())))


def mean_pairwise_dice(members: np.ndarray, class_count: int) -> float:
    """Mean over all pairs of members of their mean foreground Dice; ``members`` is (member, z, y, x) labels.

    1 = all members agree. Zenk et al. (MedIA 2025) found it the strongest simple score of a case.
    Raises ValueError for fewer than two members.
    """
    if len(members) < 2:
        raise ValueError("pairwise Dice needs at least two members")
    pairs = [
        mean_foreground_dice(members[i], members[j], class_count)
        for i in range(len(members))
        for j in range(i + 1, len(members))
    ]
    return float(np.mean(pairs))
