"""Does an uncertainty map point at the errors? AUROC and correlations against the wrong voxels.

The "absolute error" of Schwab et al. (UNSURE 2025), Table 1, is read as the indicator of a wrong voxel
(0 or 1): their Spearman values follow from their AUC by rho = (2 AUC - 1) sqrt(3 p (1 - p)), which holds
for a binary error of prevalence p without ties, at p of about a tenth.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

NAN = float("nan")


@dataclass(frozen=True)
class Discrimination:
    """AUROC, Spearman's rho and Pearson's r of one map in one region; NaN where undefined."""

    auroc: float
    spearman: float
    pearson: float


def auroc(score: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive sample scores above a negative one, ties counting half.

    NaN if all samples are positive or none is.
    """
    from sklearn.metrics import roc_auc_score

    positive = np.asarray(positive, bool).ravel()
    if positive.all() or not positive.any():
        return NAN
    return float(roc_auc_score(positive, np.asarray(score, np.float64).ravel()))


def pearson(score: np.ndarray, error: np.ndarray) -> float:
    """Pearson's r of two arrays of equal size; NaN if either is constant or shorter than two."""
    from scipy.stats import pearsonr

    score, error = np.asarray(score, np.float64).ravel(), np.asarray(error, np.float64).ravel()
    if score.size < 2 or np.ptp(score) == 0 or np.ptp(error) == 0:
        return NAN
    with warnings.catch_warnings():  # scipy warns of near-constant input, whose r is still defined
        warnings.simplefilter("ignore")
        found: Any = pearsonr(score, error)
        return float(found.statistic)


def spearman(score: np.ndarray, error: np.ndarray) -> float:
    """Spearman's rank correlation with average ranks for ties; NaN as for :func:`pearson`."""
    from scipy.stats import rankdata

    return pearson(rankdata(np.ravel(score)), rankdata(np.ravel(error)))


def discriminate(score: np.ndarray, wrong: np.ndarray) -> Discrimination:
    """All three measures of a map against the wrong voxels of a region; both flattened to one region."""
    from scipy.stats import rankdata

    score, wrong = np.asarray(score, np.float64).ravel(), np.asarray(wrong, bool).ravel()
    if wrong.size == 0:
        return Discrimination(NAN, NAN, NAN)
    ranks = rankdata(score)
    # A binary error is its own ranking up to scale, so one ranking of the map serves both rank measures.
    return Discrimination(_auroc_of_ranks(ranks, wrong), pearson(ranks, wrong), pearson(score, wrong))


def _auroc_of_ranks(ranks: np.ndarray, positive: np.ndarray) -> float:
    """Mann-Whitney form of the AUROC from average ranks."""
    positives = int(positive.sum())
    negatives = positive.size - positives
    if positives == 0 or negatives == 0:
        return NAN
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))
