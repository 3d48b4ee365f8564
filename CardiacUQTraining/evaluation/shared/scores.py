"""All figures of one case: how good its segmentation is, how well each map points at its errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .calibration_error import adaptive_calibration_error, reliability
from .dice import dice_per_class
from .discrimination import discriminate
from .emidec_metrics import emidec_scores
from .methods import Prediction
from .selective import RiskCoverage, risk_coverage

LOW_DICE = 0.7
"""Below this mean Dice a case counts as failed."""
CURVE_POINTS = np.linspace(0.05, 1.0, 20)
"""Coverages at which risk curves are kept, so that they can be averaged over cases."""
UNION, CROP, PREDICTED = "union", "crop", "predicted"
"""Regions: voxels that prediction or truth call foreground (primary), everything the networks saw, and
the predicted foreground, the one region that a reader knows without the truth."""


@dataclass(frozen=True)
class Truth:
    """Reference labels of a case in the pixels of the networks, and on the grid of the image."""

    region: np.ndarray
    full: np.ndarray
    spacing_xyz: tuple[float, float, float]


def segmentation_scores(labels: np.ndarray, truth: Truth, classes: int) -> dict[str, float]:
    """Dice per class and their mean, and where there are EMIDEC's five classes its official scores.

    ``labels`` lie on the whole grid of the volume, so truth outside the region counts as missed.
    """
    per_class = dice_per_class(labels, truth.full, range(1, classes))
    scores = {"mean_dice": float(np.mean(list(per_class.values())))}
    scores |= {f"dice_{value}": found for value, found in per_class.items()}
    if classes == 5:
        official = emidec_scores(labels, truth.full, truth.spacing_xyz).as_dict()
        scores |= {f"emidec_{name}": found for name, found in official.items()}
    return scores


def row_scores(prediction: Prediction, truth: np.ndarray, mean_dice: float) -> dict[str, Any]:
    """Figures of one row and case, ``truth`` and the prediction in the pixels of the networks."""
    if prediction.uncertainty is None:
        return {"mean_dice": mean_dice, "case_score": prediction.case_score}
    brier = brier_score(prediction.mean, truth)
    record = map_record(
        prediction.uncertainty, prediction.labels, truth, brier, is_probability=prediction.row.is_probability
    )
    return {"mean_dice": mean_dice} | record


def map_record(
    uncertainty: np.ndarray, labels: np.ndarray, truth: np.ndarray, brier: np.ndarray, *, is_probability: bool
) -> dict[str, Any]:
    """Case score of a map (z, y, x) and its figures in each region."""
    wrong = labels != truth
    record: dict[str, Any] = {"case_score": case_score(uncertainty, labels)}
    for name, region in regions(labels, truth).items():
        record[name] = map_scores(
            uncertainty[region], wrong[region], brier[region], is_probability=is_probability
        )
    return record


def regions(labels: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Masks of the regions that maps are judged in."""
    return {
        UNION: (labels > 0) | (truth > 0),
        CROP: np.ones(labels.shape, bool),
        PREDICTED: labels > 0,
    }


def map_scores(
    uncertainty: np.ndarray, wrong: np.ndarray, brier: np.ndarray, *, is_probability: bool
) -> dict[str, Any]:
    """Figures of one map in one region, all three arrays flat; empty if the region is empty.

    AURC, E-AURC and AUGRC take the 0/1 error as risk, AUSE the Brier score; ECE and ACE exist only
    for maps that claim to be P(wrong).
    """
    if wrong.size == 0:
        return {}
    found = discriminate(uncertainty, wrong)
    curve = risk_coverage(uncertainty, wrong)
    scores: dict[str, Any] = {
        "auroc": found.auroc,
        "spearman": found.spearman,
        "pearson": found.pearson,
        "aurc": curve.aurc,
        "e_aurc": curve.excess_aurc,
        "augrc": curve.augrc,
        "ause": risk_coverage(uncertainty, brier).ause,
        "error_rate": float(wrong.mean()),
        "risk_curve": _thin(curve),
    }
    if is_probability:
        bins = reliability(uncertainty, wrong)
        scores |= {"ece": bins.ece, "ace": adaptive_calibration_error(uncertainty, wrong)}
        scores["reliability"] = bins.as_dict()
    return scores


def brier_score(mean: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Brier score per voxel of a softmax (C, z, y, x): squared distance to the true one-hot, 0 .. 2."""
    of_truth = np.take_along_axis(mean, truth[None].astype(np.intp), axis=0)[0]
    return (mean**2).sum(axis=0) - 2.0 * of_truth + 1.0


def case_score(uncertainty: np.ndarray, labels: np.ndarray) -> float:
    """One number per case: mean uncertainty over the predicted foreground.

    The mean, not the sum, so that a large heart is no uncertain one; of the whole region if nothing
    was predicted, which is as uncertain as a case can be judged without its truth.
    """
    foreground = labels > 0
    return float(uncertainty[foreground].mean() if foreground.any() else uncertainty.mean())


def _thin(curve: RiskCoverage) -> list[float]:
    """Selective risk at :data:`CURVE_POINTS`."""
    index = np.ceil(CURVE_POINTS * len(curve.cumulative) - 1e-9).astype(int) - 1
    return curve.risk[np.maximum(index, 0)].tolist()


def case_level(records: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """How well a row's case score finds bad cases; ``records`` are its :func:`row_scores` by case.

    Spearman and Pearson of the score with 1 - Dice, AUROC for a mean Dice below :data:`LOW_DICE`, and
    AURC, E-AURC and AUGRC with 1 - Dice as risk.
    """
    from .discrimination import auroc, pearson, spearman

    score = np.array([record["case_score"] for record in records.values()], float)
    risk = 1.0 - np.array([record["mean_dice"] for record in records.values()], float)
    if score.size == 0:
        return {}
    curve = risk_coverage(score, risk)
    return {
        "spearman": spearman(score, risk),
        "pearson": pearson(score, risk),
        "auroc_low_dice": auroc(score, risk > 1.0 - LOW_DICE),
        "low_dice_cases": int((risk > 1.0 - LOW_DICE).sum()),
        "aurc": curve.aurc,
        "e_aurc": curve.excess_aurc,
        "augrc": curve.augrc,
    }
