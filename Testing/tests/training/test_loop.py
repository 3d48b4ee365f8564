"""The loop: stopping and resuming changes nothing, and a run folder is never mixed up."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from tiny_training import tiny_recipe

from CardiacUQLib.base.errors import ModelError, UsageError
from CardiacUQTraining.datasets import open_dataset
from CardiacUQTraining.training import checkpoint
from CardiacUQTraining.training.checkpoint import StageProgress, load_weights
from CardiacUQTraining.training.loop import StageJob, StopRequest, _finish
from CardiacUQTraining.training.optimisation import AveragedWeights
from CardiacUQTraining.training.recipe import CascadeRecipe, StageRecipe, read_recipe
from CardiacUQTraining.training.run import train_run
from CardiacUQTraining.training.run_folder import RunFolder


class StopAfter(StopRequest):
    """Asks for a stop at the n-th time the loop looks."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def __bool__(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def run(folder: Path, data: Path, stop: StopRequest, *, resume: bool = False, recipe=None) -> bool:
    return train_run(
        Fabric(accelerator="cpu", devices=1),
        RunFolder(folder),
        recipe or CascadeRecipe.model_validate(tiny_recipe()),
        open_dataset("emidec", data),
        [0],
        resume=resume,
        stop=stop,
        report=lambda job, row: None,
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    result = {}
    for stage in ("locator", "stage2d", "stage3d"):
        tensors, _ = load_weights(RunFolder(folder).final(0, stage))
        result |= {f"{stage}.{name}": value for name, value in tensors.items()}
    return result


def test_an_interrupted_training_ends_like_an_uninterrupted_one(tmp_path, emidec_like):
    assert run(tmp_path / "whole", emidec_like, StopRequest())
    pieces = 0
    while not run(tmp_path / "pieces", emidec_like, StopAfter(2), resume=pieces > 0):
        pieces += 1
        assert pieces < 40
    assert pieces > 5
    whole, joined = weights(tmp_path / "whole"), weights(tmp_path / "pieces")
    assert whole.keys() == joined.keys()
    assert all(torch.equal(whole[name], joined[name]) for name in whole)
    for stage in ("locator", "stage2d", "stage3d"):
        rows = [
            list(csv.DictReader((tmp_path / run / "fold0" / stage / "log.csv").read_text().splitlines()))
            for run in ("whole", "pieces")
        ]
        assert [int(row["epoch"]) for row in rows[1]] == [1, 2, 3]
        assert [row["loss"] for row in rows[0]] == [row["loss"] for row in rows[1]]


def test_another_seed_gives_other_weights(tmp_path, emidec_like):
    assert run(tmp_path / "a", emidec_like, StopRequest())
    other = CascadeRecipe.model_validate(tiny_recipe() | {"seed": 8})
    assert run(tmp_path / "b", emidec_like, StopRequest(), recipe=other)
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert not all(torch.equal(a[name], b[name]) for name in a)


def test_training_lowers_the_loss(tmp_path, emidec_like):
    values = tiny_recipe()
    values["stage2d"] |= {"epochs": 15}
    values["locator"], values["stage3d"]["epochs"] = None, 1
    run(tmp_path / "run", emidec_like, StopRequest(), recipe=CascadeRecipe.model_validate(values))
    log = (tmp_path / "run" / "fold0" / "stage2d" / "log.csv").read_text()
    losses = [float(row["loss"]) for row in csv.DictReader(log.splitlines())]
    assert losses[-1] < 0.8 * losses[0]


def test_a_passed_deadline_stops_at_once_with_everything_saved(tmp_path, emidec_like):
    assert not run(tmp_path / "run", emidec_like, StopRequest(deadline=time.monotonic() - 1))
    assert (tmp_path / "run" / "fold0" / "stage2d" / "checkpoint.safetensors").exists()
    assert run(tmp_path / "run", emidec_like, StopRequest(), resume=True)


def test_a_second_run_into_the_folder_needs_resume(tmp_path, emidec_like):
    run(tmp_path / "run", emidec_like, StopAfter(1))
    with pytest.raises(UsageError, match="add --resume"):
        run(tmp_path / "run", emidec_like, StopRequest())


def test_another_recipe_cannot_resume(tmp_path, emidec_like):
    run(tmp_path / "run", emidec_like, StopAfter(1))
    other = CascadeRecipe.model_validate(tiny_recipe() | {"seed": 8})
    with pytest.raises(UsageError, match="another recipe"):
        run(tmp_path / "run", emidec_like, StopRequest(), resume=True, recipe=other)


@pytest.mark.parametrize("damage", [b"", b"not safetensors", None])
def test_a_damaged_checkpoint_is_named(tmp_path, emidec_like, damage):
    run(tmp_path / "run", emidec_like, StopAfter(2))
    path = tmp_path / "run" / "fold0" / "stage2d" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-50] if damage is None else damage)
    with pytest.raises(ModelError, match=r"checkpoint\.safetensors"):
        run(tmp_path / "run", emidec_like, StopRequest(), resume=True)


@pytest.mark.parametrize("text", ["", "[]", "{", "{}"])
def test_a_damaged_record_is_named(tmp_path, emidec_like, text):
    run(tmp_path / "run", emidec_like, StopAfter(0))
    (tmp_path / "run" / "run.json").write_text(text)
    with pytest.raises(UsageError, match=r"run\.json"):
        run(tmp_path / "run", emidec_like, StopRequest(), resume=True)


def test_damaged_best_weights_never_become_the_final_ones(tmp_path):
    values = tiny_recipe()["stage2d"] | {"keep": "best"}
    job = StageJob("stage2d", 0, StageRecipe.model_validate(values), tmp_path, 1)
    (tmp_path / "best.safetensors").write_bytes(b"half")
    with pytest.raises(ModelError, match=r"best\.safetensors"):
        _finish(job, AveragedWeights(torch.nn.Linear(2, 2), 0.9), StageProgress())
    assert not job.final.exists()


def test_a_checkpoint_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(tensors, path, metadata):
        Path(path).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save_weights({"a": torch.zeros(2)}, tmp_path / "final.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_every_case_is_held_out_once_and_groups_are_spread(tmp_path, emidec_like):
    run(tmp_path / "run", emidec_like, StopAfter(0))
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    held_out = sorted(case for fold in record["held_out"].values() for case in fold)
    assert held_out == [f"Case_{n}" for n in ("N1", "N2", "P1", "P2", "P3", "P4")]
    assert all(sum("_N" in case for case in fold) == 1 for fold in record["held_out"].values())


def test_too_few_cases_for_the_folds(tmp_path, emidec_like):
    with pytest.raises(UsageError, match="use fewer folds"):
        run(
            tmp_path / "run",
            emidec_like,
            StopRequest(),
            recipe=CascadeRecipe.model_validate(tiny_recipe() | {"folds": 7}),
        )


def test_shipped_recipes_share_the_stage_names():
    assert list(read_recipe("cascade-paper").stages()) == ["stage2d", "stage3d"]
    assert list(read_recipe("cascade-small").stages()) == ["stage2d", "stage3d", "locator"]
