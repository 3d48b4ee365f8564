"""What is gained by looking away from the most uncertain samples? Risk-coverage curves and their areas.

Samples are sorted by uncertainty, the most certain first; coverage is the share kept, risk the mean
error of the kept. Equal uncertainties are shared out by giving each of them the mean error of its
group, the expectation over all orders, so no curve depends on how a sort breaks ties.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RiskCoverage:
    """Cumulative errors of the k most certain samples, k = 1 .. n, and of the perfect order (oracle)."""

    cumulative: np.ndarray
    oracle: np.ndarray

    @property
    def coverage(self) -> np.ndarray:
        """k / n for k = 1 .. n."""
        return np.arange(1, len(self.cumulative) + 1) / len(self.cumulative)

    @property
    def risk(self) -> np.ndarray:
        """Selective risk: mean error of the k most certain samples."""
        return self.cumulative / np.arange(1, len(self.cumulative) + 1)

    @property
    def oracle_risk(self) -> np.ndarray:
        """The lowest risk any order could reach at each coverage."""
        return self.oracle / np.arange(1, len(self.oracle) + 1)

    @property
    def aurc(self) -> float:
        """Area under the risk-coverage curve, the mean risk over k = 1 .. n (Geifman et al., ICLR 2019)."""
        return float(self.risk.mean())

    @property
    def excess_aurc(self) -> float:
        """E-AURC: AURC above that of the oracle (Geifman et al., ICLR 2019)."""
        return float((self.risk - self.oracle_risk).mean())

    @property
    def augrc(self) -> float:
        """Area under the generalised risk-coverage curve (Traub et al., NeurIPS 2024).

        Generalised risk = errors kept / all samples, integrated over coverage by trapezoids from 0.
        For a 0/1 error this equals (1 - AUROC) e (1 - e) + e^2 / 2 with e the error rate.
        """
        n = len(self.cumulative)
        before = np.concatenate([[0.0], self.cumulative[:-1]])
        return float((before + self.cumulative).sum() / (2.0 * n * n))

    @property
    def ause(self) -> float:
        """Area between the sparsification curve and the oracle's, both divided by the overall mean error
        (Ilg et al., ECCV 2018); 0 = perfect order, NaN without any error."""
        overall = self.cumulative[-1] / len(self.cumulative)
        return float(self.excess_aurc / overall) if overall > 0 else float("nan")


def risk_coverage(uncertainty: np.ndarray, error: np.ndarray) -> RiskCoverage:
    """Curves of non-negative ``error`` per sample kept in order of ``uncertainty``; ValueError if empty."""
    uncertainty = np.asarray(uncertainty, np.float64).ravel()
    error = np.asarray(error, np.float64).ravel()
    if error.size == 0 or error.size != uncertainty.size:
        raise ValueError(f"need equally many samples, at least one: {uncertainty.size} and {error.size}")
    order = np.argsort(uncertainty, kind="stable")
    _, start, size = np.unique(uncertainty[order], return_index=True, return_counts=True)
    expected = np.repeat(np.add.reduceat(error[order], start) / size, size)
    return RiskCoverage(np.cumsum(expected), np.cumsum(np.sort(error)))
