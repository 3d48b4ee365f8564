"""Metric code against values worked out by hand and against the libraries that have the same metric."""

import numpy as np
import pytest

from CardiacUQTraining.evaluation.shared import dice, surface
from CardiacUQTraining.evaluation.shared.calibration_error import (
    Reliability,
    adaptive_calibration_error,
    reliability,
)
from CardiacUQTraining.evaluation.shared.discrimination import auroc, discriminate, pearson, spearman
from CardiacUQTraining.evaluation.shared.emidec_metrics import emidec_scores
from CardiacUQTraining.evaluation.shared.selective import risk_coverage


def blocks(shape, *boxes):
    labels = np.zeros(shape, np.uint8)
    for value, box in boxes:
        labels[box] = value
    return labels


class TestDice:
    def test_half_overlap(self):
        assert dice.dice(np.array([1, 1, 0, 0]), np.array([0, 1, 1, 0])) == 0.5

    def test_both_empty_is_one_and_one_empty_is_zero(self):
        assert dice.dice(np.zeros(3), np.zeros(3)) == 1.0
        assert dice.dice(np.ones(3), np.zeros(3)) == 0.0

    def test_shapes_must_agree(self):
        with pytest.raises(ValueError, match="differ in shape"):
            dice.dice(np.zeros(3), np.zeros(4))

    def test_mean_counts_absent_classes_as_one(self):
        truth, predicted = np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2])
        # class 1: 2*1/3, class 2: 2*1/3, classes 3 and 4 absent in both
        assert dice.mean_foreground_dice(predicted, truth, 5) == pytest.approx((2 / 3 + 2 / 3 + 2) / 4)

    def test_agrees_with_monai(self, rng):
        torch = pytest.importorskip("torch")
        from monai.metrics import compute_dice

        truth, predicted = rng.integers(0, 5, (2, 4, 12, 12))
        one_hot = [torch.tensor(np.stack([a == c for c in range(5)])[None]) for a in (predicted, truth)]
        theirs = compute_dice(*one_hot, include_background=False, ignore_empty=False).numpy()[0]
        ours = list(dice.dice_per_class(predicted, truth, range(1, 5)).values())
        np.testing.assert_allclose(ours, theirs, atol=1e-6)

    def test_pairwise(self):
        members = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0]])
        assert dice.mean_pairwise_dice(members, 2) == pytest.approx((1 + 0.5 + 0.5) / 3)
        with pytest.raises(ValueError, match="two members"):
            dice.mean_pairwise_dice(members[:1], 2)


class TestHausdorff:
    def test_shift_in_mm(self):
        a = blocks((3, 10, 10), (1, np.s_[1, 2:5, 2:5])) > 0
        b = blocks((3, 10, 10), (1, np.s_[1, 2:5, 5:8])) > 0
        c = blocks((3, 10, 10), (1, np.s_[2, 2:5, 2:5])) > 0
        assert surface.hausdorff_mm(a, b, (10.0, 1.5, 1.5)) == pytest.approx(4.5)
        assert surface.hausdorff_mm(a, c, (10.0, 1.5, 1.5)) == pytest.approx(10.0)

    def test_surface_leaves_the_inside_out(self):
        mask = np.ones((3, 3, 3), bool)
        assert surface.surface_voxels(mask).sum() == 26
        assert not surface.surface_voxels(mask)[1, 1, 1]

    def test_empty_masks(self):
        empty, full = np.zeros((2, 3, 3), bool), np.ones((2, 3, 3), bool)
        assert surface.hausdorff_mm(empty, empty, (1, 1, 1)) == 0
        assert np.isnan(surface.hausdorff_mm(empty, full, (1, 1, 1)))

    def test_agrees_with_monai(self, rng):
        torch = pytest.importorskip("torch")
        from monai.metrics import compute_hausdorff_distance

        a, b = (rng.random((2, 6, 16, 16)) > 0.9).astype(np.float32)
        theirs = compute_hausdorff_distance(
            torch.tensor(a)[None, None],
            torch.tensor(b)[None, None],
            include_background=True,
            spacing=[10.0, 1.4, 1.4],
        ).item()
        assert surface.hausdorff_mm(a, b, (10.0, 1.4, 1.4)) == pytest.approx(theirs, rel=1e-6)


class TestEmidec:
    def test_hand_computed(self):
        truth = blocks((1, 4, 10), (2, np.s_[0, 0, :]), (3, np.s_[0, 0, 4:8]), (4, np.s_[0, 0, 6:8]))
        predicted = blocks((1, 4, 10), (2, np.s_[0, 0, :9]), (3, np.s_[0, 0, 5:8]))
        scores = emidec_scores(predicted, truth, (2.0, 1.0, 5.0))  # 10 mm3 per voxel
        assert scores.myocardium_dice == pytest.approx(2 * 9 / 19)
        assert scores.myocardium_volume_difference == pytest.approx(10.0)
        assert scores.myocardium_hausdorff == pytest.approx(2.0)  # one voxel in x of 2 mm
        assert scores.infarct_dice == pytest.approx(2 * 3 / 7)
        assert scores.infarct_volume_difference == pytest.approx(10.0)
        assert scores.infarct_ratio_difference == pytest.approx(10.0)  # 10 of 100 mm3
        assert scores.no_reflow_dice == 0.0
        assert scores.no_reflow_volume_difference == pytest.approx(20.0)
        assert scores.no_reflow_ratio_difference == pytest.approx(20.0)

    def test_normal_case_scores_one_where_nothing_is_found(self):
        healthy = blocks((1, 4, 4), (2, np.s_[0, 1:3, :]))
        scores = emidec_scores(healthy, healthy, (1, 1, 1)).as_dict()
        assert [scores[k] for k in ("infarct_dice", "no_reflow_dice", "infarct_ratio_difference")] == [
            1,
            1,
            0,
        ]

    def test_no_true_myocardium_leaves_the_ratio_undefined(self):
        scores = emidec_scores(np.full((1, 2, 2), 3), np.zeros((1, 2, 2)), (1, 1, 1))
        assert np.isnan(scores.infarct_ratio_difference) and np.isnan(scores.myocardium_hausdorff)


class TestDiscrimination:
    def test_hand_computed_auroc_with_a_tie(self):
        # pairs (positive, negative): .8>.1, .8>.5, .5>.1, .5=.5 -> (3 + .5) / 4
        assert auroc(np.array([0.8, 0.5, 0.1, 0.5]), np.array([1, 1, 0, 0])) == pytest.approx(3.5 / 4)

    def test_hand_computed_pearson(self):
        assert pearson(np.array([1.0, 2.0, 3.0]), np.array([0, 0, 1])) == pytest.approx(np.sqrt(3) / 2)

    def test_joint_form_equals_the_libraries(self, rng):
        from scipy.stats import pearsonr, spearmanr
        from sklearn.metrics import roc_auc_score

        wrong = rng.random(3000) < 0.15
        score = np.round(rng.random(3000) + 0.5 * wrong, 2)
        ours = discriminate(score, wrong)
        assert ours.auroc == pytest.approx(roc_auc_score(wrong, score), abs=1e-9)
        assert ours.spearman == pytest.approx(spearmanr(score, wrong).statistic, abs=1e-9)
        assert ours.pearson == pytest.approx(pearsonr(score, wrong).statistic, abs=1e-9)
        assert ours.spearman == pytest.approx(spearman(score, wrong), abs=1e-12)
        assert ours.auroc == pytest.approx(auroc(score, wrong), abs=1e-12)

    def test_binary_error_ties_spearman_to_auroc(self, rng):
        wrong = rng.random(5000) < 0.11
        score = rng.random(5000) + 0.8 * wrong
        found, p = discriminate(score, wrong), wrong.mean()
        assert found.spearman == pytest.approx((2 * found.auroc - 1) * np.sqrt(3 * p * (1 - p)), abs=1e-6)

    def test_undefined_without_errors_or_with_a_flat_map(self):
        assert np.isnan(auroc(np.arange(3), np.zeros(3)))
        flat = discriminate(np.ones(4), np.array([0, 1, 0, 1]))
        assert flat.auroc == 0.5 and np.isnan(flat.pearson) and np.isnan(flat.spearman)
        assert np.isnan(discriminate(np.empty(0), np.empty(0)).auroc)


class TestCalibrationError:
    def test_hand_computed_ece(self):
        # bin [0, .5): mean .2, wrong 1/2 -> .3; bin [.5, 1]: mean .9, wrong 1 -> .1; equal weights
        probability, wrong = np.array([0.1, 0.3, 0.8, 1.0]), np.array([0, 1, 1, 1])
        assert reliability(probability, wrong, bins=2).ece == pytest.approx(0.2)

    def test_perfect_calibration_is_zero(self):
        assert reliability(np.full(10, 0.3), np.arange(10) < 3).ece == pytest.approx(0.0)

    def test_pooling_equals_one_big_case(self, rng):
        probability, wrong = rng.random(400), rng.random(400) < 0.3
        parts = reliability(probability[:150], wrong[:150]) + reliability(probability[150:], wrong[150:])
        assert parts.ece == pytest.approx(reliability(probability, wrong).ece)
        assert Reliability.from_dict(parts.as_dict()).ece == parts.ece

    def test_agrees_with_monai(self, rng):
        torch = pytest.importorskip("torch")
        from monai.metrics import CalibrationErrorMetric

        probability = rng.random((1, 1, 40, 40)).astype(np.float32)
        wrong = (rng.random(probability.shape) < probability**2).astype(np.float32)
        metric = CalibrationErrorMetric(num_bins=20)
        theirs = float(metric(torch.tensor(probability), torch.tensor(wrong)).mean())
        assert reliability(probability, wrong).ece == pytest.approx(theirs, abs=1e-6)

    def test_hand_computed_ace(self):
        # two bins of two samples: (.1, .2 | 0, 1) -> |.15 - .5|; (.4, .9 | 1, 1) -> |.65 - 1|
        probability, wrong = np.array([0.9, 0.2, 0.1, 0.4]), np.array([1, 1, 0, 1])
        assert adaptive_calibration_error(probability, wrong, bins=2) == pytest.approx(0.35)

    def test_ace_does_not_depend_on_the_order_of_ties(self, rng):
        probability, wrong = np.repeat([0.2, 0.7], 50), rng.random(100) < 0.4
        order = rng.permutation(100)
        assert adaptive_calibration_error(probability[order], wrong[order], 7) == pytest.approx(
            adaptive_calibration_error(probability, wrong, 7)
        )


class TestSelective:
    def test_hand_computed(self):
        curve = risk_coverage(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 1, 0, 1]))
        np.testing.assert_allclose(curve.risk, [0, 1 / 2, 1 / 3, 2 / 4])
        assert curve.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
        # oracle keeps the two right ones first: 0, 0, 1/3, 1/2
        assert curve.excess_aurc == pytest.approx((1 / 2) / 4)
        assert curve.ause == pytest.approx(1 / 8 / 0.5)
        # trapezoids under (0,0) (.25,0) (.5,.25) (.75,.25) (1,.5)
        assert curve.augrc == pytest.approx(0.25 * (0 + 0.125 + 0.25 + 0.375))

    def test_augrc_closed_form_with_ties(self, rng):
        wrong = rng.random(2000) < 0.2
        score = np.round(rng.random(2000) + 0.4 * wrong, 1)
        e = wrong.mean()
        expected = (1 - auroc(score, wrong)) * e * (1 - e) + e * e / 2
        assert risk_coverage(score, wrong).augrc == pytest.approx(expected, abs=1e-12)

    def test_perfect_order_has_no_excess(self, rng):
        error = rng.random(100)
        curve = risk_coverage(error, error)
        assert curve.excess_aurc == pytest.approx(0) and curve.ause == pytest.approx(0)

    def test_flat_map_has_constant_risk(self):
        curve = risk_coverage(np.zeros(4), np.array([0, 1, 0, 1]))
        np.testing.assert_allclose(curve.risk, 0.5)
        assert curve.augrc == pytest.approx(0.25)

    def test_no_error_leaves_ause_undefined_and_no_sample_is_refused(self):
        assert np.isnan(risk_coverage(np.arange(3), np.zeros(3)).ause)
        with pytest.raises(ValueError, match="at least one"):
            risk_coverage(np.empty(0), np.empty(0))


def test_the_mean_over_classes_that_are_there_does_not_count_what_both_leave_out():
    """One voxel of two classes each, one of them missed: 1, 0 and two absent ones give 0.75, or 0.5."""
    from CardiacUQLib.bundles.classes import LGE_CLASSES
    from CardiacUQTraining.evaluation.shared.dice import dice_by_name, means

    truth, found = np.array([[[1, 2]]]), np.array([[[1, 0]]])
    scores = dice_by_name(found, truth, LGE_CLASSES)
    assert means(scores, truth, LGE_CLASSES) == {"mean": 0.75, "mean of those there": 0.5}


def test_the_dice_of_a_class_over_the_cases_that_have_it():
    from CardiacUQTraining.evaluation.lge.summary import present_dice
    from CardiacUQTraining.evaluation.shared.cases import CaseFigures

    def case(dice: float, ml: float) -> CaseFigures:
        scores = {"2d": {"dice_1": 0.1}, "cascade": {"dice_1": dice}}
        return CaseFigures("c", "", (0,), 0.0, scores, {}, reference_ml=[9.0, ml])

    found = present_dice({"a": case(0.4, 3.0), "b": case(1.0, 0.0), "c": case(0.6, 1.0)}, [1, 2])
    assert found["cascade"][1].mean == pytest.approx(0.5) and found["cascade"][1].count == 2
    assert found["2d"][1].mean == pytest.approx(0.1) and 2 not in found["cascade"]
