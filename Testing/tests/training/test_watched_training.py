"""A training one can watch: told before it begins, seen while it runs, resumed without a word."""

from __future__ import annotations

import base64
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from tiny_training import tiny_recipe

from CardiacUQLib.base.errors import ExitCode
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.cli.train_watch import Watch, Words
from CardiacUQTraining.datasets import LabelledCase, open_dataset
from CardiacUQTraining.datasets.held import read_once
from CardiacUQTraining.training.asked import Asked
from CardiacUQTraining.training.cost import Costs, StageCost
from CardiacUQTraining.training.loop import StageJob
from CardiacUQTraining.training.page import render_run_page
from CardiacUQTraining.training.recipe import CascadeRecipe
from CardiacUQTraining.training.run_folder import RunFolder


@pytest.fixture
def command(emidec_like: Path, tiny_recipe_file: Path) -> list[str]:
    return [
        "train",
        "cascade",
        "--data",
        str(emidec_like),
        "--recipe",
        str(tiny_recipe_file),
        "--device",
        "cpu",
    ]


def test_a_dry_run_tells_everything_and_writes_nothing(command, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    assert main([*command, "-o", str(tmp_path / "run"), "--folds", "1", "--dry-run"]) == ExitCode.DONE
    told = capsys.readouterr().out
    assert "cases     6 for training in the groups N, P" in told
    assert "classes   blood pool in 6, healthy myocardium in 6, infarct in 4, MVO in 4" in told
    assert "folds     1 of 2, which hold out 3 cases" in told
    assert re.search(r"stage2d +3 epochs x 6 steps, \d+ ms a step, 0\.0\d M weights; batches of 2", told)
    assert re.search(r"memory    about \d+\.\d GiB\ntime      about \d+ s for 1 fold on this machine", told)
    assert "Nothing was trained or written." in told
    assert sorted(tmp_path.rglob("*")) == before


def test_resume_needs_nothing_else(command, tmp_path, monkeypatch, capsys, tiny_recipe_file):
    run = tmp_path / "run"
    assert main([*command, "-o", str(run), "--folds", "1", "--time-limit", "0s"]) == ExitCode.DONE
    assert f"go on with: cardiacuq train -o {run} --resume" in capsys.readouterr().out
    tiny_recipe_file.write_text("kind: nothing any more")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["train", "-o", str(run), "--resume", "--quiet"]) == ExitCode.DONE
    assert capsys.readouterr().out == ""
    assert RunFolder(run).final(1, "stage3d").exists() and not RunFolder(run).final(0, "stage3d").exists()
    assert main(["train", "-o", str(tmp_path / "none"), "--resume"]) == ExitCode.USAGE
    assert "is no training run" in capsys.readouterr().err
    assert main(["train", "-o", str(tmp_path / "none")]) == ExitCode.USAGE
    assert "cascade or streaming?" in capsys.readouterr().err


def test_the_recorded_command_is_the_one_that_was_given(command, tmp_path, capsys):
    run = tmp_path / "my run"
    assert main([*command, "-o", str(run), "--folds", "0", "--fast"]) == ExitCode.DONE
    record = RunFolder(run).read_record()
    words = shlex.split(record["command"])
    assert words[0] == "cardiacuq" and set(command) <= set(words) and words[-2:] == ["-o", str(run)]
    assert "--fast" in words and f"command   {record['command']}" in capsys.readouterr().out
    assert record["recipe"]["stage2d"]["augmentation"]["flips"] is False, "--fast learns without augmentation"
    assert Asked.from_json(record["asked"] | {"of a later version": 1}).fast


def test_fast_trains_one_fold_and_the_page_shows_it(command, tmp_path):
    run = RunFolder(tmp_path / "run")
    assert main([*command, "-o", str(run.path), "--fast", "-q"]) == ExitCode.DONE
    assert run.final(0, "stage3d").exists() and not run.stage(1, "stage2d").exists()
    page = (run.path / "run.html").read_text("utf-8")
    assert 'class="state finished"' in page and "cardiacuq export RUN -o BUNDLE" in page
    assert page.count('<td class="done">finished') == 3 and "http" not in page
    picture = re.search(r"data:image/png;base64,([\w+/=]+)", page)
    assert picture and base64.b64decode(picture[1]) == (run.path / "curves.png").read_bytes()
    assert (run.path / "curves.png").read_bytes().startswith(b"\x89PNG")
    (run.final(0, "stage3d")).unlink()
    (run.stage(0, "stage3d") / "log.csv").unlink()
    again = render_run_page(run, "stopped", None)
    assert '<td class="waiting">waiting' in again and "cardiacuq train -o RUN --resume" in again


def test_the_output_is_checked_before_anything_is_read(command, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(LabelledCase, "load", lambda case: pytest.fail("a case was read"))
    (tmp_path / "file").write_text("")
    assert main([*command, "-o", str(tmp_path / "file" / "run")]) == ExitCode.USAGE
    assert "is a file" in capsys.readouterr().err
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    assert main([*command, "-o", str(tmp_path / "run")]) == ExitCode.USAGE
    assert "holds a training run already" in capsys.readouterr().err
    assert main([*command, "-o", str(tmp_path / "new"), "--start-from", "nobody"]) != ExitCode.DONE
    assert "nobody: there is no model of this name" in capsys.readouterr().err


def test_every_case_is_read_once(command, tmp_path, monkeypatch):
    read: list[str] = []
    from CardiacUQTraining.datasets import case as module

    original = module.read_volume
    monkeypatch.setattr(module, "read_volume", lambda path: read.append(path.name) or original(path))
    assert main([*command, "-o", str(tmp_path / "run"), "--folds", "0", "-q"]) == ExitCode.DONE
    assert len(read) == len(set(read)) == 6


def test_what_does_not_fit_into_memory_is_read_again(emidec_like):
    dataset = open_dataset("emidec", emidec_like)
    held = read_once(dataset, pytest.fail, most_bytes=0)
    assert [case.maker for case in held] == [None] * 6
    assert all(case.maker is not None for case in read_once(dataset, pytest.fail))


def costs(seconds: float) -> Costs:
    return Costs({name: StageCost(10, seconds, 0.0, 1) for name in ("locator", "stage2d", "stage3d")}, 0)


def test_the_time_left_is_what_is_not_done_at_the_speed_that_is_seen(tmp_path, monkeypatch):
    """Three stages of 3 epochs of 10 steps at 1 s and 1 s of overhead: 31 s each, 93 s in all."""
    from CardiacUQTraining.cli import train_watch

    now = [100.0]
    monkeypatch.setattr(train_watch.time, "monotonic", lambda: now[0])
    recipe = CascadeRecipe.model_validate(tiny_recipe())
    watch = Watch(RunFolder(tmp_path), recipe.stages(), [0], costs(1.0), Words(quiet=True))
    assert watch.seconds_left() is None
    job = StageJob("stage2d", 0, recipe.stage2d, tmp_path, 0)
    watch.tick(job, 0, 30)
    assert watch.seconds_left() == pytest.approx(93.0)
    now[0] += 62.0  # half as fast as measured
    watch.tick(job, 30, 30)
    assert watch.seconds_left() == pytest.approx(2 * 62.0)


def test_the_record_names_what_was_left_out_and_what_was_fitted(command, tmp_path, emidec_like, capsys):
    next(emidec_like.glob("Case_P4/Contours/*")).write_bytes(b"broken")
    run = tmp_path / "run"
    assert main([*command, "-o", str(run), "--fast", "--hours", "0.01"]) == ExitCode.DONE
    record = json.loads((run / "run.json").read_text())
    assert len(record["left_out"]) == 1 and record["left_out"][0].startswith("Case_P4: left out: ")
    assert "Case_P4: left out: " in capsys.readouterr().err
    assert any(line.startswith("patch: ") for line in record["planned"])
    assert any(line.startswith("epochs: ") for line in record["planned"])
    page = (run / "run.html").read_text("utf-8")
    assert "Fitted to the data and the time:" in page and "Case_P4" in page
    recipe = yaml.safe_load(yaml.safe_dump(record["recipe"]))
    assert recipe["crop_centre"] == "labels"
