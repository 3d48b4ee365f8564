"""The evaluation of cine ensembles: end slices, frames, patients, weights, cost, comparisons, the command."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from cine_material import (
    GREY,
    SPACING,
    SPEC,
    film,
    heart_labels,
    lv_ml,
    write_band_bundle,
    write_film,
    write_stack,
)

from CardiacUQLib.base.errors import ExitCode, InputError, UsageError
from CardiacUQLib.bundles.manifest import View
from CardiacUQLib.bundles.resident import ResidentBundle
from CardiacUQLib.images.cine import read_cine
from CardiacUQLib.inference.segment import segment
from CardiacUQLib.networks import build_network
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.datasets import LabelledDataset, open_dataset
from CardiacUQTraining.evaluation.cine.compare_variants import compare_variants, read_evaluation
from CardiacUQTraining.evaluation.cine.cost import bundle_cost, network_cost
from CardiacUQTraining.evaluation.cine.end_slices import (
    countable,
    end_coefficient,
    end_dice,
    end_slices,
    good_ends,
)
from CardiacUQTraining.evaluation.cine.frames import SWEEP, predict_frame
from CardiacUQTraining.evaluation.cine.judge import judge_cine
from CardiacUQTraining.evaluation.cine.published import ACDC_ROWS
from CardiacUQTraining.evaluation.cine.summary import frame_keys, patients, size_agreements, weight_sweep
from CardiacUQTraining.evaluation.shared.dice import dice
from CardiacUQTraining.evaluation.shared.predict import Computer, PassOptions
from CardiacUQTraining.evaluation.shared.statistics import paired_wilcoxon

VALUES = (1, 2, 3)
BAD = {"borders": (0.9, 0.95, 0.99)}
"""A member that takes RV and myocardium for background and finds the LV alone."""


class TestEndSlices:
    def test_the_first_two_and_the_last_two_each_once(self):
        assert end_slices(10) == (0, 1, 8, 9)
        assert end_slices(3) == (0, 1, 2)
        assert end_slices(1) == (0,)

    def test_only_fully_annotated_slices_count(self):
        truth = np.zeros((6, 4, 4), np.uint8)
        truth[:, 0, :3] = VALUES
        truth[0, 0, 0] = 0  # no RV at the base
        truth[5] = 0
        assert countable(truth, VALUES) == (1, 4)

    def test_mean_over_slices_and_over_the_joined_mask(self):
        """Slice 0 right with 4 voxels per structure, slice 1 (one each) with its RV missed."""
        truth = np.zeros((2, 4, 4), np.uint8)
        truth[0, :3] = np.array(VALUES)[:, None]
        truth[1, 0, :3] = VALUES
        predicted = truth.copy()
        predicted[1, 0, 0] = 0
        assert end_dice(predicted, truth, VALUES) == pytest.approx((3 + 2) / 6)
        assert end_dice(predicted, truth, VALUES, together=True) == pytest.approx((8 / 9 + 1 + 1) / 3)

    def test_coefficient_leaves_frames_without_a_countable_slice_out(self):
        assert np.isnan(end_dice(np.ones((3, 2, 2)), np.zeros((3, 2, 2)), VALUES))
        ends = [0.8, 0.81, float("nan"), 0.2]
        np.testing.assert_array_equal(good_ends(ends), [0, 1, np.nan, 0])
        assert end_coefficient(ends) == pytest.approx(1 / 3)
        assert end_coefficient(ends, 0.1) == 1.0
        assert np.isnan(end_coefficient([float("nan")]))


def test_cost_is_that_of_the_convolutions_and_adds_up(tmp_path):
    """Each 3 x 3 convolution: 2 x 9 x in x out operations per pixel, at its own resolution."""
    fine, coarse = 16 * 16, 8 * 8
    flops = 18 * (1 * 2 + 2 * 2) * fine + 18 * (2 * 2 + 2 * 2) * coarse
    flops += 18 * (4 * 2 + 2 * 2) * fine + 2 * 2 * 4 * fine
    found = network_cost(SPEC, 16)
    assert found.flops == flops
    assert found.parameters == sum(p.numel() for p in build_network(SPEC).parameters())
    two = bundle_cost(write_band_bundle(tmp_path / "two", size_px=16).manifest)
    assert two["ensemble"].flops == 2 * flops == two["member0"].flops + two["member1"].flops


def write_patient(folder: Path, name: str, group: str, ed: float, es: float, *, drawn: float | None = None):
    """ED and ES in ACDC's layout; ``drawn`` is the LV radius of the reference at ES where it is another."""
    patient = folder / name
    patient.mkdir(parents=True)
    (patient / "Info.cfg").write_text(f"ED: 1\nES: 3\nGroup: {group}\nNbFrame: 3\n")
    for frame, radius, truth in ((1, ed, ed), (3, es, drawn or es)):
        stem = f"{name}_frame{frame:02d}"
        write_stack(patient / f"{stem}.nii.gz", (100 * GREY[heart_labels(radius)]).astype(np.float32))
        write_stack(patient / f"{stem}_gt.nii.gz", heart_labels(truth))


@pytest.fixture(scope="module")
def acdc(tmp_path_factory) -> Path:
    """Three patients; of the second the reference draws a smaller LV at ES than the image shows."""
    folder = tmp_path_factory.mktemp("acdc")
    write_patient(folder, "patient001", "NOR", 10, 6)
    write_patient(folder, "patient002", "DCM", 10, 8, drawn=4)
    write_patient(folder, "patient003", "DCM", 9, 5)
    return folder


@pytest.fixture(scope="module")
def dataset(acdc) -> LabelledDataset:
    return open_dataset("acdc", acdc)


HELD_OUT = {
    0: ("patient001_ED", "patient001_ES", "patient003_ED", "patient003_ES"),
    1: ("patient002_ED", "patient002_ES"),
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Two folds; the second member of the ensemble alone is bad, and sure of nothing."""
    members = (None, {**BAD, "steepness": 4.0})
    folder = tmp_path_factory.mktemp("models") / "bands"
    return write_band_bundle(folder, members=members, folds=(0, 1), held_out=HELD_OUT)


@pytest.fixture(scope="module")
def judged(bundle, dataset, tmp_path_factory):
    options = PassOptions(cross_validated=True, views=(View.IDENTITY,))
    return judge_cine(bundle, dataset, tmp_path_factory.mktemp("out"), options, device="cpu")


class TestJudge:
    def test_frames_are_predicted_as_in_segmentation(self, bundle, dataset):
        volume, _ = dataset.cases[0].load()
        result = segment(volume, bundle, device="cpu", precision="float32", folds=(1,))
        found = predict_frame(
            volume, ResidentBundle.of(bundle), (1,), PassOptions(), Computer("cpu", "float32")
        ).found
        np.testing.assert_array_equal(found.segmentation, result.segmentation)
        np.testing.assert_array_equal(found.opinion, result.opinion)
        assert set(found.maps) == set(result.maps)
        for name, values in result.maps.items():
            np.testing.assert_array_equal(found.maps[name], values)
        np.testing.assert_array_equal(found.pass_volumes_ml, result.pass_volumes_ml)

    def test_each_frame_by_the_fold_that_did_not_see_its_patient(self, judged):
        assert not judged.failures
        folds = {case: one.folds for case, one in judged.figures.items()}
        assert folds == {case: (fold,) for fold, cases in HELD_OUT.items() for case in cases}

    def test_dice_is_one_where_the_reference_is_the_image(self, judged):
        right = judged.figures["patient001_ES"].segmentation["ensemble"]
        assert right["mean_dice"] == right["end_dice"] == 1.0
        assert right["hausdorff_3"] == 0.0 and right["end_slices"] == 4
        wrong = judged.figures["patient002_ES"].segmentation["ensemble"]
        shown, drawn = heart_labels(8), heart_labels(4)
        expected = [dice(shown == value, drawn == value) for value in VALUES]
        assert [wrong[f"dice_{value}"] for value in VALUES] == pytest.approx(expected)
        assert wrong["mean_dice"] == pytest.approx(np.mean(expected)) == wrong["end_dice"]
        assert wrong["hausdorff_3"] == pytest.approx(4 * SPACING[0], abs=SPACING[0])

    def test_members_alone_and_every_pair_of_weights(self, judged, dataset):
        one = judged.figures["patient001_ED"]
        assert one.segmentation["member0"]["mean_dice"] == 1.0
        assert one.segmentation["member1"]["dice_1"] == one.segmentation["member1"]["dice_2"] == 0.0
        sweep = one.rows[SWEEP]
        assert sweep["1.0"] == one.segmentation["member0"]
        assert sweep["0.0"] == one.segmentation["member1"]
        points = weight_sweep(judged.figures, frame_keys(dataset, judged.figures), 0.8)
        assert [weight for weight, _, _ in points][::5] == [0.0, 0.5, 1.0]
        assert points[-1][2] == pytest.approx(5 / 6) and points[0][2] == 0.0

    def test_volumes_and_ejection_fraction_against_the_reader(self, judged, dataset, bundle):
        keys = frame_keys(dataset, judged.figures)
        records = patients(judged.figures, keys, bundle.manifest.classes)
        assert [record.case for record in records] == ["patient001", "patient002", "patient003"]
        ef = [100 * (1 - lv_ml(es) / lv_ml(ed)) for ed, es in ((10, 6), (10, 8), (9, 5))]
        assert [record.predicted["ef_percent"] for record in records] == pytest.approx(ef)
        error = ef[1] - 100 * (1 - lv_ml(4) / lv_ml(10))
        found = size_agreements(records)["ef_percent"]
        assert found.found.bias == pytest.approx(error / 3)
        assert found.found.mean_absolute_error == pytest.approx(abs(error) / 3)
        reader = [record.reference["ef_percent"] for record in records]
        assert found.pearson == pytest.approx(np.corrcoef(reader, ef)[0, 1])

    def test_goes_on_where_it_stopped_and_names_broken_frames(self, bundle, dataset, judged, monkeypatch):
        def broken():
            raise InputError("scan.nii.gz", "cannot be read", "expected an image")

        cases = (*dataset.cases, dataclasses.replace(dataset.cases[0], id="sick", maker=broken))
        monkeypatch.setattr(ResidentBundle, "network", None)
        again = judge_cine(
            bundle,
            dataclasses.replace(dataset, cases=cases),
            judged.store.folder.parent,
            PassOptions(cross_validated=True, views=(View.IDENTITY,)),
            device="cpu",
        )
        assert list(again.figures) == list(judged.figures)
        for case, one in judged.figures.items():
            assert again.figures[case].segmentation == one.segmentation
            assert again.figures[case].seconds == one.seconds, "kept, not computed again"
        assert list(again.failures) == ["sick"]

    def test_a_cascade_or_other_classes_are_refused(self, bundle, dataset, tiny_bundle, tmp_path):
        from CardiacUQLib.bundles.bundle import load_bundle

        with pytest.raises(UsageError, match="needs a cine bundle"):
            judge_cine(load_bundle(tiny_bundle), dataset, tmp_path, PassOptions())
        fewer = dataclasses.replace(dataset, classes=dataset.classes[:3])
        with pytest.raises(UsageError, match="choose data with the same classes"):
            judge_cine(bundle, fewer, tmp_path, PassOptions())


class TestCommand:
    def test_evaluates_writes_its_page_and_compares(self, acdc, bundle, tmp_path, capsys):
        bad = write_band_bundle(tmp_path / "poor", members=(BAD,), folds=(0, 1), held_out=HELD_OUT)
        common = ["--dataset", "acdc", "--data", str(acdc), "--cross-validated", "--device", "cpu"]
        poor, out = tmp_path / "poor-out", tmp_path / "out"
        assert main(["evaluate", "--model", str(bad.folder), *common, "-o", str(poor)]) == ExitCode.DONE
        arguments = ["evaluate", "--model", str(bundle.folder), *common, "-o", str(out), "--no-tta"]
        assert main([*arguments, "--against", str(poor)]) == ExitCode.DONE
        assert "6 frames judged" in capsys.readouterr().out
        page = (out / "evaluation.md").read_text("utf-8")
        assert "| 2 U-Nets, uncertainty | 92.29 | 92.11 | 89.04 | 95.73 | 81.00 |" in page
        assert "| DCM | 4 |" in page and "| NOR | 2 | 100.0 ± 0.0 |" in page
        assert "LV ejection fraction (%)" in page and "### Fixed weights" in page
        content = json.loads((out / "evaluation.json").read_text("utf-8"))
        assert content["segmentation"]["ED"]["ec"]["mean"] == 1.0
        assert content["segmentation"]["ES"]["ec"]["mean"] == pytest.approx(2 / 3)
        assert {path.name for path in (out / "figures").iterdir()} == {
            "cost.png",
            "end_slices.png",
            "sweep.png",
            "bland_altman.png",
        }
        assert (
            len((out / "frames.csv").read_text("utf-8").splitlines()) == 1 + 6 * 6
        )  # one part more: without base and apex
        assert len((out / "patients.csv").read_text("utf-8").splitlines()) == 1 + 3

        tests = compare_variants([out, poor], tmp_path / "again")
        both = next(test for test in tests if (test.figure, test.phase) == ("mean_dice", "all"))
        ours, theirs = (
            [
                np.mean([one.frames[f"patient00{n}_{phase}"]["mean_dice"] for phase in ("ED", "ES")])
                for n in (1, 2, 3)
            ]
            for one in map(read_evaluation, (out, poor))
        )
        assert (both.count, both.first_mean) == (3, pytest.approx(np.mean(ours)))
        assert both.p == pytest.approx(paired_wilcoxon(ours, theirs)) and both.p_holm >= both.p
        written = (out / "comparison" / "comparison.md").read_text("utf-8")
        assert "| 2 U-Nets, uncertainty |" in written and "| 1 U-Net |" in written
        ec = next(test for test in tests if (test.figure, test.phase) == ("ec", "all"))
        assert (ec.count, ec.first_mean, ec.second_mean) == (6, pytest.approx(5 / 6), 0.0)
        assert ec.p == pytest.approx(2 * 0.5**5), "five frames differ, all in one direction"

    def test_stricter_ends_and_what_cannot_be_compared(self, acdc, bundle, tmp_path, capsys):
        arguments = ["evaluate", "--model", str(bundle.folder), "--dataset", "acdc", "--data", str(acdc)]
        arguments += ["-o", str(tmp_path / "out"), "--limit", "1", "--device", "cpu", "--no-tta"]
        assert main([*arguments, "--ec-threshold", "1"]) == ExitCode.DONE
        content = json.loads((tmp_path / "out" / "evaluation.json").read_text("utf-8"))
        assert content["segmentation"]["all frames"]["ec"]["mean"] == 0.0
        assert "training data of the folds" in (tmp_path / "out" / "evaluation.md").read_text("utf-8")
        capsys.readouterr()
        assert main([*arguments, "--against", str(tmp_path)]) == ExitCode.INPUT
        assert "holds no evaluation, no bundle and no training run" in capsys.readouterr().err
        assert main([*arguments, "--store-calibration", "--cross-validated"]) == ExitCode.USAGE
        with pytest.raises(UsageError, match="at least two"):
            compare_variants([tmp_path / "out"], tmp_path / "none")

    def test_segment_takes_films_and_pairs_and_refuses_the_rest(self, bundle, tmp_path, capsys):
        source = write_film(tmp_path / "heart.nii.gz", film((10, 7, 5, 8)))
        model = ["--model", str(bundle.folder), "--device", "cpu", "--no-tta", "--folds", "0"]
        assert main(["segment", str(source), "-o", str(tmp_path / "out"), *model]) == ExitCode.DONE
        line = capsys.readouterr().out
        ef = 100 * (1 - lv_ml(5) / lv_ml(10))
        assert f"heart: EF {ef:.0f} %" in line and "ED is frame 0, ES is frame 2" in line
        cine = read_cine(source)
        for name, number in (("p1_frame01", 0), ("p1_frame09", 3)):
            write_stack(tmp_path / f"{name}.nii.gz", cine.stored[number])
        two = [str(tmp_path / f"p1_frame{n}.nii.gz") for n in ("01", "09")]
        command = ["segment", *two, "-o", str(tmp_path / "pair"), *model, "--phases"]
        assert main([*command, "ED,ES"]) == ExitCode.DONE
        assert (tmp_path / "pair" / "p1_cine.json").is_file()
        pairs = tmp_path / "folder"
        pairs.mkdir()
        for name, number in (("p2_ED", 0), ("p2_ES", 2)):
            write_stack(pairs / f"{name}.nii.gz", cine.stored[number])
        capsys.readouterr()
        for extra, message in (
            ([*command, "ES,ED", "--overwrite"], "smaller than the end-systolic one"),
            ([*command, "ED,EX"], "--phases names both phases"),
            ([*command, "ED,ES", "--workers", "2", "--overwrite"], "for many hearts give a CSV"),
            (["segment", two[0], "--es", "3", "-o", str(tmp_path / "x"), *model], "is none"),
            ([*command, "ED,ES", "--es", "3", "--overwrite"], "leave one out"),
            (["segment", str(pairs), "--ed", "0", "-o", str(tmp_path / "x"), *model], "is none"),
            (["segment", two[0], "--series", "1.2", "-o", str(tmp_path / "x"), *model], "is a file"),
        ):
            assert main(extra) == ExitCode.USAGE
            assert message in capsys.readouterr().err

    def test_films_and_frames_named_on_the_command_line_are_a_cohort_as_in_a_folder(
        self, bundle, tmp_path, capsys
    ):
        inputs = [write_film(tmp_path / f"{name}.nii.gz", film((10, 7, 5, 8))) for name in ("anna", "berta")]
        inputs.append(write_stack(tmp_path / "clara.nii.gz", film((9,))[0]))
        command = ["segment", *map(str, inputs), "-o", str(tmp_path / "out"), "--model", str(bundle.folder)]
        assert main([*command, "--device", "cpu", "--no-tta", "--folds", "0"]) == ExitCode.DONE
        told = capsys.readouterr().out
        ef = 100 * (1 - lv_ml(5) / lv_ml(10))
        assert f"anna: EF {ef:.0f} %" in told and f"berta: EF {ef:.0f} %" in told and "clara: LV vol" in told
        with (tmp_path / "out" / "cohort.csv").open(encoding="utf-8", newline="") as table:
            assert {row["case"] for row in csv.DictReader(table)} == {"anna", "berta", "clara"}

    def test_segment_refuses_a_film_for_late_enhancement(self, tiny_bundle, tmp_path, capsys):
        source = write_film(tmp_path / "heart.nii.gz", film((10, 7)))
        code = main(["segment", str(source), "-o", str(tmp_path / "out"), "--model", str(tiny_bundle)])
        assert code == ExitCode.INPUT and not (tmp_path / "out").exists()
        error = capsys.readouterr().err.strip()
        assert "is not made for cine; choose a cine bundle with --model" in error and "\n" not in error

    def test_demo_of_a_film_needs_its_bundle(self, tmp_path, capsys):
        code = main(["demo", "--cine", "-o", str(tmp_path / "demo"), "--model", "no-such-bundle"])
        assert code == ExitCode.MODEL and not (tmp_path / "demo").exists()
        assert "\n" not in capsys.readouterr().err.strip()


def test_published_rows_average_their_structures():
    """The printed mean is that of RV, MYO and LV, within the rounding of its source."""
    for row in ACDC_ROWS:
        assert row.mean == pytest.approx((row.rv + row.myo + row.lv) / 3, abs=0.035)
