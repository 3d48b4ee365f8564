"""What a training costs on this machine: a few steps of every stage, measured in the loop that trains."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from .checkpoint import save_weights
from .loop import StageJob, StopRequest, train_stage
from .method import StageCrops, Trainer
from .ranks import Ranks
from .recipe import TrainingRecipe
from .run_folder import RunFolder

FEWEST_STEPS, MEASURED_SECONDS = 3, 4.0
OVERHEAD_SECONDS = 1.0
"""Building a network, its checkpoints and its last weights, per stage and fold."""
_NEVER = 1_000_000


@dataclass(frozen=True)
class StageCost:
    """One stage of one fold: optimiser steps of an epoch, seconds of a step and of a validation."""

    steps: int
    step_seconds: float
    validation_seconds: float
    parameters: int

    def seconds(self, recipe: TrainingRecipe) -> float:
        """One fold of the stage from start to end."""
        work = self.steps * recipe.epochs * self.step_seconds
        return work + validations(recipe) * self.validation_seconds + OVERHEAD_SECONDS


@dataclass(frozen=True)
class Costs:
    """All stages by name, and the largest memory in bytes while they were measured."""

    stages: Mapping[str, StageCost]
    memory: int

    def seconds(self, recipes: Mapping[str, TrainingRecipe], folds: int) -> float:
        """The whole training of so many folds."""
        return folds * sum(self.stages[name].seconds(recipe) for name, recipe in recipes.items())

    def as_json(self) -> dict[str, Any]:
        """For the record of a run."""
        return asdict(self)


def validations(recipe: TrainingRecipe) -> int:
    """How often a stage is validated: every so many epochs, and after the last."""
    return -(-recipe.epochs // recipe.validate_every)


def measure(
    fabric: Fabric, method: Trainer, crops: Mapping[str, StageCrops], held_out: Sequence[str], seed: int
) -> Costs:
    """Costs of every stage of one fold; a scratch folder takes its files and is removed."""
    with tempfile.TemporaryDirectory(prefix="cardiacuq-cost-") as scratch:
        run = RunFolder(Path(scratch))
        found = {
            name: _measure_stage(fabric, method, name, crops[name], held_out, run, seed)
            for name in method.stages()
        }
    return Costs(found, _largest_memory(fabric.device))


def _measure_stage(
    fabric: Fabric,
    method: Trainer,
    name: str,
    crops: StageCrops,
    held_out: Sequence[str],
    run: RunFolder,
    seed: int,
) -> StageCost:
    recipe = method.stages()[name]
    network = method.build(name)
    save_weights(network.state_dict(), run.final(0, name))  # the 3D stage asks for its 2D network
    network = network.to(fabric.device)
    data = method.data(name, 0, crops, held_out, run)
    endless = recipe.model_copy(update={"epochs": _NEVER, "validate_every": _NEVER})
    job = StageJob(name, 0, endless, run.stage(0, name), seed)
    clock = _Clock()
    train_stage(fabric, job, network, data, clock, lambda job, row: None)
    begun = time.monotonic()
    data.validate(network)
    validated = time.monotonic() - begun
    steps = max(1, len(data.epoch(job.generator(0))) // recipe.batch)
    return StageCost(steps, clock.step_seconds, validated, sum(p.numel() for p in network.parameters()))


class _Clock(StopRequest):
    """Lets the loop take a few steps and notes when each began; the first warms up and does not count."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[float] = []

    def agreed(self, ranks: Ranks) -> bool:
        """See :class:`StopRequest`."""
        self.begun.append(time.monotonic())
        enough = self.begun[-1] - self.begun[0] > MEASURED_SECONDS or len(self.begun) > 12
        return ranks.largest(int(len(self.begun) > FEWEST_STEPS and enough)) > 0

    @property
    def step_seconds(self) -> float:
        return (self.begun[-1] - self.begun[1]) / (len(self.begun) - 2)


def _largest_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return 0
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
