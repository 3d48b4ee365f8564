"""A run that begins with the weights of an earlier one."""

import json

import pytest
import torch
import yaml
from tiny_training import tiny_recipe

from CardiacUQLib.base.errors import ExitCode
from CardiacUQLib.bundles.bundle import load_bundle
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.training.checkpoint import load_weights
from CardiacUQTraining.training.run_folder import RunFolder
from CardiacUQTraining.training.warm_start import STARTED_FROM, origin_without_places


@pytest.fixture
def train(tmp_path, emidec_like):
    """Train fold 0 of a recipe into a folder; gives the exit code."""

    def call(folder: str, recipe: dict, *more: str) -> int:
        path = tmp_path / f"{folder}.yaml"
        path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
        where = ["--dataset", "emidec", "--data", str(emidec_like), "-o", str(tmp_path / folder)]
        options = [*where, "--recipe", str(path), "--folds", "0", "--device", "cpu", *more]
        return main(["train", "cascade", *options])

    return call


def second_course(learning_rate: float) -> dict:
    recipe = tiny_recipe()
    recipe["stage2d"] |= {"epochs": 1, "augmentation": {"flips": False}}
    recipe["stage3d"] |= {"epochs": 1}
    for name in ("stage2d", "stage3d"):
        recipe[name]["optimiser"] |= {"learning_rate": learning_rate, "weight_decay": 0.0}
    return recipe


def weights(folder, stage: str) -> dict[str, torch.Tensor]:
    return load_weights(RunFolder(folder).final(0, stage))[0]


def test_weights_come_over_and_a_stage_with_the_same_recipe_is_not_trained_again(tmp_path, train):
    earlier, later = tmp_path / "first", tmp_path / "second"
    assert train("first", tiny_recipe()) == 0
    assert train("second", second_course(1e-9), "--start-from", str(earlier)) == 0
    for stage in ("locator", "stage2d", "stage3d"):
        before = weights(earlier, stage)
        for name, value in weights(later, stage).items():
            if "running" not in name and "num_batches" not in name:
                torch.testing.assert_close(value, before[name], atol=1e-6, rtol=0)
    assert not (later / "fold0" / "locator" / "log.csv").exists()
    assert main(["export", str(later), "-o", str(tmp_path / "bundle")]) == 0
    bundle = load_bundle(tmp_path / "bundle")
    assert [view.value for view in bundle.manifest.views] == ["identity", "turned left", "turned right"]
    origin = bundle.manifest.training[STARTED_FROM]
    assert origin["recipe"]["title"] == "tiny" and "path" not in origin


def test_no_place_of_any_earlier_run_is_told():
    first = {"path": "one", "commit": "a"}
    found = origin_without_places({"path": "two", "commit": "b", STARTED_FROM: first})
    assert found == {"commit": "b", STARTED_FROM: {"commit": "a"}}


def test_learning_goes_on_from_there(tmp_path, train):
    assert train("first", tiny_recipe()) == 0
    assert train("second", second_course(0.01), "--start-from", str(tmp_path / "first")) == 0
    before, after = (weights(tmp_path / name, "stage2d") for name in ("first", "second"))
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_resumed_second_course_knows_where_it_began(tmp_path, train):
    assert train("first", tiny_recipe()) == 0
    start = ["--start-from", str(tmp_path / "first")]
    assert train("second", second_course(0.01), *start, "--time-limit", "0s") == 0
    assert train("second", second_course(0.01), "--resume") == 0
    assert RunFolder(tmp_path / "second").final(0, "stage3d").exists()


def test_a_stage_of_other_cases_is_trained_again_even_by_the_same_recipe(tmp_path, emidec_like, train):
    """Fine-tuning on other cases with the recipe of before must not end before it began."""
    assert train("first", tiny_recipe()) == 0
    record = tmp_path / "first" / "run.json"
    content = json.loads(record.read_text())
    content["dataset"], content["held_out"] = "elsewhere", {"0": ["a", "b"], "1": ["c"]}
    record.write_text(json.dumps(content))
    assert train("second", tiny_recipe(), "--start-from", str(tmp_path / "first")) == 0
    assert (tmp_path / "second" / "fold0" / "stage2d" / "log.csv").exists()


@pytest.fixture
def bundle(tmp_path, train):
    """Bundle of a finished first run."""
    assert train("first", tiny_recipe()) == 0
    assert main(["export", str(tmp_path / "first"), "-o", str(tmp_path / "shipped")]) == 0
    return tmp_path / "shipped"


def test_a_bundle_is_as_good_a_start_as_its_run(tmp_path, train, bundle):
    assert train("second", second_course(1e-9), "--start-from", str(bundle)) == 0
    for stage in ("locator", "stage2d", "stage3d"):
        before = weights(tmp_path / "first", stage)
        for name, value in weights(tmp_path / "second", stage).items():
            torch.testing.assert_close(value, before[name], atol=1e-3, rtol=1e-3)  # half precision
    assert not (tmp_path / "second" / "fold0" / "locator" / "log.csv").exists()
    origin = json.loads((tmp_path / "second" / "run.json").read_text())[STARTED_FROM]
    assert origin["bundle"].startswith("shipped ") and origin["dataset"] == "emidec"


def test_a_bundle_without_the_name_of_its_data_is_checked_by_its_cases(tmp_path, train, bundle, capsys):
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["training"]["dataset"]
    manifest["held_out"]["0"] = ["Case_N1"]
    manifest["held_out"]["1"] = ["Case_N2", "Case_P1", "Case_P2", "Case_P3", "Case_P4"]
    path.write_text(json.dumps(manifest))
    assert train("second", second_course(0.01), "--start-from", str(bundle)) == ExitCode.USAGE
    assert "which this run holds out" in capsys.readouterr().err


def test_the_licence_of_the_first_data_stays(tmp_path, train, bundle):
    path = bundle / "manifest.json"
    first = json.loads(path.read_text()) | {"licence": "ask first", "training_data": "scans of a friend"}
    first["training"]["dataset"] = "theirs"
    path.write_text(json.dumps(first))
    assert train("second", second_course(0.01), "--start-from", str(bundle)) == 0
    assert main(["export", str(tmp_path / "second"), "-o", str(tmp_path / "tuned bundle")]) == 0
    tuned = load_bundle(tmp_path / "tuned bundle").manifest
    assert tuned.licence == "CC BY-NC-SA 4.0, research only; ask first"
    assert tuned.training_data.startswith("EMIDEC (") and tuned.training_data.endswith("; scans of a friend")


def _a_cine_bundle(bundle):
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["training"]["recipe"] = {
        "kind": "streaming",
        "title": "cine",
        "members": [{"architecture": "streaming_unet", "filters": [2, 4]}],
        "training": manifest["training"]["recipe"]["stage2d"] | {},
    }
    del manifest["training"]["recipe"]["training"]["network"]
    path.write_text(json.dumps(manifest))


def _no_recipe(bundle):
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["training"]["recipe"]
    path.write_text(json.dumps(manifest))


def _no_manifest(bundle):
    (bundle / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (_a_cine_bundle, "is a streaming; a cascade recipe needs one of its own kind"),
        (_no_recipe, "does not tell its recipe"),
        (_no_manifest, "is neither a training run nor a bundle"),
    ],
)
def test_a_bundle_that_cannot_be_gone_on_from_is_refused_in_one_line(
    tmp_path, train, bundle, capsys, spoil, problem
):
    spoil(bundle)
    capsys.readouterr()
    assert train("second", second_course(0.01), "--start-from", str(bundle)) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert problem in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "second").exists()


def test_a_start_of_no_such_name_is_told_what_there_is(tmp_path, train, capsys):
    assert train("second", second_course(0.01), "--start-from", "no-such-model") == ExitCode.MODEL
    assert "there is no model of this name" in capsys.readouterr().err


def _other_folds(run):
    record = json.loads((run / "run.json").read_text())
    record["held_out"] = {"0": record["held_out"]["1"], "1": record["held_out"]["0"]}
    (run / "run.json").write_text(json.dumps(record))


def _unfinished(run):
    (run / "fold0" / "stage2d" / "final.safetensors").unlink()


def _no_locator(run):
    (run / "fold0" / "locator" / "final.safetensors").unlink()


def _nothing(run):
    pass


@pytest.mark.parametrize(
    ("spoil", "filters", "problem"),
    [
        (_other_folds, [2, 4, 4], "which this run holds out"),
        (_unfinished, [2, 4, 4], "stage2d of fold 0 is not finished"),
        (_no_locator, [2, 4, 4], "locator of fold 0 is not finished"),
        (_nothing, [2, 4, 8], "does not fit the recipe"),
    ],
)
def test_a_start_that_cannot_be_is_refused_in_one_line(tmp_path, train, capsys, spoil, filters, problem):
    assert train("first", tiny_recipe()) == 0
    spoil(tmp_path / "first")
    recipe = second_course(0.01)
    recipe["stage2d"]["network"]["filters"] = filters
    capsys.readouterr()
    assert train("second", recipe, "--start-from", str(tmp_path / "first")) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert problem in error and len(error.strip().splitlines()) == 1
