"""Do the numbers mean what they say? Reliability of P(wrong) against the share of wrong voxels.

ECE: expected calibration error over bins of equal width (Guo et al., ICML 2017). ACE: adaptive
calibration error over bins of equal population (Nixon et al., CVPRW 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 20


@dataclass(frozen=True)
class Reliability:
    """Sums per bin, so that cases can be pooled by adding: voxels, sum of P(wrong), number wrong."""

    count: np.ndarray
    probability_sum: np.ndarray
    wrong: np.ndarray

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            self.count + other.count,
            self.probability_sum + other.probability_sum,
            self.wrong + other.wrong,
        )

    @property
    def mean_probability(self) -> np.ndarray:
        """Mean P(wrong) per bin, NaN in empty bins."""
        return _divide(self.probability_sum, self.count)

    @property
    def observed(self) -> np.ndarray:
        """Share of wrong voxels per bin, NaN in empty bins."""
        return _divide(self.wrong, self.count)

    @property
    def ece(self) -> float:
        """Population-weighted mean of |mean P(wrong) - share wrong| over the bins; NaN without voxels."""
        total = self.count.sum()
        return float(np.abs(self.probability_sum - self.wrong).sum() / total) if total else float("nan")

    def as_dict(self) -> dict[str, list[float]]:
        """Plain lists for JSON."""
        return {
            "count": self.count.tolist(),
            "probability_sum": self.probability_sum.tolist(),
            "wrong": self.wrong.tolist(),
        }

    @classmethod
    def from_dict(cls, stored: dict[str, list[float]]) -> Reliability:
        """Inverse of :meth:`as_dict`."""
        return cls(*(np.asarray(stored[key], float) for key in ("count", "probability_sum", "wrong")))


def reliability(probability: np.ndarray, wrong: np.ndarray, bins: int = BINS) -> Reliability:
    """Bin P(wrong) in [0, 1] into ``bins`` bins of equal width, the last one closed on the right."""
    probability, wrong = np.asarray(probability, np.float64).ravel(), np.asarray(wrong, bool).ravel()
    index = np.clip((probability * bins).astype(np.intp), 0, bins - 1)
    return _sums(index, probability, wrong, bins)


def adaptive_calibration_error(probability: np.ndarray, wrong: np.ndarray, bins: int = BINS) -> float:
    """ACE: mean over ``bins`` equally populated bins of |mean P(wrong) - share wrong|; NaN without voxels.

    Bins are consecutive runs of the sorted probabilities; equal probabilities that straddle a border
    are shared out by averaging the outcome over them, so the order of ties does not matter.
    """
    probability, wrong = np.asarray(probability, np.float64).ravel(), np.asarray(wrong, bool).ravel()
    if probability.size == 0:
        return float("nan")
    order = np.argsort(probability, kind="stable")
    ordered = probability[order]
    _, start, size = np.unique(ordered, return_index=True, return_counts=True)
    expected = np.repeat(np.add.reduceat(wrong[order].astype(float), start) / size, size)
    gaps = [
        abs(p.mean() - e.mean())
        for p, e in zip(np.array_split(ordered, bins), np.array_split(expected, bins), strict=True)
        if p.size
    ]
    return float(np.mean(gaps))


def _sums(index: np.ndarray, probability: np.ndarray, wrong: np.ndarray, bins: int) -> Reliability:
    return Reliability(
        np.bincount(index, minlength=bins).astype(float),
        np.bincount(index, weights=probability, minlength=bins),
        np.bincount(index, weights=wrong.astype(float), minlength=bins),
    )


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=denominator > 0)
