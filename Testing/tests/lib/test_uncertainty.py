"""Evidence, presence, predicted Dice and verdict against values worked out by hand."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from CardiacUQLib.base.errors import ModelError
from CardiacUQLib.base.json_codec import JsonMismatch, to_plain
from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.uncertainty.assessment import Assessor, decode_fit
from CardiacUQLib.uncertainty.evidence import (
    EvidenceCollector,
    evidence_key,
    fold_evidence,
    mean_evidence,
    structures,
)
from CardiacUQLib.uncertainty.likeness import Likeness
from CardiacUQLib.uncertainty.linear import LinearModel, expit, logit
from CardiacUQLib.uncertainty.presence import (
    LesionPresence,
    PresenceCalibration,
    class_values,
    drawn_lesions,
    labels_without,
)
from CardiacUQLib.uncertainty.quality import DiceCalibration, DiceRange, PredictedDice, StructureDice
from CardiacUQLib.uncertainty.verdict import (
    LOW_CHANCE,
    Verdict,
    VerdictCalibration,
    Word,
    unlike_verdict,
    worst_of,
)

CONSTANT = LinearModel((), (), (), (), 0.8)
FLAT = np.zeros((2, 8, 8))
WIDTH = DiceRange(0.1, 1.0, tuple(float(n) for n in range(-10, 11)))


def one_hot(labels: np.ndarray, classes: int = 5, sure: float = 1.0) -> np.ndarray:
    p = np.full((classes, *labels.shape), (1 - sure) / (classes - 1))
    np.put_along_axis(p, labels[None], sure, axis=0)
    return p


def ring() -> np.ndarray:
    """Two slices: 4 voxels of blood pool, 4 healthy, 2 infarct, 1 MVO in the first, nothing in the second."""
    labels = np.zeros((2, 8, 8), int)
    labels[0, 2, :4], labels[0, 3, :4], labels[0, 4, :2], labels[0, 4, 2] = 1, 2, 3, 4
    return labels


def test_a_linear_model_is_the_sum_of_its_standardised_features() -> None:
    model = LinearModel(("a", "b"), (1.0, 2.0), (2.0, 4.0), (3.0, -1.0), 0.5)
    assert model.value({"a": 3.0, "b": 6.0, "c": 9.0}) == pytest.approx(0.5 + 3.0 - 1.0)
    assert model.probability({"a": 1.0, "b": 2.0}) == pytest.approx(1 / (1 + math.exp(-0.5)))
    with pytest.raises(ModelError, match='"b" is missing'):
        model.value({"a": 1.0})
    with pytest.raises(ValueError, match="scales above 0"):
        LinearModel(("a",), (0.0,), (0.0,), (1.0,), 0.0)
    with pytest.raises(ValueError, match="one mean"):
        LinearModel(("a",), (), (1.0,), (1.0,), 0.0)


def test_log_odds_and_back_never_overflow() -> None:
    assert expit(-1e4) == 0.0 and expit(1e4) == 1.0
    assert expit(logit(0.3, 0.01)) == pytest.approx(0.3)
    assert logit(0.0, 0.02) == pytest.approx(-logit(1.0, 0.02)) == pytest.approx(math.log(0.02 / 0.98))


def test_structures_join_a_lesion_with_what_it_holds() -> None:
    assert structures(LGE_CLASSES) == {
        "blood pool": [1],
        "healthy myocardium": [2],
        "infarct without MVO": [3],
        "infarct": [3, 4],
        "MVO": [4],
    }
    assert set(structures(CINE_CLASSES)) == {"RV", "myocardium", "LV"}


def test_evidence_of_passes_that_agree_is_that_of_certainty() -> None:
    p = one_hot(ring())
    found = fold_evidence(np.stack([[p, p]]), np.stack([p, p]), LGE_CLASSES, 2.0, FLAT)
    for figure in ("promised Dice", "Dice of the views", "Dice of the opinions"):
        assert found[evidence_key("infarct", figure)] == pytest.approx(logit(1.0, 0.02))
    assert found["MVO: surest voxel"] == pytest.approx(logit(1.0, 1e-3))
    assert found["infarct: peak in two slices"] == pytest.approx(logit(0.0, 1e-3))  # only the first has any
    assert [found[f"infarct: brightest {what}"] for what in ("tenth", "sector")] == [0.0, 0.0]
    assert found["MVO: dark places"] == 0.0


def test_grey_values_speak_of_lesions_where_the_classes_know_a_cavity_and_lesions() -> None:
    y, x = np.mgrid[:32, :32] - 15.5
    labels = np.where(np.hypot(y, x) < 5, 1, np.where(np.hypot(y, x) < 12, 2, 0))[None].repeat(2, axis=0)
    image = np.where((labels == 2) & (x > 0), 1.5, 0.0)
    p = one_hot(labels)
    found = fold_evidence(np.stack([[p, p]]), np.stack([p, p]), LGE_CLASSES, 1.0, image)
    assert found["infarct: brightest tenth"] == pytest.approx(1.5, abs=0.1)
    assert found["infarct: brightest sector"] == pytest.approx(
        0.75
    )  # half of the wall: the middle is between
    cine = fold_evidence(np.stack([[p, p]]), np.stack([p, p]), CINE_CLASSES, 1.0, image)
    assert not [name for name in cine if "bright" in name or "dark" in name]


def test_evidence_sees_what_views_and_opinions_disagree_about() -> None:
    labels, less = ring(), ring()
    less[0, 4, 2] = 2  # this pass has no MVO
    p, q = one_hot(labels), one_hot(less)
    found = fold_evidence(np.stack([[q, q]]), np.stack([p, p]), LGE_CLASSES, 1.0, FLAT)
    assert found["MVO: Dice of the views"] == pytest.approx(logit(1.0, 0.02))
    assert found["MVO: Dice of the opinions"] == pytest.approx(logit(0.0, 0.02))
    assert found["MVO: promised Dice"] == pytest.approx(logit(2 * 0.5 / (0.5 + 1), 0.02))
    assert found["MVO: surest voxel"] == pytest.approx(logit(1.0, 1e-3))  # the final opinion alone
    split = fold_evidence(np.stack([[p, p]]), np.stack([p, q]), LGE_CLASSES, 1.0, FLAT)
    assert split["MVO: Dice of the views"] == pytest.approx(logit(0.0, 0.02))
    assert split["infarct: Dice of the views"] == pytest.approx(logit(2 * 2 / 5, 0.02))
    assert split["MVO: surest voxel"] == pytest.approx(0.0)  # P = 0.5


def test_the_evidence_of_several_folds_is_their_mean_and_not_of_their_passes() -> None:
    labels, less = ring(), ring()
    less[0, 4, 2] = 2
    p, q = one_hot(labels), one_hot(less)
    collector = EvidenceCollector(LGE_CLASSES, 1.0, FLAT)
    for fold, of in ((0, p), (0, p), (3, q), (3, q)):
        collector.add(fold, of[None], of)
    one, other = (
        fold_evidence(np.stack([[of, of]]), np.stack([of, of]), LGE_CLASSES, 1.0, FLAT) for of in (p, q)
    )
    assert collector.evidence() == pytest.approx(mean_evidence([one, other]))
    assert mean_evidence([one]) == one
    assert mean_evidence([]) == {}


def fixed(probability: float) -> LinearModel:
    return LinearModel((), (), (), (), logit(probability, 1e-6))


def test_a_part_is_never_more_probable_than_the_whole_and_goes_with_it() -> None:
    fit = PresenceCalibration(
        {"infarct": LesionPresence(fixed(0.3), 0.6), "MVO": LesionPresence(fixed(0.9), 0.2)}
    )
    found = fit.probabilities({})
    assert found == pytest.approx({"infarct": 0.3, "MVO": 0.3})
    assert fit.hidden(found) == ("infarct", "MVO")
    assert fit.hidden({"infarct": 0.7, "MVO": 0.1}) == ("MVO",)
    given = PresenceCalibration(
        {"infarct": LesionPresence(fixed(0.8), 0.6), "MVO": LesionPresence(fixed(0.9), 0.2, "infarct")}
    )
    assert given.probabilities({}) == pytest.approx({"infarct": 0.8, "MVO": 0.72})
    with pytest.raises(ValueError, match='"infarct" itself'):
        PresenceCalibration({"MVO": LesionPresence(fixed(0.9), 0.2, "infarct")})
    with pytest.raises(ValueError, match="no lesion"):
        PresenceCalibration({"blood pool": LesionPresence(fixed(0.5), 0.5)})
    with pytest.raises(ValueError, match="between 0 and 1"):
        LesionPresence(fixed(0.5), 1.5)


def test_voxels_of_a_hidden_lesion_take_their_next_best_label() -> None:
    values = class_values(LGE_CLASSES)
    p = np.zeros((5, 1, 1, 3))
    p[:, 0, 0, 0] = (0.1, 0.0, 0.2, 0.3, 0.4)
    p[:, 0, 0, 1] = (0.1, 0.0, 0.3, 0.6, 0.0)
    p[:, 0, 0, 2] = (0.0, 0.9, 0.1, 0.0, 0.0)
    assert labels_without(p, (), values)[0, 0].tolist() == [4, 3, 1]
    assert labels_without(p, ("MVO",), values)[0, 0].tolist() == [3, 3, 1]
    assert labels_without(p, ("infarct", "MVO"), values)[0, 0].tolist() == [2, 2, 1]
    assert drawn_lesions(np.array([4, 1]), values) == {"infarct": True, "MVO": True}
    assert drawn_lesions(np.array([3, 1]), values) == {"infarct": True, "MVO": False}
    assert drawn_lesions(np.array([1]), class_values(CINE_CLASSES)) == {}


def test_the_expected_dice_of_a_lesion_counts_its_absence() -> None:
    one = StructureDice(CONSTANT, 0.1, WIDTH, "MVO")
    value, spread = one.expected({}, {"MVO": 0.4}, {"MVO": True})
    assert value == pytest.approx(0.4 * 0.8)
    assert spread == pytest.approx(math.sqrt(0.4 * 0.01 + 0.4 * 0.6 * 0.64))
    value, spread = one.expected({}, {"MVO": 0.4}, {"MVO": False})
    assert (value, spread) == pytest.approx((0.6, math.sqrt(0.24)))
    assert StructureDice(CONSTANT, 0.1, WIDTH).expected({}, {}, {}) == (0.8, 0.1)


def test_the_chance_of_a_low_mean_weighs_what_may_be_there() -> None:
    """Cavity 0.8 with sd 0.1 beside MVO: drawn or not, there or not."""
    fit = DiceCalibration(
        {
            "blood pool": StructureDice(CONSTANT, 0.1, WIDTH),
            "MVO": StructureDice(CONSTANT, 0.1, WIDTH, "MVO"),
        },
        WIDTH,
    )
    # not drawn: (0.8 + 1) / 2 if it is not there, (0.8 + 0) / 2 if it is; sd 0.05, so 0.6 is far from both
    assert fit.chance_below(0.6, {}, {"MVO": 0.3}, {"MVO": False}) == pytest.approx(0.3, abs=1e-4)
    assert fit.chance_below(0.9, {}, {"MVO": 0.3}, {"MVO": False}) == pytest.approx(0.3 + 0.7 * 0.5)
    # drawn and there: mean 0.8, sd 0.1 sqrt(2) / 2; drawn and not there: 0.4
    sure = 0.5 * math.erfc(0.1 / (0.1 / math.sqrt(2)) / math.sqrt(2))
    assert fit.chance_below(0.7, {}, {"MVO": 1.0}, {"MVO": True}) == pytest.approx(sure)
    assert fit.chance_below(0.7, {}, {"MVO": 0.5}, {"MVO": True}) == pytest.approx(0.5 * sure + 0.5)
    alone = DiceCalibration({"LV": StructureDice(CONSTANT, 0.1, WIDTH)}, WIDTH)
    assert alone.chance_below(0.8, {}, {}, {}) == pytest.approx(0.5)


def test_the_range_takes_conformal_quantiles_and_stays_a_dice() -> None:
    residuals = tuple(np.linspace(-1, 1, 39))
    found = DiceRange(0.1, 0.5, residuals).around("infarct", 0.5, 0.2)
    # ranks 2 and 38 of 39: -0.9474 and 0.9474 times the width 0.1 + 0.5 * 0.2
    assert (found.low, found.high) == pytest.approx((0.5 - 0.2 * 0.9474, 0.5 + 0.2 * 0.9474), abs=1e-4)
    assert DiceRange(1.0, 0.0, residuals).around("x", 0.9, 0.0) == PredictedDice("x", 0.9, 0.0, 1.0)
    with pytest.raises(ValueError, match="ascend"):
        DiceRange(0.1, 0.0, (1.0, -1.0))


def calibration() -> dict[str, object]:
    """Stored fits: infarct sure, MVO at 0.3, every structure 0.8 where it is there."""
    presence = PresenceCalibration(
        {"infarct": LesionPresence(fixed(0.95), 0.6), "MVO": LesionPresence(fixed(0.3), 0.6)}
    )
    names = {"blood pool": "", "healthy myocardium": "", "infarct": "infarct", "MVO": "MVO"}
    dice = DiceCalibration(
        {n: StructureDice(CONSTANT, 0.1, WIDTH, lesion) for n, lesion in names.items()}, WIDTH
    )
    risk = LinearModel(("predicted mean Dice",), (0.7,), (0.1,), (-2.0,), 0.0)
    verdict = VerdictCalibration(risk, 0.15, 0.5, 0.7)
    return {"presence": to_plain(presence), "predicted_dice": to_plain(dice), "verdict": to_plain(verdict)}


def test_an_assessment_from_stored_numbers() -> None:
    assessor = Assessor(calibration(), LGE_CLASSES)
    chances = assessor.probabilities({})
    found = assessor.assess({}, chances, {"infarct": True, "MVO": False})
    assert LOW_CHANCE not in assessor.fit("verdict").risk.features  # as in earlier fits
    mean = (0.8 + 0.8 + 0.95 * 0.8 + 0.7) / 4
    assert [one.structure for one in found.predicted_dice] == [
        "mean", "blood pool", "healthy myocardium", "infarct", "MVO",
    ]  # fmt: skip
    assert found.predicted_dice[0].value == pytest.approx(mean, abs=1e-4)
    assert found.verdict.risk == pytest.approx(expit(-2 * (mean - 0.7) / 0.1), abs=1e-3)
    assert found.verdict.word is Word.CHECK
    assert found.verdict.reason == "MVO may be missed, probability 0.30"
    assert found.lacking == ("likeness", "contour_bands")


def test_a_risk_may_be_a_curve_of_the_chance_of_a_low_mean() -> None:
    stored = calibration()
    risk = LinearModel((LOW_CHANCE,), (0.0,), (1.0,), (1.0,), 0.5)
    stored["verdict"] = to_plain(VerdictCalibration(risk, 0.15, 0.5, 0.7))
    assessor, drawn = Assessor(stored, LGE_CLASSES), {"infarct": True, "MVO": False}
    chance = assessor.fit("predicted_dice").chance_below(0.7, {}, assessor.probabilities({}), drawn)
    found = assessor.assess({}, assessor.probabilities({}), drawn)
    assert found.verdict.risk == pytest.approx(expit(logit(chance, 1e-4) + 0.5), abs=1e-4)


def test_without_fits_nothing_is_said_and_what_is_lacking_is_named() -> None:
    stored = calibration()
    lacking = ("presence", "predicted_dice", "verdict", "likeness", "contour_bands")
    assert Assessor({}, LGE_CLASSES).lacking == lacking
    assert Assessor({}, CINE_CLASSES).lacking == ("predicted_dice", "verdict", "likeness", "contour_bands")
    del stored["verdict"]
    found = Assessor(stored, LGE_CLASSES).assess(
        {}, {"infarct": 1.0, "MVO": 1.0}, {"infarct": True, "MVO": True}
    )
    assert found.verdict is None and found.lacking == ("verdict", "likeness", "contour_bands")
    assert len(found.predicted_dice) == 5


def test_damaged_fits_are_refused_with_what_is_wrong() -> None:
    stored = calibration()
    stored["verdict"]["trust_up_to"] = 0.9
    with pytest.raises(JsonMismatch, match=r"calibration\.verdict: .*trust <= redo"):
        decode_fit("verdict", stored["verdict"])
    with pytest.raises(ModelError, match="fit the bundle anew"):
        Assessor(stored, LGE_CLASSES)
    stored["presence"]["lesions"]["MVO"]["shown_from"] = "often"
    with pytest.raises(JsonMismatch, match="shown_from must be a number"):
        decode_fit("presence", stored["presence"])


def test_the_words_of_a_verdict() -> None:
    fit = VerdictCalibration(CONSTANT, 0.15, 0.5, 0.7)
    assert [fit.word(r) for r in (0.15, 0.16, 0.49, 0.5)] == [Word.TRUST, Word.CHECK, Word.CHECK, Word.REDO]
    assert Verdict(Word.CHECK, "apex unsure").as_text() == "Check: apex unsure"
    unlike = unlike_verdict(Likeness(("looks like cine",), 9.0), None)
    assert unlike == Verdict(Word.REDO, "unlike the training scans: looks like cine")
    trusted = Verdict(Word.TRUST, "fine", 0.1, 0.7)
    assert worst_of({"ED": trusted, "ES": dataclasses.replace(trusted, risk=0.2)}).reason == "ES: fine"
    assert worst_of({"ED": unlike, "ES": trusted}).word is Word.REDO
    assert worst_of({"ED": None, "ES": trusted}) is None
    odd, unsure = dataclasses.replace(unlike, word=Word.CHECK), dataclasses.replace(trusted, word=Word.CHECK)
    both = worst_of({"ED": odd, "ES": unsure})
    assert both is not None and both.reason.startswith("ED: "), "the headline says unlike; here is why"
    alone = worst_of({"ED": None, "ES": unlike})
    assert alone is not None and alone.word is Word.REDO and alone.reason.startswith("ES: ")
