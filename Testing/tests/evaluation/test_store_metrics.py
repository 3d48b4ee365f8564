"""What an evaluation leaves in the bundle, and the models it takes: figures on the card, runs, limits."""

import dataclasses
import json
import shutil

import pytest
import torch

from CardiacUQLib.bundles.bundle import load_bundle
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.evaluation.lge.headline import _found
from CardiacUQTraining.evaluation.shared.agreement import SizeRecord
from CardiacUQTraining.evaluation.shared.stored_metrics import (
    check_unseen,
    command_without_places,
    section_title,
)
from CardiacUQTraining.training.checkpoint import save_weights
from CardiacUQTraining.training.recipe import RECIPE, read_recipe
from CardiacUQTraining.training.run import method_of
from CardiacUQTraining.training.run_folder import RunFolder


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Pictures are drawn, and looked at, by other tests."""
    monkeypatch.setattr("CardiacUQTraining.evaluation.lge.analysis.save_figures", lambda *arguments: [])
    monkeypatch.setattr(
        "CardiacUQTraining.evaluation.lge.analysis._bland_altman", lambda sizes, folder: folder
    )


@pytest.fixture
def own(bundle, tmp_path):
    """A copy of the tiny bundle that a test may change."""
    folder = tmp_path / "tiny"
    shutil.copytree(bundle.folder, folder)
    return load_bundle(folder)


def evaluate(model, out, *more):
    return main(["evaluate", "--model", str(model), "--dataset", "phantom", "-o", str(out), *more])


def test_figures_go_into_manifest_and_card(own, tmp_path):
    before = own.manifest
    arguments = ("--cross-validated", "--limit", "2", "--methods", "scs", "--store-metrics")
    assert evaluate(own.folder, tmp_path / "out", *arguments) == 0
    after = load_bundle(own.folder)
    section = after.manifest.metrics["LGE phantoms, cross-validated"]
    content = json.loads((tmp_path / "out" / "evaluation.json").read_text("utf-8"))
    mean = 100 * content["segmentation"]["cascade"]["mean_dice"]["mean"]
    assert section["mean Dice, cascade (2 cases, absent from both = 1)"].startswith(f"{mean:.1f} ± ")
    scs = content["uncertainty"]["scs_cascade"]["union"]
    expected = " / ".join(f"{scs[name]['mean']:.3f}" for name in ("auroc", "spearman", "pearson"))
    assert section["SCS (cascade), union region: AUROC / Spearman / Pearson"] == expected
    assert section["command"].startswith("cardiacuq ") and str(tmp_path) not in section["command"]
    assert f"| {mean:.1f} ± " in after.model_card and after.model_card.startswith("# tiny 0.0.1")
    assert dataclasses.replace(after.manifest, metrics=before.metrics) == before


def test_the_card_tells_how_often_a_lesion_is_missed():
    def record(reference: float, predicted: float) -> SizeRecord:
        sizes = ({"infarct_volume_ml": 5.0, "mvo_volume_ml": ml} for ml in (reference, predicted))
        return SizeRecord("x", *sizes, {})

    records = [record(2.0, 0.5), record(1.0, 0.0), record(0.0, 0.0), record(0.0, 3.0), record(0.0, 0.0)]
    assert _found(records) == {
        "Infarct shown at all": "in 5 of 5 cases that have it",
        "MVO shown at all": "in 1 of 2 cases that have it, in 1 of 3 that have not",
    }
    assert _found([]) == {}


def test_figures_of_training_cases_never_reach_the_card(own, tmp_path, capsys):
    assert evaluate(own.folder, tmp_path / "out", "--limit", "1", "--methods", "scs", "--store-metrics") == 2
    assert "1 cases, such as Phantom_1000, were training data" in capsys.readouterr().err
    assert load_bundle(own.folder).manifest == own.manifest
    check_unseen(())


def test_titles_and_commands_hold_everywhere():
    assert section_title("emidec", cross_validated=True) == "EMIDEC, cross-validated"
    assert section_title("myops", cross_validated=False) == "MyoPS 2020, external test"
    given = [
        "evaluate", "--model", "models/b1", "--data=/d", "-o", "/x y", "--methods", "all", "--every", "4",
    ]  # fmt: skip
    assert command_without_places(given) == [
        "evaluate", "--model", "b1", "--data=DIR", "-o", "OUT", "--methods", "all", "--every", "4",
    ]  # fmt: skip


@pytest.fixture
def training_run(tmp_path, phantoms):
    """A finished run of random networks: what training leaves, without its minutes."""
    plain = read_recipe("cascade-small").model_dump(mode="json")
    plain |= {"folds": 2, "locator": None, "phantoms": 0, "roi": {"size_px": 48, "spacing_mm": None}}
    for stage in ("stage2d", "stage3d"):
        plain[stage]["network"]["filters"] = [4, 8]
        plain[stage]["phantom_share"] = 0.0
        plain[stage]["loss"]["deep_supervision"] = [1.0]
    recipe = RECIPE.validate_python(plain)
    run = RunFolder(tmp_path / "my run")
    method = method_of(recipe)
    for fold in range(2):
        for stage in method.stages():
            torch.manual_seed(fold)
            save_weights(method.build(stage).state_dict(), run.final(fold, stage))
    ids = [case.id for case in phantoms]
    record = {"recipe": plain, "dataset": "phantom", "held_out": {"0": ids[:1], "1": ids[1:2]}}
    run.record.write_text(json.dumps(record | {"commit": "abc", "torch": "2"}), "utf-8")
    return run.path


def test_a_training_run_is_a_model(training_run, tmp_path, monkeypatch):
    arguments = ("--cross-validated", "--limit", "2", "--methods", "scs,entropy")
    assert evaluate(training_run, tmp_path / "out", *arguments) == 0
    assert "# my run on phantom" in (tmp_path / "out" / "evaluation.md").read_text("utf-8")
    kept = json.loads((tmp_path / "out" / "cases" / "Phantom_1001.json").read_text("utf-8"))
    assert kept["figures"]["folds"] == [1]
    monkeypatch.setattr("CardiacUQTraining.evaluation.lge.judge.judge_case", None)  # not called: all is kept
    assert evaluate(training_run, tmp_path / "out", *arguments) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my run", "out"]


def test_nothing_can_be_stored_in_a_training_run(training_run, tmp_path, capsys):
    assert evaluate(training_run, tmp_path / "out", "--store-metrics") == 2
    assert "is a training run; export it" in capsys.readouterr().err


def test_every_second_case(own, tmp_path):
    assert evaluate(own.folder, tmp_path, "--every", "2", "--limit", "2", "--methods", "scs", "-q") == 0
    assert sorted(path.stem for path in (tmp_path / "cases").glob("*.json")) == [
        "Phantom_1000",
        "Phantom_1002",
    ]
