"""Fitting what is said of a case as a whole, on cases that their networks had not seen.

Eighty cases are few, so each judgement is one penalised linear model of few features that are named here
and not chosen on the data. Inside a fit whatever feeds a later step (P(lesion) feeds the predicted Dice,
this the verdict) is itself predicted out of group, so that no step sees the others better than they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from scipy.optimize import minimize

from CardiacUQLib.bundles.classes import LESIONS
from CardiacUQLib.uncertainty.bands import BandCalibration
from CardiacUQLib.uncertainty.evidence import alone, evidence_key
from CardiacUQLib.uncertainty.likeness import LikenessCalibration
from CardiacUQLib.uncertainty.presence import LesionPresence, PresenceCalibration
from CardiacUQLib.uncertainty.quality import DiceCalibration, DiceRange, PredictedDice, StructureDice
from CardiacUQLib.uncertainty.verdict import LOW_CHANCE, VerdictCalibration, Word, risk_evidence

from ..shared.contours import fit_bands, judge_histograms, measured
from ..shared.material import CaseMaterial, Choice
from .fit_likeness import fit_likeness
from .groups import groups_of
from .regression import logistic, ridge

T = TypeVar("T")

PRESENCE_PENALTY, DICE_PENALTY, RISK_PENALTY = 1.0, 5.0, 0.3
PRESENCE_FIGURES = {
    "infarct": ("peak in two slices", "brightest tenth", "brightest sector"),
    "MVO": ("surest voxel", "dark places"),
}
"""One figure of the networks for every lesion, the others of the image: what both overlook is rare."""
DICE_FIGURES = ("promised Dice", "Dice of the views", "Dice of the opinions")
LOW_DICE = 0.7
TRUST_RISK, REDO_RISK = 0.15, 0.5
"""Share of failures allowed among trusted cases, none of which may be likelier to fail than twice that;
probability of failure from which a case is done again."""
MOST_RESIDUALS = 199


@dataclass(frozen=True)
class Fits:
    """All of them; ``presence`` is None where the classes know no lesion, ``bands`` where there are too few
    contours."""

    presence: PresenceCalibration | None
    dice: DiceCalibration
    verdict: VerdictCalibration
    likeness: LikenessCalibration
    bands: BandCalibration | None = None


@dataclass(frozen=True)
class Foresight:
    """What a model that did not see the case says about it, and what was true."""

    case: str
    probabilities: Mapping[str, float]
    hidden: tuple[str, ...]
    choice: Choice
    predicted: tuple[PredictedDice, ...]
    word: Word | None = None
    risk: float | None = None


def presence_features(lesion: str) -> tuple[str, ...]:
    """Features of P(lesion), that of MVO given an infarct."""
    return tuple(evidence_key(lesion, figure) for figure in PRESENCE_FIGURES[lesion])


def fit_presence(cases: Sequence[CaseMaterial]) -> PresenceCalibration | None:
    """P(lesion) of every lesion that the cases know; None where there is none."""
    found = {lesion: _fit_lesion(lesion, cases) for lesion in (cases[0].present if cases else ())}
    return PresenceCalibration(found) if found else None


def _fit_lesion(lesion: str, cases: Sequence[CaseMaterial]) -> LesionPresence:
    """A part of another lesion is learned on the hearts that have that one: the rest says nothing of it."""
    known = cases[0].present
    given = next((whole for whole in known if whole != lesion and lesion in LESIONS[whole]), "")
    able = [case for case in cases if not given or case.present[given]]
    if not able:
        able, given = list(cases), ""
    present = np.array([case.present[lesion] for case in able])
    model = logistic([case.evidence for case in able], present, presence_features(lesion), PRESENCE_PENALTY)
    choices = [case.choice(()) for case in cases if case.present[lesion]]
    dice = [choice.dice[lesion] for choice in choices if choice.drawn[lesion]]
    return LesionPresence(model, round(1.0 / (1.0 + float(np.mean(dice or [1.0]))), 4), given)


def fit_all(
    cases: Sequence[CaseMaterial], low_dice: float = LOW_DICE, trust_risk: float = TRUST_RISK
) -> Fits:
    """All fits on ``cases``; a mean Dice below ``low_dice`` is a failure, of which trusted
    cases may hold the share ``trust_risk``."""
    presence = fit_presence(cases)
    said = _out_of_group(cases, fit_presence, _decided)
    dice = _fit_dice(cases, said)
    risky = _out_of_group(
        cases, lambda some: _fit_dice(some, said), lambda fit, one: _risk_evidence(fit, one, said, low_dice)
    )
    true = np.array([said[case.case].choice.mean_dice for case in cases])
    verdict = fit_verdict(list(risky.values()), true, (low_dice, trust_risk))
    return Fits(presence, dice, verdict, fit_likeness(cases), fit_case_bands(cases))


def fit_case_bands(cases: Sequence[CaseMaterial]) -> BandCalibration | None:
    """The contour bands, with what bands of other groups held of each group's contours."""
    judged = _out_of_group(
        cases,
        lambda some: fit_bands([case.contours for case in some]),
        lambda fit, case: judge_histograms(fit, case.contours),
    )
    return measured(fit_bands([case.contours for case in cases]), list(judged.values()))


def apply_fits(fits: Fits, case: CaseMaterial) -> Foresight:
    """What these fits say about a case."""
    opinion = _decided(fits.presence, case)
    dice = fits.dice.predict(case.evidence, opinion.probabilities, opinion.choice.drawn)
    known = opinion.probabilities, opinion.choice.drawn
    chance = fits.dice.chance_below(fits.verdict.low_dice, case.evidence, *known)
    verdict = fits.verdict.judge(dice, chance, *known)
    return dataclasses.replace(opinion, predicted=dice, word=verdict.word, risk=verdict.risk)


def out_of_group(cases: Sequence[CaseMaterial]) -> dict[str, Foresight]:
    """Every case judged by fits that saw neither it nor any case of its networks."""
    return _out_of_group(cases, fit_all, apply_fits)


def _out_of_group(
    cases: Sequence[CaseMaterial],
    fit: Callable[[Sequence[CaseMaterial]], Any],
    apply: Callable[[Any, CaseMaterial], T],
) -> dict[str, T]:
    found: dict[str, T] = {}
    for part in groups_of(cases):
        away = {case.case for case in part}
        fitted = fit([case for case in cases if case.case not in away])
        found |= {case.case: apply(fitted, case) for case in part}
    return {case.case: found[case.case] for case in cases}


def _decided(presence: PresenceCalibration | None, case: CaseMaterial) -> Foresight:
    probabilities = {} if presence is None else presence.probabilities(case.evidence)
    hidden = () if presence is None else presence.hidden(probabilities)
    return Foresight(case.case, probabilities, hidden, case.choice(hidden), ())


def _risk_evidence(
    fit: DiceCalibration, case: CaseMaterial, said: Mapping[str, Foresight], low_dice: float
) -> dict[str, float]:
    one = said[case.case]
    about = case.evidence, one.probabilities, one.choice.drawn
    return risk_evidence(fit.predict(*about)[0].value, fit.chance_below(low_dice, *about))


def _fit_dice(cases: Sequence[CaseMaterial], said: Mapping[str, Foresight]) -> DiceCalibration:
    """``said`` holds presence decided out of group, by case."""
    names = tuple(cases[0].choices[""].dice)
    bare = {name: _bare(name, cases, said) for name in names}
    apart = {
        name: _out_of_group(cases, lambda some, name=name: _bare(name, some, said), _expected(said))
        for name in names
    }
    structures = {}
    for name in names:
        error = np.array([said[c.case].choice.dice[name] - apart[name][c.case][0] for c in cases])
        spread = np.array([apart[name][c.case][1] for c in cases])
        structures[name] = dataclasses.replace(bare[name], range=fit_range(error, spread))
    means = np.array([np.mean([apart[name][c.case][0] for name in names]) for c in cases])
    spreads = np.array([np.sqrt(sum(apart[n][c.case][1] ** 2 for n in names)) / len(names) for c in cases])
    errors = np.array([said[c.case].choice.mean_dice for c in cases]) - means
    return DiceCalibration(structures, fit_range(errors, spreads))


def _expected(
    said: Mapping[str, Foresight],
) -> Callable[[StructureDice, CaseMaterial], tuple[float, float]]:
    def apply(one: StructureDice, case: CaseMaterial) -> tuple[float, float]:
        opinion = said[case.case]
        return one.expected(case.evidence, opinion.probabilities, opinion.choice.drawn)

    return apply


def _bare(name: str, cases: Sequence[CaseMaterial], said: Mapping[str, Foresight]) -> StructureDice:
    """The model of one structure, still with a range that means nothing."""
    lesion = name if name in cases[0].present else ""
    shown = [
        case
        for case in cases
        if not lesion or (case.present[lesion] and said[case.case].choice.drawn[lesion])
    ]
    source = alone(lesion) if lesion else name
    features = tuple(evidence_key(source, figure) for figure in DICE_FIGURES)
    target = np.array([said[case.case].choice.dice[name] for case in shown])
    if target.size < 2:
        shown, target = list(cases), np.array([said[case.case].choice.dice[name] for case in cases])
    model = ridge([case.evidence for case in shown], target, features, DICE_PENALTY)
    rest = target - [model.value(case.evidence) for case in shown]
    return StructureDice(model, max(float(np.std(rest)), 1e-3), DiceRange(1.0, 0.0, (0.0,)), lesion)


def fit_range(error: np.ndarray, spread: np.ndarray) -> DiceRange:
    """The width unit of highest Laplace likelihood, and the residuals in it."""
    size = np.abs(error)
    typical, wide = max(float(size.mean()), 1e-4), max(float(spread.mean()), 1e-4)

    def loss(c: np.ndarray) -> float:
        width = c[0] + c[1] * spread / wide
        return float(np.mean(np.log(width) + size / typical / width))

    bounds = [(0.05, None), (0.0, None)]
    constant, per_spread = minimize(loss, np.array([0.5, 0.5]), bounds=bounds, method="L-BFGS-B").x * typical
    constant, per_spread = float(f"{constant:.6g}"), float(f"{per_spread / wide:.6g}")
    residuals = np.sort(error / (constant + per_spread * spread))
    if residuals.size > MOST_RESIDUALS:
        residuals = np.quantile(residuals, np.linspace(0, 1, MOST_RESIDUALS))
    return DiceRange(constant, per_spread, tuple(float(round(r, 4)) for r in residuals))


def fit_verdict(
    values: Sequence[Mapping[str, float]], true: np.ndarray, wanted: tuple[float, float]
) -> VerdictCalibration:
    """Risk and limits of the three words. ``values`` are what a risk is computed from, out of group, ``true``
    is the mean Dice of every case; ``wanted`` the Dice below which a case fails and the share allowed."""
    low_dice, trust_risk = wanted
    failed = true < low_dice
    risk = logistic(values, failed, (LOW_CHANCE,), RISK_PENALTY)
    risks = np.array([risk.probability(one) for one in values])
    # where hardly any case fails, nearly all together are within the share: the single case has a limit too
    trusted = min(trusted_up_to(risks, failed, trust_risk), 2.0 * trust_risk, REDO_RISK)
    fit = VerdictCalibration(risk, round(trusted, 4), REDO_RISK, low_dice)
    return dataclasses.replace(fit, shares=failure_shares([fit.word(r) for r in risks], failed))


def trusted_up_to(risks: np.ndarray, failed: np.ndarray, allowed: float) -> float:
    """The largest risk up to which the share of failures, one more counted than was seen, is at most
    ``allowed``; 0 where there is none."""
    order = np.argsort(risks, kind="stable")
    shares = (np.cumsum(failed[order]) + 1) / (np.arange(risks.size) + 2)
    good = np.flatnonzero(shares <= allowed)
    return float(risks[order][good[-1]]) if good.size else 0.0


def failure_shares(words: Sequence[Word], failed: np.ndarray) -> dict[str, float]:
    """Share of failures among the cases of every word that occurs."""
    found = {}
    for word in Word:
        chosen = np.array([one is word for one in words], bool)
        if chosen.any():
            found[word.value] = round(float(failed[chosen].mean()), 4)
    return found
