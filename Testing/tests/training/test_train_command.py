"""`cardiacuq train` and `cardiacuq export` as a user calls them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from CardiacUQLib.base.duration import parse_duration
from CardiacUQLib.base.errors import ExitCode, UsageError
from CardiacUQLib.bundles.bundle import load_bundle
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.training.preparation import choose_folds


def train(output, data, recipe, *more: str) -> int:
    return main(
        [
            "train",
            "cascade",
            "--dataset",
            "emidec",
            "--data",
            str(data),
            "--recipe",
            str(recipe),
            "-o",
            str(output),
            *more,
        ]
    )


def test_from_images_to_a_bundle(tmp_path, emidec_like, tiny_recipe_file, capsys):
    run = tmp_path / "runs ä" / "one"
    assert train(run, emidec_like, tiny_recipe_file, "--device", "cpu") == ExitCode.DONE
    assert "fold 1 stage3d  epoch 3/3" in capsys.readouterr().out
    bundle_folder = tmp_path / "my-bundle"
    assert main(["export", str(run), "-o", str(bundle_folder)]) == ExitCode.DONE
    bundle = load_bundle(bundle_folder)
    assert bundle.manifest.folds == (0, 1)
    assert sorted(bundle.manifest.networks) == ["locator", "stage2d", "stage3d"]
    assert sorted(c for ids in bundle.manifest.held_out.values() for c in ids)[0] == "Case_N1"
    assert "Research use only" in bundle.model_card
    assert bundle.manifest.training["recipe"]["seed"] == 7
    assert bundle.manifest.training["input_statistics"]["slices"] == [3.6, 4.4]
    assert bundle.network("stage3d", 1).training is False
    assert main(["export", str(run), "-o", str(bundle_folder)]) == ExitCode.USAGE
    assert "exists already" in capsys.readouterr().err
    assert main(["export", str(run), "-o", str(tmp_path / "sharp"), "--sharpness", "2.5"]) == ExitCode.DONE
    sharp = load_bundle(tmp_path / "sharp")
    assert sharp.manifest.sharpness == {"stage2d": 2.5, "stage3d": 2.5} and not bundle.manifest.sharpness
    assert "stage2d x 2.5, stage3d x 2.5" in sharp.model_card


def test_only_finished_folds_are_exported(tmp_path, emidec_like, tiny_recipe_file, capsys):
    run = tmp_path / "run"
    assert train(run, emidec_like, tiny_recipe_file, "--folds", "1") == ExitCode.DONE
    assert main(["export", str(run), "-o", str(tmp_path / "bundle")]) == ExitCode.DONE
    assert load_bundle(tmp_path / "bundle").manifest.folds == (1,)
    assert list(json.loads((tmp_path / "bundle" / "manifest.json").read_text())["held_out"]) == ["1"]


@pytest.mark.parametrize("folder", ["nothing here", "."])
def test_export_of_what_is_no_run(tmp_path, capsys, folder):
    assert main(["export", str(tmp_path / folder), "-o", str(tmp_path / "bundle")]) == ExitCode.USAGE
    assert "is no training run" in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()


def test_an_unfinished_run_is_not_exported(tmp_path, emidec_like, tiny_recipe_file, capsys):
    run = tmp_path / "run"
    assert train(run, emidec_like, tiny_recipe_file, "--time-limit", "0s") == ExitCode.DONE
    assert "--resume" in capsys.readouterr().out
    assert main(["export", str(run), "-o", str(tmp_path / "bundle")]) == ExitCode.USAGE
    assert "no fold is finished" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.glob(".bundle*")) == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--recipe", "none"], "shipped recipes are"),
        (["--folds", "5"], "folds '5': this recipe has the folds 0 to 1"),
        (["--folds", "a"], "folds 'a' are no list of numbers"),
        (["--time-limit", "soon"], "--time-limit soon"),
        (["--data", "no folder"], "no such folder"),
        (["--dataset", "acdcc"], "no such data set"),
        (["--device", "gpu7"], "gpu7"),
    ],
)
def test_wrong_options_end_before_any_work(
    tmp_path, emidec_like, tiny_recipe_file, capsys, options, complaint
):
    assert train(tmp_path / "run", emidec_like, tiny_recipe_file, *options) == ExitCode.USAGE
    message = capsys.readouterr().err
    assert complaint in message
    assert message.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_ctrl_c_saves_and_resume_finishes(tmp_path, emidec_like, tiny_recipe_file):
    recipe = tiny_recipe_file.read_text().replace("epochs: 3", "epochs: 400")
    tiny_recipe_file.write_text(recipe)
    run = tmp_path / "run"
    options = [
        "train",
        "cascade",
        "--data",
        str(emidec_like),
        "--recipe",
        str(tiny_recipe_file),
        "-o",
        str(run),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "CardiacUQTraining.cli", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    while not (run / "fold0" / "stage2d" / "log.csv").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.CANCELLED
    assert "everything is saved" in out
    assert "Traceback" not in err
    assert (run / "fold0" / "stage2d" / "checkpoint.safetensors").exists()


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("9m", 540), ("1.5h", 5400), ("30", 30)])
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


def test_folds():
    assert choose_folds(None, 3) == [0, 1, 2]
    assert choose_folds("2,0", 3) == [0, 2]
    with pytest.raises(UsageError):
        choose_folds("3", 3)
