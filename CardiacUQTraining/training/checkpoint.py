"""Everything a stage needs to go on exactly where it stopped, in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from CardiacUQLib.base.errors import ModelError
from CardiacUQLib.base.safe_files import replacing

from .optimisation import AveragedWeights


@dataclass(frozen=True)
class StageProgress:
    """How far a stage is: finished optimiser steps and the best validation Dice so far.

    ``loss_sum`` adds up the losses of ``loss_count`` steps of the epoch that is under way.
    """

    step: int = 0
    best_dice: float = -1.0
    finished: bool = False
    loss_sum: float = 0.0
    loss_count: int = 0


def save_weights(
    weights: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors so that ``path`` is either the old file or the whole new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {name: value.detach().to("cpu").contiguous().clone() for name, value in weights.items()}
    with replacing(path) as beside:
        save_file(plain, beside, metadata=dict(metadata or {}))


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file; :class:`ModelError` names a file that is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            return {name: file.get_tensor(name) for name in names}, dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{path}: not a readable checkpoint ({error}); delete it to train this stage anew"
        ) from None


def save_checkpoint(
    path: Path, network: nn.Module, average: AveragedWeights, optimiser: Optimizer, progress: StageProgress
) -> None:
    """Store weights, their average, the optimiser's tensors and the progress."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.weights.items()}
    for index, state in optimiser.state_dict()["state"].items():
        for key, value in state.items():
            if value is not None:
                tensors[f"optimiser.{index}.{key}"] = torch.as_tensor(value)
    save_weights(tensors, path, {"progress": json.dumps(asdict(progress))})


def load_checkpoint(
    path: Path, network: nn.Module, average: AveragedWeights, optimiser: Optimizer
) -> StageProgress:
    """Put a stored state back into the three objects and say how far it had come."""
    tensors, metadata = load_weights(path)
    try:
        progress = StageProgress(**json.loads(metadata["progress"]))
        network.load_state_dict(_part(tensors, "network."))
        stored = _part(tensors, "average.")
        average.weights = {name: stored[name].to(value.device) for name, value in average.weights.items()}
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        problem = str(error).splitlines()[0]
        raise ModelError(
            f"{path}: does not fit the recipe ({problem}); resume with the recipe it was begun with"
        ) from None
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimiser.").items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
    return progress


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
