"""The smallest infarct and the smallest MVO that a model can tell from noise, from unseen predictions.

A network trained on scans that mostly show an infarct finds a few bright voxels in every heart. How
large a lesion must be before it is believed is chosen to give the best mean Dice (a class absent from
both counts 1) over cases that the predicting networks had not seen. See
:mod:`CardiacUQLib.plausibility` for what is done with a lesion below that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from CardiacUQLib.plausibility import LESIONS

CANDIDATES_ML: Mapping[str, tuple[float, ...]] = {
    "MVO": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0),
    "infarct": tuple(np.round(np.arange(0.0, 5.01, 0.25), 2).tolist()),
}
"""Least volumes tried; more than 5 ml (about 5 % of the muscle) would hide what patients have."""
HEALTHY = 2


@dataclass(frozen=True)
class LesionCase:
    """Labels of one case (z, y, x) before anything is dropped, its truth, and its voxel in ml.

    ``values`` are the label values of "infarct" and "MVO"; ``classes`` counts the background too.
    """

    predicted: np.ndarray
    truth: np.ndarray
    voxel_volume_ml: float
    values: Mapping[str, int]
    classes: int

    def mean_dice(self, least_ml: Mapping[str, float]) -> float:
        """Mean Dice over the foreground classes after dropping; a class absent from both counts 1."""
        labels = self.dropped(least_ml)
        scores = []
        for value in range(1, self.classes):
            ours, theirs = labels == value, self.truth == value
            size = int(ours.sum() + theirs.sum())
            scores.append(1.0 if size == 0 else 2.0 * int((ours & theirs).sum()) / size)
        return float(np.mean(scores))

    def dropped(self, least_ml: Mapping[str, float]) -> np.ndarray:
        """Labels without small lesions; here a dropped MVO becomes infarct, an infarct healthy."""
        labels = self.predicted.copy()
        for lesion, heir in (("MVO", self.values["infarct"]), ("infarct", HEALTHY)):
            members = np.isin(labels, [self.values[name] for name in LESIONS[lesion]])
            if members.sum() * self.voxel_volume_ml < least_ml.get(lesion, 0.0):
                labels[members] = heir
        return labels


def fit_smallest_lesions(cases: Sequence[LesionCase]) -> dict[str, float]:
    """Content of ``manifest.smallest_lesion_ml``: first MVO, then the infarct given that choice.

    Of several volumes that are equally good the smallest is taken.
    """
    chosen: dict[str, float] = {}
    for lesion, candidates in CANDIDATES_ML.items():
        scores = [
            np.mean([case.mean_dice(chosen | {lesion: least}) for case in cases]) for least in candidates
        ]
        chosen[lesion] = candidates[int(np.argmax(scores))]
    return {lesion: least for lesion, least in chosen.items() if least > 0}


def nested_mean_dice(cases: Sequence[LesionCase], folds: Sequence[int]) -> tuple[float, float]:
    """Mean Dice without limits, and with limits that each fold's cases had no part in choosing."""
    plain = [case.mean_dice({}) for case in cases]
    limited = np.zeros(len(cases))
    for fold in sorted(set(folds)):
        others = [case for case, own in zip(cases, folds, strict=True) if own != fold]
        least = fit_smallest_lesions(others) if others else {}
        for number, (case, own) in enumerate(zip(cases, folds, strict=True)):
            if own == fold:
                limited[number] = case.mean_dice(least)
    return float(np.mean(plain)), float(np.mean(limited))
