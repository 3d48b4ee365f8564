"""The evaluation of a bundle on labelled cases: honest folds, resuming, broken cases, the written report."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from evaluation_bundle import write_bundle

from CardiacUQLib.base.errors import InputError, UsageError
from CardiacUQLib.bundles.bundle import load_bundle, write_manifest
from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.manifest import View
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.bundles.resident import ResidentBundle
from CardiacUQLib.images.reading import write_map
from CardiacUQLib.inference.calibration import Category, ErrorProbability, Feature, Term
from CardiacUQLib.inference.segment import segment
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.evaluation.assessment.gather import fits_key
from CardiacUQTraining.evaluation.lge.analysis import analyse
from CardiacUQTraining.evaluation.lge.calibrate import store
from CardiacUQTraining.evaluation.lge.judge import judge
from CardiacUQTraining.evaluation.lge.report import write_report
from CardiacUQTraining.evaluation.shared.cases import CaseStore, run_key
from CardiacUQTraining.evaluation.shared.methods import CasePasses, Method, StagePasses
from CardiacUQTraining.evaluation.shared.predict import (
    Computer,
    PassOptions,
    SeenInTrainingError,
    merge_classes,
    permitted_folds,
    predict,
)
from CardiacUQTraining.evaluation.shared.source import Source

FAST = (Method.SCS, Method.ENTROPY)


class TestPermittedFolds:
    def test_all_or_chosen_without_cross_validation(self, bundle):
        assert permitted_folds(bundle.manifest, "x", PassOptions()) == (0, 1)
        assert permitted_folds(bundle.manifest, "x", PassOptions(folds=(1,))) == (1,)

    def test_cross_validated_takes_the_fold_that_held_the_case_out(self, bundle, phantoms):
        options = PassOptions(cross_validated=True)
        assert [permitted_folds(bundle.manifest, case.id, options) for case in phantoms.cases[:3]] == [
            (0,),
            (1,),
            (0,),
        ]

    def test_refuses_its_own_training_fold_with_the_name_of_the_case(self, bundle, phantoms):
        with pytest.raises(SeenInTrainingError, match=r"Phantom_1000: .*training set of fold 1.*fold 0"):
            permitted_folds(bundle.manifest, phantoms.cases[0].id, PassOptions((1,), cross_validated=True))

    def test_refuses_where_it_cannot_know(self, bundle):
        options = PassOptions(cross_validated=True)
        with pytest.raises(SeenInTrainingError, match=r"stranger: no fold .* lists it"):
            permitted_folds(bundle.manifest, "stranger", options)
        silent = dataclasses.replace(bundle.manifest, held_out={})
        with pytest.raises(SeenInTrainingError, match=r"stranger: .*does not say"):
            permitted_folds(silent, "stranger", options)

    def test_refuses_a_fold_that_does_not_exist(self, bundle):
        with pytest.raises(UsageError, match="fold 7 is not in"):
            permitted_folds(bundle.manifest, "x", PassOptions(folds=(7,)))


class TestOneWay:
    """What is judged is what a user gets: labels and every map, also with a lesion that is dropped."""

    @pytest.fixture
    def dropping(self, bundle, tmp_path):
        """Other pixels than the image's, a fitted P(wrong), and limits that drop both lesions."""
        term = Term(Feature.LOG_ENTROPY, None, np.array([-9.0, 0.5]), np.array([[-3.0, 1.0]]))
        pair = Term(None, Category.LABEL_PAIR, np.empty(0), np.linspace(-2, 2, 25)[:, None])
        folder = tmp_path / "dropping"
        shutil.copytree(bundle.folder, folder)
        store(load_bundle(folder), ErrorProbability(5, 0.0, (term, pair)), {"dataset": "other"})
        own = load_bundle(folder).manifest
        limits = {"infarct": 1e4, "MVO": 1e4}
        roi = dataclasses.replace(own.roi, spacing_mm=1.3)
        write_manifest(dataclasses.replace(own, smallest_lesion_ml=limits, roi=roi), folder)
        return load_bundle(folder)

    def test_judged_as_segmented(self, dropping, phantoms, tmp_path):
        volume, _ = phantoms.cases[0].load()
        result = segment(volume, dropping, device="cpu", folds=(1,), precision="float32")
        assert any("was dropped" in warning for warning in result.run.warnings)
        assert not np.isin(result.segmentation, (3, 4)).any()
        found = predict(volume, dropping, (1,), PassOptions(), Computer("cpu", "float32"))
        region = found.region
        assert (region.undecided == 4).any() and not np.isin(region.labels, (3, 4)).any()
        np.testing.assert_array_equal(found.segmentation, result.segmentation)
        np.testing.assert_array_equal(found.opinion, result.opinion)
        assert set(found.maps) == set(result.maps) and MapName.ERROR_PROBABILITY in found.maps
        for name, values in result.maps.items():
            np.testing.assert_array_equal(found.maps[name], values)
        options = {"methods": FAST, "precision": "float32", "device": "cpu", "limit": 1}
        judged = judge(dropping, phantoms, tmp_path, PassOptions((1,)), **options)
        kept = judged.store.arrays("Phantom_1000")
        np.testing.assert_array_equal(kept.segmentation, region.labels)
        for name, values in kept.maps.items():
            np.testing.assert_array_equal(values, region.maps[name])
        voxel_ml = volume.geometry.voxel_volume_ml
        sizes = np.bincount(result.segmentation.ravel(), minlength=5) * voxel_ml
        np.testing.assert_allclose(judged.figures["Phantom_1000"].predicted_ml, sizes)


def test_merged_classes_lend_their_probability_to_the_other_one():
    p = np.array([0.1, 0.2, 0.1, 0.25, 0.35]).reshape(1, 5, 1, 1, 1)
    dropout = np.full((2, 5, 1, 1, 1), 0.2)
    passes = CasePasses(
        StagePasses(p, (0,), (View.IDENTITY,), dropout), StagePasses(p, (0,), (View.IDENTITY,))
    )
    merged = merge_classes(passes, {4: 3})
    np.testing.assert_allclose(merged.final.p.ravel(), [0.1, 0.2, 0.1, 0.6, 0.0])
    np.testing.assert_allclose(merged.stage2d.dropout[1].ravel(), [0.2, 0.2, 0.2, 0.4, 0.0])
    assert passes.final.p.argmax() == 4
    assert merge_classes(passes, {}) is passes


class TestJudge:
    def test_a_class_the_reader_does_not_tell_apart_is_judged_as_the_other(self, bundle, phantoms, tmp_path):
        """As with MyoPS, whose scars include their dark core; here with the classes tiny networks predict."""
        apart = phantoms.cases[0]
        found = []
        for case in (apart, dataclasses.replace(apart, merged={2: 1})):
            only = dataclasses.replace(phantoms, cases=(case,))
            judged = judge(bundle, only, tmp_path, PassOptions((0,)), methods=FAST)
            found.append(judged.store.arrays(case.id).undropped)
        assert (found[0] == 2).any() and not (found[1] == 2).any()
        assert (found[1][found[0] == 2] == 1).all()

    def test_scores_every_case_and_names_the_one_it_refuses(self, bundle, phantoms, tmp_path):
        lines = []
        judged = judge(
            bundle,
            phantoms,
            tmp_path,
            PassOptions(cross_validated=True),
            methods=FAST,
            on_failure=lines.append,
        )
        assert list(judged.figures) == [case.id for case in phantoms.cases[:3]]
        assert [one.folds for one in judged.figures.values()] == [(0,), (1,), (0,)]
        assert len(lines) == 1 and lines[0].startswith("Phantom_1003: no fold of 'tiny' lists it")
        one = judged.figures["Phantom_1000"]
        assert set(one.rows) == {"scs_cascade", "entropy_2d", "entropy_cascade"}
        assert 0 <= one.rows["scs_cascade"]["union"]["auroc"] <= 1
        assert one.segmentation["cascade"]["mean_dice"] == one.rows["scs_cascade"]["mean_dice"]

    def test_goes_on_where_it_stopped_without_predicting_again(self, bundle, phantoms, tmp_path, monkeypatch):
        options = PassOptions(cross_validated=True)
        first = judge(bundle, phantoms, tmp_path, options, methods=FAST, limit=2)

        def never(*args):
            raise AssertionError("a kept case was predicted again")

        monkeypatch.setattr(ResidentBundle, "network", never)
        again = judge(bundle, phantoms, tmp_path, options, methods=FAST, limit=2)
        assert again.figures == first.figures and not again.failures

    def test_other_options_or_changed_files_are_judged_anew(self, bundle, phantoms, tmp_path):
        judged = judge(bundle, phantoms, tmp_path, PassOptions((0,)), methods=FAST, limit=1)
        state = f";{fits_key(bundle)}"
        assert judged.store.load("Phantom_1000", state) is not None
        assert judged.store.load("Phantom_1000", "another file") is None
        other = judge(bundle, phantoms, tmp_path, PassOptions((1,)), methods=FAST, limit=1)
        assert other.store.key != judged.store.key
        assert judged.store.load("Phantom_1000", state) is None

    def test_a_damaged_cache_is_judged_anew(self, tmp_path):
        (tmp_path / "a.json").write_text("{ not json")
        assert CaseStore(tmp_path, "k").load("a") is None

    def test_broken_cases_are_named_and_the_others_go_on(self, bundle, phantoms, tmp_path):
        volume, labels = phantoms.cases[0].load()

        def unreadable():
            raise InputError("scan.nii.gz", "cannot be read", "expected an image")

        def broken():
            raise ValueError("array is sick")

        makers = {
            "unreadable": unreadable,
            "broken": broken,
            "other_shape": lambda: (volume, labels[:3]),
            "label_9": lambda: (volume, np.where(labels == 3, 9, labels).astype(np.uint8)),
            "good": lambda: (volume, labels),
        }
        cases = tuple(
            dataclasses.replace(phantoms.cases[0], id=name, maker=maker) for name, maker in makers.items()
        )
        judged = judge(
            bundle, dataclasses.replace(phantoms, cases=cases), tmp_path, PassOptions((0,)), methods=FAST
        )
        assert list(judged.figures) == ["good"]
        failures = judged.failures
        assert all(line.startswith(f"{name}: ") for name, line in failures.items())
        assert "cannot be read" in failures["unreadable"]
        assert "ValueError: array is sick" in failures["broken"]
        assert "has shape (3," in failures["other_shape"]
        assert "has label 9; allowed are 0 to 4" in failures["label_9"]

    def test_truth_outside_the_window_counts_as_missed(self, bundle, phantoms, tmp_path):
        volume, labels = phantoms.cases[0].load()
        moved = np.zeros_like(labels)
        moved[0, :3, :3] = 4
        case = dataclasses.replace(phantoms.cases[0], id="moved", maker=lambda: (volume, moved))
        judged = judge(
            bundle, dataclasses.replace(phantoms, cases=(case,)), tmp_path, PassOptions((0,)), methods=FAST
        )
        assert judged.figures["moved"].segmentation["cascade"]["dice_4"] == 0.0
        assert judged.store.arrays("moved").outside == (
            labels.size - 9 - judged.store.arrays("moved").truth.size,
            0,
            0,
            0,
            9,
        )

    def test_says_when_cases_were_trained_on(self, bundle, phantoms, tmp_path):
        judged = judge(bundle, phantoms, tmp_path, PassOptions(), methods=FAST)
        assert judged.trained_on == tuple(case.id for case in phantoms.cases[:3])
        page = write_report(judged, Source(bundle, phantoms, "cardiacuq evaluate", False), tmp_path)
        assert "3 of 4 cases were training data" in page.read_text("utf-8")

    def test_refuses_data_with_other_classes(self, bundle, phantoms, tmp_path):
        other = dataclasses.replace(phantoms, classes=phantoms.classes[:4])
        with pytest.raises(UsageError, match="choose data with the same classes"):
            judge(bundle, other, tmp_path, PassOptions())


class TestStoredCalibration:
    """A bundle with a fitted model: used on other data, left out where it would judge its own cases."""

    @pytest.fixture
    def calibrated(self, bundle, tmp_path):
        term = Term(Feature.LOG_ENTROPY, None, np.array([-9.0, 0.5]), np.array([[-3.0, 1.0]]))
        folder = tmp_path / "calibrated"
        shutil.copytree(bundle.folder, folder)
        store(load_bundle(folder), ErrorProbability(5, 0.0, (term,)), {"dataset": "other"})
        return load_bundle(folder)

    def test_row_and_map_are_those_of_inference(self, calibrated, phantoms, tmp_path):
        options = PassOptions((0,))
        judged = judge(calibrated, phantoms, tmp_path, options, methods=FAST, precision="float32", limit=1)
        arrays = judged.store.arrays("Phantom_1000")
        result = segment(
            phantoms.cases[0].load()[0], calibrated, device="cpu", folds=(0,), precision="float32"
        )
        window = np.s_[:, 104:152, 104:152]
        for name in (MapName.ERROR_PROBABILITY, MapName.SCS, MapName.ENTROPY_2D):
            np.testing.assert_allclose(arrays.maps[name], result.maps[name][window], atol=2e-5)
        np.testing.assert_array_equal(arrays.segmentation, result.segmentation[window])
        assert "ece" in judged.figures["Phantom_1000"].rows["error_probability_cascade"]["union"]
        analysis = analyse(judged, LGE_CLASSES, fit_calibration=False)
        assert analysis.model is None and set(analysis.error_probability) == {"Phantom_1000"}
        assert analysis.verdict is not None

    def test_left_out_under_cross_validation(self, calibrated, phantoms, tmp_path):
        judged = judge(
            calibrated, phantoms, tmp_path, PassOptions(cross_validated=True), methods=FAST, limit=1
        )
        assert "error_probability_cascade" not in judged.figures["Phantom_1000"].rows

    def test_storing_keeps_weights_and_keys_of_kept_cases(self, calibrated, bundle):
        assert calibrated.manifest.weights == bundle.manifest.weights
        assert calibrated.manifest.calibration["error_probability"]["fitted_on"] == {"dataset": "other"}
        assert run_key(calibrated.manifest, {}) == run_key(bundle.manifest, {})


class TestCommand:
    def test_whole_command_writes_page_tables_and_json(self, tmp_path, phantoms, capsys, monkeypatch):
        ids = [case.id for case in phantoms]
        folder = tmp_path / "bundle"
        write_bundle(folder, {0: tuple(ids[:2])}, folds=(0,))
        out = tmp_path / "out"
        arguments = ["evaluate", "--model", str(folder), "--dataset", "phantom", "-o", str(out)]
        code = main([*arguments, "--cross-validated", "--limit", "3", "--methods", "all"])
        assert code == 6  # the third case is refused, the others are judged
        assert "Phantom_1002: no fold" in capsys.readouterr().err
        assert {path.name for path in (out / "figures").iterdir()} == {
            "bland_altman.png",
            "boxplots.png",
            "reliability.png",
            "risk_coverage.png",
            "visits.png",
            "example_cases.png",
        }
        page = (out / "evaluation.md").read_text("utf-8")
        assert "| Cascade" not in page and "| SCS (cascade) |" in page and "0.85 ± 0.03" in page
        assert "not available: needs at least two models that did not see the case" in page
        content = json.loads((out / "evaluation.json").read_text("utf-8"))
        assert set(content["cases"]) == set(ids[:2])
        assert content["uncertainty"]["mc_dropout_2d"]["union"]["auroc"]["count"] == 2
        assert len((out / "segmentation.csv").read_text("utf-8").splitlines()) == 1 + 2 * 2

    def test_nothing_judged_is_an_error(self, tmp_path, bundle, capsys):
        arguments = ["evaluate", "--model", str(bundle.folder), "--dataset", "phantom", "-o", str(tmp_path)]
        assert main([*arguments, "--limit", "1", "--folds", "1", "--cross-validated"]) == 3
        err = capsys.readouterr().err
        assert "Phantom_1000: was in the training set of fold 1" in err and "no case could be judged" in err
        assert "Phantom_1000" in (tmp_path / "evaluation.md").read_text("utf-8")

    def test_a_case_without_its_label_is_named_and_the_others_go_on(self, tmp_path, bundle, phantoms, capsys):
        volume, labels = phantoms.cases[0].load()
        for name in ("Case_P001", "Case_P002"):
            for part, array in (("Images", volume.array), ("Contours", labels)):
                (tmp_path / "data" / name / part).mkdir(parents=True)
                write_map(array, volume, tmp_path / "data" / name / part / f"{name}.nii.gz")
        (tmp_path / "data" / "Case_P001" / "Contours" / "Case_P001.nii.gz").unlink()
        arguments = ["evaluate", "--model", str(bundle.folder), "--dataset", "emidec", "--methods", "scs"]
        out = tmp_path / "out"
        assert main([*arguments, "--data", str(tmp_path / "data"), "-o", str(out), "--folds", "0"]) == 6
        err = capsys.readouterr().err
        assert "Case_P001: " in err and "label file is missing" in err
        assert (out / "cases" / "Case_P002.json").is_file()

    def test_an_empty_folder_is_refused(self, tmp_path, bundle, capsys):
        (tmp_path / "empty").mkdir()
        arguments = ["evaluate", "--model", str(bundle.folder), "--data", str(tmp_path / "empty")]
        assert main([*arguments, "-o", str(tmp_path / "out")]) == 3
        assert "holds no EMIDEC case" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--methods", "magic"], "'magic' is unknown"),
            (["--dataset", "nothing"], "no such data set"),
            (["--dataset", "phantom", "--store-calibration"], "needs --cross-validated"),
            (["--dataset", "emidec", "--data", "/nowhere"], "no such folder"),
        ],
    )
    def test_usage_errors_are_one_line(self, bundle, tmp_path, capsys, arguments, message):
        code = main(["evaluate", "--model", str(bundle.folder), "-o", str(tmp_path), *arguments])
        err = capsys.readouterr().err.strip()
        assert code == 2 and message in err and "\n" not in err
