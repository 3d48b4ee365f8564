"""The calibrated error probability: features by hand, the fit against scikit-learn, honesty, storage."""

import dataclasses
import json

import numpy as np
import pytest
from synthetic import CLASSES, case

from CardiacUQLib.base.errors import ModelError
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.inference.calibration import (
    FLOOR,
    Category,
    ErrorProbability,
    Feature,
    Term,
    available_features,
    border_distance,
    case_features,
    end_distance,
)
from CardiacUQTraining.evaluation.lge.calibrate import ROW, calibrate, verdict
from CardiacUQTraining.evaluation.shared import fit_calibration
from CardiacUQTraining.evaluation.shared.cases import CaseFigures, CaseStore
from CardiacUQTraining.evaluation.shared.discrimination import auroc
from CardiacUQTraining.evaluation.shared.judged import Judged
from CardiacUQTraining.evaluation.shared.methods import Method, Row, Stage
from CardiacUQTraining.evaluation.shared.scores import Truth, map_record, segmentation_scores


@pytest.fixture(scope="module")
def cases():
    return [case(seed) for seed in range(8)]


@pytest.fixture(scope="module")
def model(cases):
    return fit_calibration.fit([fit_calibration.sample_case(c, CLASSES, 0) for c in cases[:6]], CLASSES)


OF_CASCADES = tuple(feature for feature in Feature if feature is not Feature.LOG_INCONSISTENCY)


class TestFeatures:
    def test_border_distance_by_hand(self):
        labels = np.zeros((2, 5, 5), np.uint8)
        labels[0, :, 3:] = 2
        np.testing.assert_allclose(border_distance(labels)[0, 0], [3, 2, 1, 1, 2])
        assert (border_distance(labels)[1] == 8).all()  # a slice of one label has no border

    def test_end_distance_by_hand(self):
        labels = np.zeros((9, 2, 2), np.uint8)
        labels[1:8, 0, 0] = 1
        assert end_distance(labels).tolist() == [3, 0, 1, 2, 2, 2, 1, 0, 3]
        assert end_distance(labels * 0).tolist() == [3] * 9

    def test_logarithms_neighbours_and_label_pairs(self, cases):
        one = cases[0]
        features, categories = case_features(one.maps, one.segmentation, one.stage2d, CLASSES)
        entropy = one.maps[MapName.ENTROPY]
        np.testing.assert_allclose(features[Feature.LOG_ENTROPY], np.log(entropy + FLOOR), rtol=1e-5)
        np.testing.assert_allclose(
            np.exp(features[Feature.LOG_DOUBT]), 1 - one.maps[MapName.MAX_PROBABILITY] + FLOOR, atol=1e-6
        )
        next_to_1 = np.log((entropy[0] + entropy[2]) / 2 + FLOOR)
        np.testing.assert_allclose(features[Feature.NEXT_SLICES_ENTROPY][1], next_to_1, rtol=1e-5)
        np.testing.assert_allclose(
            features[Feature.NEXT_SLICES_ENTROPY][0], np.log(entropy[1] + FLOOR), rtol=1e-5
        )
        np.testing.assert_array_equal(categories[Category.LABEL_PAIR], one.stage2d * 5 + one.segmentation)
        assert set(OF_CASCADES) == set(features)

    def test_a_single_slice_is_its_own_neighbour(self, cases):
        one = cases[0]
        maps = {name: values[:1] for name, values in one.maps.items()}
        features, _ = case_features(maps, one.segmentation[:1], one.stage2d[:1], CLASSES)
        np.testing.assert_array_equal(features[Feature.NEXT_SLICES_ENTROPY], features[Feature.LOG_ENTROPY])

    def test_missing_maps_are_named(self, cases):
        maps = {name: values for name, values in cases[0].maps.items() if name is not MapName.SCS}
        with pytest.raises(ModelError, match="the maps scs are missing"):
            case_features(maps, cases[0].segmentation, cases[0].stage2d, CLASSES, [Feature.NEAR_SCS])

    def test_maps_decide_which_features_there_are(self, cases):
        one = cases[0]
        assert available_features(one.maps) == OF_CASCADES
        assert available_features([MapName.ENTROPY, MapName.UNCERTAINTY]) == (
            Feature.LOG_ENTROPY,
            Feature.LOG_INCONSISTENCY,
            Feature.NEAR_ENTROPY,
            Feature.WIDE_ENTROPY,
            Feature.NEXT_SLICES_ENTROPY,
            Feature.BORDER_DISTANCE,
        )


class TestModel:
    def test_hand_computed_logit(self):
        terms = (
            Term(Feature.LOG_SCS, None, np.array([0.0, 2.0]), np.array([[0.0, 1.0]])),
            Term(
                Feature.LOG_ENTROPY, Category.LABEL, np.array([0.0, 1.0]), np.array([[0.0, 0.0], [1.0, 3.0]])
            ),
            Term(None, Category.END_DISTANCE, np.empty(0), np.array([[0.5], [-0.5]])),
        )
        found = ErrorProbability(2, -1.0, terms).predict_features(
            {Feature.LOG_SCS: np.array([1.0, 9.0]), Feature.LOG_ENTROPY: np.array([0.5, 0.5])},
            {Category.LABEL: np.array([0, 1]), Category.END_DISTANCE: np.array([0, 1])},
        )
        # -1 + .5 + 0 + .5 = 0; -1 + 1 + 2 - .5 = 1.5
        np.testing.assert_allclose(found, [0.5, 1 / (1 + np.exp(-1.5))], rtol=1e-6)
        assert found.dtype == np.float32

    def test_manifest_round_trip_in_plain_json(self, model, cases):
        stored = json.loads(json.dumps(model.to_manifest()))
        again = ErrorProbability.from_manifest(stored)
        one = cases[7]
        np.testing.assert_allclose(
            again.predict(one.maps, one.segmentation, one.stage2d),
            model.predict(one.maps, one.segmentation, one.stage2d),
            atol=1e-5,
        )

    @pytest.mark.parametrize(
        "damage",
        [
            {"kind": "magic"},
            {"terms": [{"feature": "no such", "by": None, "knots": [0, 1], "values": [[0, 1]]}]},
            {"terms": [{"feature": "log_scs", "by": None, "knots": [0, 1], "values": [[0, 1, 2]]}]},
            {"terms": [{"feature": "log_scs", "by": None, "knots": [1, 0], "values": [[0, 1]]}]},
            {"terms": [{"feature": None, "by": None, "knots": [], "values": [[0]]}]},
            {"terms": 3},
        ],
    )
    def test_damaged_models_are_refused(self, model, damage):
        with pytest.raises(ModelError, match="calibration"):
            ErrorProbability.from_manifest(model.to_manifest() | damage)


class TestFit:
    def test_design_gives_the_logit_of_the_model(self, model, cases):
        sample = fit_calibration.sample_case(cases[6], CLASSES, 1)
        terms = fit_calibration.plan(CLASSES, OF_CASCADES)
        beta = np.concatenate([term.values.ravel() for term in model.terms])
        logit = model.intercept + fit_calibration.design_matrix(sample, terms) @ beta
        expected = model.predict_features(sample.features, sample.categories)
        np.testing.assert_allclose(1 / (1 + np.exp(-logit)), expected, atol=1e-5)

    def test_agrees_with_scikit_learn(self, cases):
        """Without smoothing the fit is a ridge logistic regression, which scikit-learn has as well."""
        from sklearn.linear_model import LogisticRegression

        sample = fit_calibration.sample_case(cases[0], CLASSES, 0)
        terms = fit_calibration.plan(CLASSES, OF_CASCADES)
        design = fit_calibration.design_matrix(sample, terms)
        penalty = np.eye(design.shape[1] + 1)
        penalty[0, 0] = 0
        start = np.zeros(design.shape[1] + 1)
        wrong = sample.wrong.astype(float)
        ours = fit_calibration._newton(design, wrong, sample.weight, penalty, start)
        theirs = LogisticRegression(solver="newton-cholesky").fit(design, wrong, sample.weight)
        ours_p = 1 / (1 + np.exp(-(ours[0] + design @ ours[1:])))
        np.testing.assert_allclose(ours_p, theirs.predict_proba(design)[:, 1], atol=2e-3)

    def test_thinning_keeps_the_weight_of_every_voxel(self, cases, monkeypatch):
        monkeypatch.setattr(fit_calibration, "MOST_CERTAIN", 100)
        sample = fit_calibration.sample_case(cases[0], CLASSES, 3)
        assert sample.weight.sum() == pytest.approx(cases[0].truth.size)
        assert sample.wrong.size < cases[0].truth.size

    def test_rightly_predicted_background_counts_a_twelfth(self, cases):
        sample = fit_calibration.sample_case(cases[0], CLASSES, 3)
        less = fit_calibration.fit_weight(sample) / sample.weight
        right_background = (sample.categories[Category.LABEL] == 0) & ~sample.wrong
        np.testing.assert_allclose(less, np.where(right_background, 1 / 12, 1.0))

    def test_calibrated_on_unseen_cases_and_better_than_every_map(self, model, cases):
        assert len(model.required_maps) == 9
        predicted, wrong, maps = [], [], {name: [] for name in model.required_maps}
        for one in cases[6:]:
            region = (one.segmentation > 0) | (one.truth > 0)
            predicted.append(model.predict(one.maps, one.segmentation, one.stage2d)[region])
            wrong.append((one.segmentation != one.truth)[region])
            for name in maps:
                sign = -1 if "max" in name.value else 1
                maps[name].append(sign * one.maps[name][region])
        predicted, wrong = np.concatenate(predicted), np.concatenate(wrong)
        found = auroc(predicted, wrong)
        assert found > 0.85
        assert all(found > auroc(np.concatenate(values), wrong) for values in maps.values())
        assert abs(predicted.mean() - wrong.mean()) < 0.1

    def test_an_ensemble_without_2d_stage_has_a_model_of_the_maps_it_writes(self, cases):
        written = [MapName.SCS, MapName.ENTROPY, MapName.VARIANCE, MapName.MAX_PROBABILITY]
        fewer = [
            dataclasses.replace(one, maps={name: one.maps[name] for name in written}) for one in cases[:5]
        ]
        model = fit_calibration.fit(
            [fit_calibration.sample_case(one, CLASSES, 0) for one in fewer[:4]], CLASSES
        )
        assert set(model.required_maps) == set(written)
        one, again = fewer[4], ErrorProbability.from_manifest(model.to_manifest())
        found = again.predict(one.maps, one.segmentation, one.stage2d)
        assert auroc(found, one.segmentation != one.truth) > auroc(
            one.maps[MapName.SCS], one.segmentation != one.truth
        )
        with pytest.raises(ModelError, match="the maps variance are missing"):
            again.predict({n: v for n, v in one.maps.items() if n is not MapName.VARIANCE}, *[one.truth] * 2)

    def test_needs_wrong_and_right_voxels(self, cases):
        perfect = dataclasses.replace(cases[0], truth=cases[0].segmentation)
        with pytest.raises(ValueError, match="wrong and right"):
            fit_calibration.fit([fit_calibration.sample_case(perfect, CLASSES, 0)], CLASSES)

    def test_patients_of_one_network_are_tested_together(self):
        folds = {"a": (0,), "b": (1,), "c": (0,), "d": (1,)}
        assert fit_calibration.patient_folds(list("abcd"), folds) == [["a", "c"], ["b", "d"]]
        same = dict.fromkeys("abcdef", (0, 1))
        assert fit_calibration.patient_folds(list("abcdef"), same) == [["a", "f"], ["b"], ["c"], ["d"], ["e"]]
        phases = {"a": "p", "b": "p", "c": "q", "d": "q"}
        dealt = fit_calibration.patient_folds(list("abcdef"), same, 2, phases)
        assert dealt == [["a", "b", "e"], ["c", "d", "f"]], "ED and ES of a patient never part"


def judged_of(cases, folder):
    store = CaseStore(folder, "key")
    figures = {}
    for number, one in enumerate(cases):
        name = f"case{number}"
        truth = Truth(one.truth, one.truth, one.spacing_xyz)
        scores = {
            stage.value: segmentation_scores(labels, truth, CLASSES)
            for stage, labels in ((Stage.SLICES, one.stage2d), (Stage.CASCADE, one.segmentation))
        }
        scs = map_record(one.maps[MapName.SCS], one.segmentation, one.truth, one.brier, is_probability=False)
        rows = {Row(Stage.CASCADE, Method.SCS).key: {"mean_dice": scores["cascade"]["mean_dice"]} | scs}
        figures[name] = CaseFigures(name, "P", (number % 2,), 0.1, scores, rows)
        store.save(figures[name], one)
    return Judged(figures, {}, store)


class TestCalibrate:
    def test_every_case_is_scored_by_a_model_that_did_not_see_it(self, cases, tmp_path, monkeypatch):
        judged = judged_of(cases[:4], tmp_path)
        seen = []
        real = fit_calibration.fit
        monkeypatch.setattr(
            "CardiacUQTraining.evaluation.shared.out_of_fold.fit",
            lambda samples, classes: (seen.append(len(samples)), real(samples, classes))[1],
        )
        found = calibrate(judged, CLASSES)
        assert seen == [2, 2, 4]  # two network folds of two patients each, then all
        first = judged.store.arrays("case0")
        own = fit_calibration.fit(
            [fit_calibration.sample_case(judged.store.arrays(f"case{n}"), CLASSES, n) for n in (1, 3)],
            CLASSES,
        ).predict(first.maps, first.segmentation, first.stage2d)
        np.testing.assert_allclose(found.maps["case0"], own, atol=1e-6)
        record = found.judged.figures["case0"].rows[ROW.key]
        assert record["union"]["ece"] >= 0 and "reliability" in record["crop"]
        decided = verdict(found.judged.figures)
        assert decided.wins == (decided.auroc > decided.best_auroc and decided.pearson > decided.best_pearson)
        assert decided.best_auroc_row == "SCS (cascade)" and len(decided.lines()) == 5

    def test_too_few_cases_or_no_errors_give_no_model(self, cases, tmp_path):
        assert calibrate(judged_of(cases[:3], tmp_path), CLASSES) is None
        perfect = [dataclasses.replace(c, truth=c.segmentation) for c in cases[:4]]
        assert calibrate(judged_of(perfect, tmp_path), CLASSES) is None
