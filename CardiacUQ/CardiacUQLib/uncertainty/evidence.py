"""What the passes of one fold know about a case, as numbers that mean the same for one fold and for five.

Cross-validation has one fold per case, a bundle in use has all of them. Every figure is therefore taken
within a fold, over its views and its two opinions, and then averaged over the folds: what was fitted on
one fold holds for the mean of several, whose noise alone is smaller. What the folds disagree about is not
used; the labels of several folds are a little better than those of one, so a predicted Dice errs low.

Per structure (class or lesion): the Dice that the two opinions' mean probabilities promise
(2 sum(p s) / (sum p + sum s) for the labels s), the mean pairwise Dice of the views (Zenk et al., Medical
Image Analysis 2025), the Dice of the two opinions, and in ml what is in doubt, the sum of p (1 - p) over the
mean p of both opinions. Per lesion also how sure its surest places are, and what the grey values say of it
(:mod:`.brightness`). Shares are kept as log-odds, so that linear models can use them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np

from ..base.arg_max import arg_max
from ..bundles.classes import LESIONS
from ..bundles.manifest import ClassInfo
from .brightness import brightest_sector, brightest_tenth, dark_places, inner_wall
from .linear import logit

DOUBT = "doubt"
DICE_MARGIN, PEAK_MARGIN = 0.02, 1e-3
CAVITY = "blood pool"


def evidence_key(structure: str, figure: str) -> str:
    """Name of one figure of one structure in the evidence, such as "infarct: volume"."""
    return f"{structure}: {figure}"


def fold_evidence(
    first: np.ndarray,
    final: np.ndarray,
    classes: Sequence[ClassInfo],
    voxel_ml: float,
    image: np.ndarray,
) -> dict[str, float]:
    """Evidence from the passes of one fold.

    ``final`` is the softmax (views, C, z, y, x) of the final opinion, ``first`` that of the opinions it
    overrules (opinions, views, C, z, y, x): the one 2D stage, or the members of an ensemble; ``voxel_ml`` is
    the volume of a voxel, ``image`` (z, y, x) what the networks saw.
    """
    mean_first, mean_final = first.mean(axis=(0, 1)), final.mean(axis=0)
    views = arg_max(final, axis=1)
    labels, opinions = arg_max(mean_final), arg_max(first.mean(axis=1), axis=1)
    found: dict[str, float] = {}
    for name, values in structures(classes).items():
        mask = np.isin(labels, values)
        seen = [np.isin(view, values) for view in views]
        p, q = mean_final[values].sum(axis=0), mean_first[values].sum(axis=0)
        both = 0.5 * (p + q)
        figures = {
            DOUBT: float((both * (1.0 - both)).sum()) * voxel_ml,
            "promised Dice": logit(_promised(both, mask), DICE_MARGIN),
            "Dice of the views": logit(
                float(np.mean([_dice(a, b) for a, b in combinations(seen, 2)] or [1.0])), DICE_MARGIN
            ),
            "Dice of the opinions": logit(
                float(np.mean([_dice(np.isin(said, values), mask) for said in opinions])), DICE_MARGIN
            ),
        }
        if name in LESIONS:
            figures |= {
                "surest voxel": logit(float(p.max()), PEAK_MARGIN),
                "peak in two slices": logit(_second_highest(both.max(axis=(1, 2))), PEAK_MARGIN),
            }
        found |= {evidence_key(name, figure): float(value) for figure, value in figures.items()}
    return found | _grey_evidence(image, labels, 0.5 * (mean_first + mean_final), classes)


def _grey_evidence(
    image: np.ndarray, labels: np.ndarray, both: np.ndarray, classes: Sequence[ClassInfo]
) -> dict[str, float]:
    """What the grey values say of infarct and MVO; nothing for classes without them. ``both`` is the mean
    softmax (C, z, y, x) of both opinions, whose ``labels`` show the wall."""
    values = {info.name: info.value for info in classes if info.value}
    lesion = structures(classes).get("infarct", [])
    if CAVITY not in values or not lesion:
        return {}
    pool = labels == values[CAVITY]
    wall = (labels > 0) & ~pool
    inner = inner_wall(pool, wall)
    return {
        evidence_key("infarct", "brightest tenth"): brightest_tenth(image, inner),
        evidence_key("infarct", "brightest sector"): brightest_sector(image, pool, inner),
        evidence_key("MVO", "dark places"): dark_places(image, wall, both[lesion].sum(axis=0)),
    }


class EvidenceCollector:
    """Gathers the evidence of a case pass by pass, fold after fold; holds the passes of one fold only."""

    def __init__(self, classes: Sequence[ClassInfo], voxel_ml: float, image: np.ndarray) -> None:
        self._classes, self._voxel_ml, self._image = classes, voxel_ml, image
        self._fold: int | None = None
        self._passes: list[tuple[np.ndarray, np.ndarray]] = []
        self._folds: list[dict[str, float]] = []

    def add(self, fold: int, first: np.ndarray, final: np.ndarray) -> None:
        """Take in one pass: softmax of the overruled opinions (opinions, C, z, y, x) and the final one
        (C, z, y, x), views undone. Passes of one fold come one after another."""
        if fold != self._fold:
            self._close()
            self._fold = fold
        self._passes.append((first, final))

    def evidence(self) -> dict[str, float]:
        """The mean over all folds; call it once, after the last pass."""
        self._close()
        return mean_evidence(self._folds)

    def _close(self) -> None:
        if self._passes:
            first, final = (np.stack(parts) for parts in zip(*self._passes, strict=True))
            first = np.swapaxes(first, 0, 1)
            self._folds.append(fold_evidence(first, final, self._classes, self._voxel_ml, self._image))
            self._passes = []


def mean_evidence(folds: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The evidence of a case: the mean over its folds of every figure. Empty without a fold."""
    several = list(folds)
    return {name: float(np.mean([one[name] for one in several])) for name in (several[0] if several else ())}


def doubt_of_lesions(evidence: Mapping[str, float]) -> dict[str, float]:
    """What is in doubt of every lesion, in ml, by its name."""
    keys = {lesion: evidence_key(lesion, DOUBT) for lesion in LESIONS}
    return {lesion: evidence[key] for lesion, key in keys.items() if key in evidence}


def structures(classes: Sequence[ClassInfo]) -> dict[str, list[int]]:
    """Label values of every foreground class by its name, and of the lesions that join several classes.

    "infarct" is the lesion with its MVO, the class alone is "infarct without MVO".
    """
    values = {info.name: info.value for info in classes if info.value}
    found = {name: [value] for name, value in values.items()}
    for lesion, parts in LESIONS.items():
        if lesion in values and all(part in values for part in parts):
            if len(parts) > 1:
                found[alone(lesion)] = [values[lesion]]
            found[lesion] = [values[part] for part in parts]
    return found


def alone(lesion: str) -> str:
    """Name of a lesion's own class where the lesion joins other classes: "infarct without MVO"."""
    others = [part for part in LESIONS[lesion] if part != lesion]
    return f"{lesion} without {' and '.join(others)}" if others else lesion


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    size = int(a.sum() + b.sum())
    return 1.0 if size == 0 else 2.0 * int((a & b).sum()) / size


def _promised(p: np.ndarray, mask: np.ndarray) -> float:
    """Expected Dice of a mask under independent voxel probabilities, to first order."""
    size = float(p.sum() + mask.sum())
    return 1.0 if size < 1e-9 else 2.0 * float(p[mask].sum()) / size


def _second_highest(peaks: np.ndarray) -> float:
    """What two slices reach; the only one's of a single slice."""
    return float(np.sort(peaks)[-2:][0])
