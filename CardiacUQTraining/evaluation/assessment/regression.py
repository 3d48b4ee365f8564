"""Ridge and logistic regression of named features, as plain linear models; few cases, so always penalised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import expit

from CardiacUQLib.uncertainty.linear import LinearModel

NEWTON_STEPS, CONVERGED = 50, 1e-8
LEAST_SCALE = 1e-6
"""A feature that never varies is divided by this and gets no weight."""


def design(evidence: Sequence[Mapping[str, float]], features: Sequence[str]) -> np.ndarray:
    """Matrix (cases, features)."""
    return np.array([[one[name] for name in features] for one in evidence], float).reshape(-1, len(features))


def ridge(
    evidence: Sequence[Mapping[str, float]], target: np.ndarray, features: Sequence[str], penalty: float
) -> LinearModel:
    """Least squares with ``penalty`` times the squared weights of the standardised features."""
    z, means, scales = _standardised(design(evidence, features))
    centre = float(np.mean(target))
    weights = np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), z.T @ (target - centre))
    return _model(features, means, scales, weights, centre)


def logistic(
    evidence: Sequence[Mapping[str, float]], present: np.ndarray, features: Sequence[str], penalty: float
) -> LinearModel:
    """Maximum likelihood with ``penalty`` / 2 times the squared weights of the standardised features.

    With one outcome alone, the intercept is that of half a case of the other.
    """
    z, means, scales = _standardised(design(evidence, features))
    y = np.asarray(present, float)
    if not 0 < y.sum() < y.size:
        rate = (y.sum() + 0.5) / (y.size + 1)
        return _model(features, means, scales, np.zeros(z.shape[1]), float(np.log(rate / (1 - rate))))
    x = np.column_stack([np.ones(len(z)), z])
    shrink = penalty * np.eye(x.shape[1])
    shrink[0, 0] = LEAST_SCALE
    beta = np.zeros(x.shape[1])
    for _ in range(NEWTON_STEPS):
        p = expit(x @ beta)
        gradient = x.T @ (p - y) + shrink @ beta
        step = np.linalg.solve((x.T * (p * (1 - p))) @ x + shrink, gradient)
        beta -= step
        if np.abs(step).max() < CONVERGED:
            break
    return _model(features, means, scales, beta[1:], float(beta[0]))


def _standardised(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    means, scales = x.mean(axis=0), x.std(axis=0)
    varies = scales > LEAST_SCALE
    scales = np.where(varies, scales, 1.0)
    return np.where(varies, (x - means) / scales, 0.0), means, scales


def _model(
    features: Sequence[str], means: np.ndarray, scales: np.ndarray, weights: np.ndarray, intercept: float
) -> LinearModel:
    def rounded(values: np.ndarray) -> tuple[float, ...]:
        return tuple(float(f"{v:.7g}") for v in values)

    return LinearModel(
        tuple(features), rounded(means), rounded(scales), rounded(weights), float(f"{intercept:.7g}")
    )
