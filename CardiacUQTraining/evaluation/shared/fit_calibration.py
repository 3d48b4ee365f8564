"""Fitting P(voxel is wrong) on predictions of folds that did not see the case.

The model is an additive logistic regression with penalised piecewise linear curves (P-splines, Eilers &
Marx 1996), maximum likelihood by Newton's method. Why this one: the log-likelihood is a proper score and
has a free constant per label pair, so the fit is calibrated overall and within each kind of prediction;
curves need no assumption on how uncertainty turns into error; 250 numbers describe it, numpy applies it,
and every curve can be looked at. A boosted forest fits interactions too, but needs a library and a
binary blob at inference.

The map is judged on the union of predicted and true foreground, where every voxel predicted as background
is wrong by construction, while inference meets many more rightly predicted ones just outside the heart.
No single number can be calibrated on both. Rightly predicted background counts a twelfth in the fit; what
that weight does to nested figures of the first LGE bundle (80 EMIDEC cases, models fitted without the
patient's network; AUROC, Pearson and ECE on a random fifth of the union, ECE of the full crop):

    weight   AUROC  Pearson   ECE   ECE of the crop
    1/5      0.895   0.598   0.019   0.016
    1/10     0.901   0.617   0.011   0.025
    1/12     0.901   0.620   0.010   0.028

The AUROC on the predicted foreground, which the weight does not touch, stays at 0.876, its ECE at 0.006.
Features that were tried beside these and brought nothing there (0.876): in-plane distance to the outline of
the heart, in this slice and in its neighbours, entropy averaged over 10 px and over three slices, constants
per label and distance to the ends, and per label and agreement with the slices above and below.

The voxels of a case are thinned: all voxels near a decision, a share of the certain ones with the weight
of those left out, so that probabilities stay honest over the whole region.

What the fit cannot know: at inference a bundle runs all its folds, in cross-validation a case has one.
An ensemble's variance and mutual information are larger, its mean softmax is flatter and its labels are
right more often than a single fold's. SCS and the spatial features do not depend on the number of passes
in expectation. P(wrong) of the full ensemble therefore errs on the cautious side on scans like those of the
training; its calibration is measured where the ensemble saw no case, on another data set. There foreign
contrast outweighs the caution (MyoPS, union: 31 % of the voxels wrong, 22 % expected).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy import linalg
from scipy.special import expit

from CardiacUQLib.inference.calibration import Category, ErrorProbability, Feature, Term, case_features

from .cases import CaseArrays

CERTAIN_ENTROPY = 0.02
"""Below this entropy (nats) of the cascade and its 2D stage a voxel counts as certain and is thinned."""
MOST_DOUBTFUL, MOST_CERTAIN = 800, 200
"""Voxels per case that enter the fit, at most; 2000 and 400 gave the same figures."""
LOG_KNOTS = np.linspace(np.log(1e-4), np.log(1.7), 10)
DISTANCE_KNOTS = np.array([1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0])
SMOOTHNESS, RIDGE = 300.0, 30.0
"""Strong, because neighbouring voxels are no independent observations."""
BACKGROUND_WEIGHT = 1 / 12
"""Weight in the fit of background voxels that are predicted rightly; see the module's text."""
NEWTON_STEPS, CONVERGED = 30, 1e-5


@dataclass(frozen=True)
class TermPlan:
    """A term before it is fitted: its feature, what it depends on, its knots, levels of ``by``."""

    feature: Feature | None
    by: Category | None
    levels: int

    @property
    def knots(self) -> np.ndarray:
        """Fixed places, so that models of different fits can be compared; empty for a constant."""
        if self.feature is None:
            return np.empty(0)
        return DISTANCE_KNOTS if self.feature is Feature.BORDER_DISTANCE else LOG_KNOTS

    @property
    def width(self) -> int:
        """Columns per level."""
        return max(1, self.knots.size)


@dataclass(frozen=True)
class Sample:
    """Thinned voxels of one case: features, categories, wrong or right, weight (voxels it stands for)."""

    features: Mapping[Feature, np.ndarray]
    categories: Mapping[Category, np.ndarray]
    wrong: np.ndarray
    weight: np.ndarray


def plan(classes: int, features: Sequence[Feature]) -> tuple[TermPlan, ...]:
    """The terms of a model of these features: one curve per feature, entropy's by label, constants per
    label pair and per distance to the ends of the heart."""
    curves = [
        TermPlan(feature, Category.LABEL, classes)
        if feature is Feature.LOG_ENTROPY
        else TermPlan(feature, None, 1)
        for feature in features
    ]
    return (
        *curves,
        TermPlan(None, Category.LABEL_PAIR, classes * classes),
        TermPlan(None, Category.END_DISTANCE, 4),
    )


def sample_case(arrays: CaseArrays, classes: int, seed: int) -> Sample:
    """Voxels of one case for the fit, with every feature that its maps allow (entropy must be among
    them); which certain voxels are kept is random but fixed by ``seed``."""
    features, categories = case_features(arrays.maps, arrays.segmentation, arrays.stage2d, classes)
    entropies = [features[f] for f in (Feature.LOG_ENTROPY, Feature.LOG_ENTROPY_2D) if f in features]
    certain = np.maximum.reduce(entropies) < np.log(CERTAIN_ENTROPY)
    rng = np.random.default_rng(seed)
    chosen, weight = [], []
    for mask, most in ((~certain, MOST_DOUBTFUL), (certain, MOST_CERTAIN)):
        index = np.flatnonzero(mask)
        kept = rng.choice(index, min(most, index.size), replace=False)
        chosen.append(kept)
        weight.append(np.full(kept.size, index.size / max(1, kept.size)))
    index = np.sort(np.concatenate(chosen))
    order = np.argsort(np.concatenate(chosen))
    return Sample(
        {name: values.ravel()[index] for name, values in features.items()},
        {name: values.ravel()[index] for name, values in categories.items()},
        (arrays.segmentation != arrays.truth).ravel()[index],
        np.concatenate(weight)[order],
    )


def fit(samples: Sequence[Sample], classes: int) -> ErrorProbability:
    """The model of highest penalised likelihood, of the features that all samples have; raises ValueError
    if no voxel is wrong or none right."""
    common = set.intersection(*(set(sample.features) for sample in samples))
    terms = plan(classes, [feature for feature in Feature if feature in common])
    design = np.concatenate([design_matrix(sample, terms) for sample in samples])
    wrong = np.concatenate([sample.wrong for sample in samples]).astype(float)
    weight = np.concatenate([fit_weight(sample) for sample in samples])
    if not 0 < wrong.sum() < wrong.size:
        raise ValueError("a fit needs wrong and right voxels")
    rate = float((weight * wrong).sum() / weight.sum())
    start = np.zeros(design.shape[1] + 1)
    start[0] = np.log(rate / (1 - rate))
    return _as_model(_newton(design, wrong, weight, _penalty(terms), start), terms, classes)


def fit_weight(sample: Sample) -> np.ndarray:
    """Weight of each voxel in the fit: what it stands for, less for rightly predicted background."""
    background = (sample.categories[Category.LABEL] == 0) & ~sample.wrong
    return np.where(background, BACKGROUND_WEIGHT * sample.weight, sample.weight)


def design_matrix(sample: Sample, terms: Sequence[TermPlan]) -> np.ndarray:
    """Hat functions of every term, float32 (voxels, columns): the model's logit is linear in them."""
    count = sample.wrong.size
    blocks = []
    for term in terms:
        level = np.zeros(count, np.intp)
        if term.by is not None:
            level = np.minimum(sample.categories[term.by], term.levels - 1)
        block = np.zeros((count, term.levels * term.width), np.float32)
        rows = np.arange(count)
        if term.feature is None:
            block[rows, level] = 1.0
        else:
            left, share = _place(sample.features[term.feature], term.knots)
            block[rows, level * term.width + left] = 1.0 - share
            block[rows, level * term.width + left + 1] += share
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


def _place(values: np.ndarray, knots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knot to the left of each value and how far it is on the way to the next, clipped at the ends."""
    inside = np.clip(values, knots[0], knots[-1])
    left = np.clip(np.searchsorted(knots, inside, side="right") - 1, 0, knots.size - 2)
    return left, ((inside - knots[left]) / (knots[left + 1] - knots[left])).astype(np.float32)


def _penalty(terms: Sequence[TermPlan]) -> np.ndarray:
    """Squared second differences along each curve (straight is free) plus a small pull to 0."""
    blocks: list[np.ndarray] = [np.zeros((1, 1))]
    for term in terms:
        bend = np.diff(np.eye(term.width), n=2, axis=0) if term.width > 2 else np.zeros((1, term.width))
        block = SMOOTHNESS * bend.T @ bend + RIDGE * np.eye(term.width)
        blocks += [block] * term.levels
    return np.asarray(linalg.block_diag(*blocks))


def _newton(
    design: np.ndarray, wrong: np.ndarray, weight: np.ndarray, penalty: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Coefficients (intercept first) by Newton's method with step halving."""
    beta = start
    loss = _loss(design, wrong, weight, penalty, beta)
    for _ in range(NEWTON_STEPS):
        p = expit(beta[0] + design @ beta[1:].astype(np.float32)).astype(float)
        residual = weight * (p - wrong)
        gradient = np.concatenate([[residual.sum()], residual @ design]) + penalty @ beta
        curvature = (weight * np.maximum(p * (1 - p), 1e-9)).astype(np.float32)
        weighted = design * curvature[:, None]
        hessian = penalty.copy()
        hessian[0, 0] += curvature.sum(dtype=float)
        hessian[0, 1:] += weighted.sum(axis=0, dtype=float)
        hessian[1:, 0] = hessian[0, 1:]
        hessian[1:, 1:] += design.T @ weighted
        step = linalg.solve(hessian, gradient, assume_a="pos")
        for _ in range(20):
            trial = _loss(design, wrong, weight, penalty, beta - step)
            if trial <= loss:
                break
            step = step / 2
        else:
            return beta
        beta, before, loss = beta - step, loss, trial
        if before - loss < CONVERGED * abs(before):
            return beta
    return beta


def _loss(
    design: np.ndarray, wrong: np.ndarray, weight: np.ndarray, penalty: np.ndarray, beta: np.ndarray
) -> float:
    logit = (beta[0] + design @ beta[1:].astype(np.float32)).astype(float)
    return float((weight * (np.logaddexp(0, logit) - wrong * logit)).sum() + 0.5 * beta @ penalty @ beta)


def _as_model(beta: np.ndarray, terms: Sequence[TermPlan], classes: int) -> ErrorProbability:
    fitted, start = [], 1
    for term in terms:
        end = start + term.levels * term.width
        values = beta[start:end].reshape(term.levels, term.width)
        fitted.append(Term(term.feature, term.by, term.knots, values))
        start = end
    return ErrorProbability(classes, float(beta[0]), tuple(fitted))


def patient_folds(
    cases: Sequence[str],
    network_folds: Mapping[str, tuple[int, ...]],
    parts: int = 5,
    patients: Mapping[str, str] = MappingProxyType({}),
) -> list[list[str]]:
    """Groups of cases that are tested together, each by a model fitted on all the others.

    Cases predicted by the same network fold form a group, so that the model is also tested on a network
    it was not fitted on. If all cases share their networks, ``parts`` groups are dealt out in turn, all cases
    of one of the ``patients`` (by case) into the same.
    """
    by_network: dict[tuple[int, ...], list[str]] = {}
    for case in cases:
        by_network.setdefault(network_folds[case], []).append(case)
    if len(by_network) > 1:
        return list(by_network.values())
    order = {name: n for n, name in enumerate(dict.fromkeys(patients.get(case, case) for case in cases))}
    dealt = [[case for case in cases if order[patients.get(case, case)] % parts == n] for n in range(parts)]
    return [group for group in dealt if group]
