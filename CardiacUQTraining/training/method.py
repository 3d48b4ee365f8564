"""What the cascade and the ensemble each bring to a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from CardiacUQLib.networks.spec import NetworkSpec

from ..datasets import LabelledDataset
from .crops import CropSet
from .loop import StageData
from .recipe import TrainingRecipe
from .run_folder import RunFolder


@dataclass(frozen=True)
class StageCrops:
    """The data set, and the phantoms if the stage mixes any in, cropped for one stage."""

    cases: CropSet
    phantoms: CropSet | None = None

    def split(self, held_out: Sequence[str]) -> tuple[list[int], list[int]]:
        """Case numbers for training and for validation."""
        validation = [n for n, case in enumerate(self.cases.ids) if case in held_out]
        return [n for n in range(len(self.cases.ids)) if n not in validation], validation


class Trainer(Protocol):
    """What one of the two methods brings to a run; the loop, the folds and resuming are shared."""

    def stages(self) -> Mapping[str, TrainingRecipe]:
        """Stages in the order in which they are trained."""
        ...

    def build(self, stage: str) -> nn.Module:
        """The untrained network of a stage."""
        ...

    def initialise(self, stage: str, network: nn.Module, fold: int, run: RunFolder) -> None:
        """Give the network of a stage a head start from stages that are finished."""
        ...

    def crops(self, stage: str, dataset: LabelledDataset, device: torch.device) -> StageCrops:
        """The data of a stage, shared by all folds."""
        ...

    def data(
        self, stage: str, fold: int, crops: StageCrops, held_out: Sequence[str], run: RunFolder
    ) -> StageData:
        """What the stage of one fold learns from."""
        ...

    def specs(self) -> Mapping[str, NetworkSpec]:
        """Networks of the bundle by their name in the manifest."""
        ...

    def weights(self, run: RunFolder, fold: int) -> Mapping[str, Mapping[str, torch.Tensor]]:
        """Finished weights of every network of the bundle."""
        ...

    @property
    def combination(self) -> str:
        """How the members of an ensemble are pooled, as the manifest names it; "" for a cascade."""
        ...

    def stage_networks(self, stage: str) -> Mapping[str, str]:
        """Networks of the bundle that a stage trains, each with the prefix of its weights there."""
        ...


class CropShelf:
    """The crops of every stage of a training, made when they are first asked for."""

    def __init__(self, method: Trainer, dataset: LabelledDataset, device: torch.device) -> None:
        self._method, self._dataset, self._device = method, dataset, device
        self._made: dict[str, StageCrops] = {}

    def of(self, stage: str) -> StageCrops:
        """The crops of a stage."""
        if stage not in self._made:
            self._made[stage] = self._method.crops(stage, self._dataset, self._device)
        return self._made[stage]
