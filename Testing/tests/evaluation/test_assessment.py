"""Fits of the judgements on a case, on cases made so that the right answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from CardiacUQLib.base.json_codec import to_plain
from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.uncertainty.assessment import decode_fit
from CardiacUQLib.uncertainty.evidence import fold_evidence
from CardiacUQLib.uncertainty.verdict import LOW_CHANCE, Word
from CardiacUQTraining.evaluation.assessment.figures import (
    PAIRWISE_NAME,
    AssessmentFigures,
    Score,
    assessment_headline,
    assessment_section,
)
from CardiacUQTraining.evaluation.assessment.fit import (
    apply_fits,
    fit_all,
    fit_presence,
    fit_range,
    fit_verdict,
    out_of_group,
    presence_features,
    trusted_up_to,
)
from CardiacUQTraining.evaluation.assessment.gather import as_calibration
from CardiacUQTraining.evaluation.assessment.regression import logistic, ridge
from CardiacUQTraining.evaluation.shared.material import CaseMaterial, choice_key, choices_of


def test_ridge_without_penalty_is_least_squares_and_shrinks_with_it() -> None:
    rng = np.random.default_rng(0)
    evidence = [{"a": a, "b": b} for a, b in rng.normal(size=(50, 2))]
    target = np.array([1 + 2 * e["a"] - e["b"] for e in evidence])
    exact = ridge(evidence, target, ("a", "b"), 0.0)
    assert [exact.value(e) for e in evidence] == pytest.approx(target, abs=1e-4)
    shrunk = ridge(evidence, target, ("a", "b"), 1e6)
    assert [shrunk.value(e) for e in evidence] == pytest.approx(np.full(50, target.mean()), abs=1e-3)


def test_logistic_finds_the_odds_of_one_binary_feature() -> None:
    evidence = [{"x": float(n >= 50)} for n in range(100)]
    present = np.array([n % 50 < (10 if n < 50 else 40) for n in range(100)])
    model = logistic(evidence, present, ("x",), 1e-6)
    assert model.probability({"x": 0.0}) == pytest.approx(0.2, abs=1e-3)
    assert model.probability({"x": 1.0}) == pytest.approx(0.8, abs=1e-3)


def test_logistic_of_one_outcome_alone_stays_finite_and_a_constant_feature_has_no_weight() -> None:
    alone = logistic([{"x": 1.0}, {"x": 2.0}], np.array([True, True]), ("x",), 1.0)
    assert alone.probability({"x": 5.0}) == pytest.approx(2.5 / 3)
    constant = logistic([{"x": 1.0}] * 4, np.array([True, False, True, False]), ("x",), 1.0)
    assert constant.probability({"x": 99.0}) == pytest.approx(0.5)


def test_choices_count_truth_outside_the_window_as_missed() -> None:
    truth = np.zeros((1, 4, 4), int)
    truth[0, 0] = (1, 2, 3, 4)
    p = np.full((5, 1, 4, 4), 0.05)
    np.put_along_axis(p, truth[None], 0.8, axis=0)
    voxels = np.bincount(truth.ravel(), minlength=5) + np.array([0, 0, 0, 1, 0])
    found = choices_of(p, truth, voxels, LGE_CLASSES)
    assert set(found) == {"", "MVO", "MVO+infarct"}
    assert found[""].dice == pytest.approx(
        {"blood pool": 1, "healthy myocardium": 1, "infarct": 2 / 3, "MVO": 1}
    )
    assert found["MVO"].dice["MVO"] == 0 and not found["MVO"].drawn["MVO"]
    assert found[choice_key(("infarct", "MVO"))].drawn == {"infarct": False, "MVO": False}


def test_trust_reaches_as_far_as_failures_stay_rare() -> None:
    risks, failed = np.linspace(0, 1, 21), np.zeros(21, bool)
    failed[[10, 15, 16, 17]] = True
    # up to risk n/20: (failures + 1) / (n + 2) <= 0.2 holds last at 14 (2 of 16) and at 15 with 3 of 17
    assert trusted_up_to(risks, failed, 0.2) == pytest.approx(0.75)
    assert trusted_up_to(risks, np.ones(21, bool), 0.2) == 0.0


def test_where_hardly_any_case_fails_no_likely_failure_is_trusted() -> None:
    odds = np.linspace(-6.0, 2.0, 200)
    true = np.where(odds > 1.6, 0.5, 0.9)  # 10 of 200 fail, so that all together are within 15 %
    values = [{LOW_CHANCE: float(one)} for one in odds]
    fit = fit_verdict(values, true, (0.7, 0.15))
    assert trusted_up_to(np.linspace(0, 1, 200), true < 0.7, 0.15) == 1.0
    assert fit.trust_up_to <= 0.3 and fit.redo_from == 0.5
    assert fit.word(0.4) is Word.CHECK and fit.word(0.6) is Word.REDO


def test_a_range_covers_what_it_was_fitted_on() -> None:
    rng = np.random.default_rng(1)
    spread = rng.uniform(0.05, 0.3, 400)
    fitted = fit_range(rng.laplace(size=400) * spread, spread)
    assert fitted.per_spread == pytest.approx(1.0, rel=0.35)
    test = rng.uniform(0.05, 0.3, 2000)
    error = rng.laplace(size=2000) * test
    inside = [
        one.low <= 0.5 + 0.1 * e <= one.high
        for e, s in zip(error, test, strict=True)
        for one in [fitted.around("x", 0.5, 0.1 * s)]
    ]
    assert np.mean(inside) > 0.85


def case(number: int, rng: np.random.Generator) -> CaseMaterial:
    """A heart of every second of which has an infarct; passes are the truth with noise of its own size."""
    truth = np.zeros((4, 24, 24), int)
    yy, xx = np.mgrid[:24, :24]
    radius = np.hypot(yy - 12, xx - 12)
    truth[:, radius < 8] = 2
    truth[:, radius < 5] = 1
    sick = number % 2 == 0
    if sick:
        truth[:, (radius >= 5) & (radius < 8) & (xx > 14)] = 3
        if number % 4 == 0:
            truth[1, 12, 18:20] = 4
    noise = rng.uniform(0.3, 1.5)

    def softmax() -> np.ndarray:
        logits = 2.5 * (np.arange(5)[:, None, None, None] == truth) + noise * rng.normal(
            size=(5, *truth.shape)
        )
        p = np.exp(logits)
        return p / p.sum(axis=0)

    first, final = np.stack([[softmax(), softmax()]]), np.stack([softmax(), softmax()])
    voxels = np.bincount(truth.ravel(), minlength=5)
    return CaseMaterial(
        f"case{number:02d}",
        str(number % 5),
        fold_evidence(
            first, final, LGE_CLASSES, 0.1, (truth > 2) + 0.1 * noise * rng.normal(size=truth.shape)
        )
        | {"roundness": 0.9 + 0.001 * number},
        {"infarct": sick, "MVO": number % 4 == 0},
        {"infarct": float(voxels[3:].sum()), "MVO": float(voxels[4])},
        choices_of(final.mean(axis=0), truth, voxels, LGE_CLASSES),
    )


@pytest.fixture(scope="module")
def cases() -> list[CaseMaterial]:
    rng = np.random.default_rng(3)
    return [case(number, rng) for number in range(40)]


def test_out_of_group_the_predicted_dice_follows_the_true_one(cases: list[CaseMaterial]) -> None:
    found = out_of_group(cases)
    assert list(found) == [one.case for one in cases]
    truth = np.array([found[one.case].choice.dice["healthy myocardium"] for one in cases])
    said = {one.structure: n for n, one in enumerate(found["case00"].predicted)}["healthy myocardium"]
    values = np.array([found[one.case].predicted[said].value for one in cases])
    assert np.corrcoef(truth, values)[0, 1] > 0.8
    sick = np.array([one.present["infarct"] for one in cases])
    chance = np.array([found[one.case].probabilities["infarct"] for one in cases])
    assert chance[sick].min() > chance[~sick].max()


def test_a_case_has_no_part_in_what_is_said_about_it(cases: list[CaseMaterial]) -> None:
    """With its truth turned round nothing changes for it or for those of its networks."""
    import dataclasses

    before = out_of_group(cases)
    liar = dataclasses.replace(
        cases[0], present={name: not there for name, there in cases[0].present.items()}
    )
    after = out_of_group([liar, *cases[1:]])
    for one in cases:
        same = before[one.case].probabilities == after[one.case].probabilities
        assert same == (one.group == cases[0].group)


def test_fits_survive_the_way_through_the_manifest(cases: list[CaseMaterial]) -> None:
    fits = fit_all(cases)
    for name, fit in as_calibration(fits).items():
        assert to_plain(decode_fit(name, fit)) == fit
    assert fits.likeness.traits["roundness"].high == pytest.approx(0.939)
    opinion = apply_fits(fits, cases[0])
    assert opinion.word in Word
    assert 0 <= opinion.risk <= 1
    assert presence_features("MVO")[0] == "MVO: surest voxel"
    assert fits.presence.lesions["MVO"].given == "infarct" and not fits.presence.lesions["infarct"].given


def test_mvo_is_learned_on_the_hearts_with_an_infarct(cases: list[CaseMaterial]) -> None:
    """What the others look like changes nothing; without any infarct there is nothing to learn it from."""
    import dataclasses

    healthy = [one for one in cases if not one.present["infarct"]]
    odd = [dataclasses.replace(one, evidence={k: v + 9 for k, v in one.evidence.items()}) for one in healthy]
    sick = [one for one in cases if one.present["infarct"]]
    whole, strange = fit_presence([*sick, *healthy]), fit_presence([*sick, *odd])
    assert whole.lesions["MVO"].model == strange.lesions["MVO"].model
    assert whole.lesions["infarct"].model != strange.lesions["infarct"].model
    none = fit_presence(healthy)
    assert not none.lesions["MVO"].given
    assert none.probabilities(healthy[0].evidence)["MVO"] < 0.1


def test_the_card_tells_every_score_but_the_one_to_compare_with_and_a_dash_without_failures() -> None:
    scores = (Score("predicted mean Dice", 0.5, float("nan"), 0.1), Score(PAIRWISE_NAME, 0.1, 0.6, 0.2))
    found = AssessmentFigures(0.9, scores, (), (), {}, 0, 3, None)
    lines = assessment_headline(found)
    assert lines["predicted mean Dice: Spearman / AUROC of Dice < 0.7 / AURC"] == "0.50 / – / 0.100"
    assert not any(PAIRWISE_NAME in name for name in lines)
    assert "| 0.500 | – | 0.100 |" in assessment_section(found)
