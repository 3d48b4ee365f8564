"""The smallest infarct and the smallest MVO that a model can tell from noise, from unseen predictions.

A network trained on scans that mostly show an infarct finds a few bright voxels in every heart. How
large a lesion must be before it is believed is chosen to give the best mean Dice (a class absent from
both counts 1) over cases that the predicting networks had not seen. See
:mod:`CardiacUQLib.inference.plausibility` for what is done with a lesion below that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.bundle import Bundle, write_manifest
from CardiacUQLib.bundles.classes import LESIONS
from CardiacUQLib.bundles.manifest import ClassInfo

from ..shared.judged import Judged

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


def lesion_cases(judged: Judged, classes: Sequence[ClassInfo]) -> list[LesionCase]:
    """Cases of an evaluation, in its order, as the fit wants them: with every lesion that was found.

    Raises UsageError if lesions were dropped and what they were was not kept.
    """
    values = {info.name: info.value for info in classes if info.name in LESIONS}
    found = []
    for case in judged.figures:
        arrays = judged.store.arrays(case)
        if arrays.undropped is None:
            raise UsageError(
                f"{case}: was judged before dropped lesions were kept; choose a new folder with -o"
            )
        voxel_ml = float(np.prod(arrays.spacing_xyz)) / 1000.0
        found.append(LesionCase(arrays.undropped, arrays.truth, voxel_ml, values, len(classes)))
    return found


def store_limits(bundle: Bundle, judged: Judged, command: str) -> str:
    """Choose the limits on a cross-validated evaluation, write them into the manifest, say what they do.

    Limits that the bundle has already have no part in the choice.
    """
    cases = lesion_cases(judged, bundle.manifest.classes)
    limits = fit_smallest_lesions(cases)
    plain, nested = nested_mean_dice(cases, [one.folds[0] for one in judged.figures.values()])
    figures = {
        "command": command,
        "mean Dice without limits": round(plain, 4),
        "mean Dice with limits chosen on other folds": round(nested, 4),
    }
    metrics = {**bundle.manifest.metrics, "smallest lesions": figures}
    manifest = replace(bundle.manifest, smallest_lesion_ml=limits, metrics=metrics)
    write_manifest(manifest, bundle.folder)
    chosen = ", ".join(f"{lesion} {least:g} ml" for lesion, least in limits.items()) or "none"
    return f"smallest lesions: {chosen}; mean Dice {plain:.4f} without, {nested:.4f} nested"
