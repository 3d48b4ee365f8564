"""Coefficients of the width unit of an interval, none negative, from a design matrix and residuals."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog, minimize

LEAST_CONSTANT = 0.1
"""Least constant as a share of the mean absolute residual: a row of cases without any error must not promise
that there never is one."""


def fit_scale(design: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Minimises the mean of log w + |residual| / w, where w = ``design`` (cases, terms) @ coefficients; the
    first term is the constant."""
    error = np.abs(residual)
    typical = max(float(error.mean()), 1e-9)
    units = np.maximum(design.mean(axis=0), 1e-9)
    columns = design / units

    def loss(c: np.ndarray) -> tuple[float, np.ndarray]:
        w = columns @ c
        gradient = columns.T @ (1 / w - error / typical / w**2) / w.size
        return float(np.mean(np.log(w) + error / typical / w)), gradient

    terms = design.shape[1]
    bounds = [(LEAST_CONSTANT, None)] + [(0.0, None)] * (terms - 1)
    found = minimize(loss, np.full(terms, 1.0 / terms), jac=True, bounds=bounds, method="L-BFGS-B").x
    return found * typical / units


def quantile_scale(design: np.ndarray, residual: np.ndarray, level: float) -> np.ndarray:
    """Minimises the pinball loss of the quantile ``level`` of ``residual`` (Koenker and Bassett, Econometrica
    1978), a linear programme: residual = design @ coefficients + over - under."""
    typical = max(float(np.abs(residual).mean()), 1e-9)
    units = np.maximum(design.mean(axis=0), 1e-9)
    cases, terms = design.shape
    cost = np.concatenate([np.zeros(terms), np.full(cases, level), np.full(cases, 1.0 - level)])
    equal = np.hstack([design / units, np.eye(cases), -np.eye(cases)])
    bounds = [(LEAST_CONSTANT, None)] + [(0.0, None)] * (terms - 1 + 2 * cases)
    found = linprog(cost, A_eq=equal, b_eq=residual / typical, bounds=bounds, method="highs")
    return found.x[:terms] * typical / units
