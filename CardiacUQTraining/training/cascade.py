"""The 2D-3D cascade as a training method: an optional locator, the 2D stage, then the 3D stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.manifest import RoiSpec
from CardiacUQLib.networks import build_network
from CardiacUQLib.networks.spec import NetworkSpec
from CardiacUQLib.networks.unet2d import UNet2D
from CardiacUQLib.networks.unet3d import UNet3D

from ..datasets import LabelledDataset, open_dataset
from ..datasets.held import read_once
from .cascade_data import CLASSES, SliceData, StackData
from .checkpoint import load_weights
from .crops import crop_cases
from .inflation import inflate
from .locator import LOCATOR, locator_crops, locator_data, locator_spec
from .loop import StageData
from .method import StageCrops
from .recipe import CascadeRecipe, StageRecipe
from .run_folder import RunFolder

MARGIN_PX = 16
"""Room around the ROI for rotations and shifts."""
STACK_CHANNELS = 3


@dataclass(frozen=True)
class CascadeMethod:
    """See :class:`CardiacUQTraining.training.method.Method`."""

    recipe: CascadeRecipe

    def stages(self) -> Mapping[str, StageRecipe]:
        """Locator (if the recipe has one), stage2d, stage3d."""
        return self.recipe.stages()

    def specs(self) -> Mapping[str, NetworkSpec]:
        """One network per stage."""
        return {name: self._spec(name) for name in self.stages()}

    def build(self, stage: str) -> nn.Module:
        """The untrained network of a stage."""
        return build_network(self._spec(stage))

    def crops(self, stage: str, dataset: LabelledDataset, device: torch.device) -> StageCrops:
        """Whole images for the locator, the ROI with a margin for the others."""
        phantoms = None
        if self.recipe.phantoms and self.stages()[stage].phantom_share > 0:
            phantoms = self._phantoms
        if stage == LOCATOR:
            return locator_crops(self.recipe.roi, dataset, phantoms, device)
        roi, place = RoiSpec(self.recipe.roi.size_px, self.recipe.roi.spacing_mm), self.recipe.crop_centre
        cases = crop_cases(dataset.cases, roi, MARGIN_PX, device, place)
        made = None if phantoms is None else crop_cases(phantoms.cases, roi, MARGIN_PX, device, place)
        return StageCrops(cases, made)

    @cached_property
    def _phantoms(self) -> LabelledDataset:
        """Made once for all stages."""
        return read_once(open_dataset("phantom", None, self.recipe.phantoms), lambda line: None)

    def data(
        self, stage: str, fold: int, crops: StageCrops, held_out: Sequence[str], run: RunFolder
    ) -> StageData:
        """Slices for the 2D networks, stacks with the finished 2D network's masks for the 3D one."""
        training, validation = crops.split(held_out)
        recipe = self.stages()[stage]
        if stage == LOCATOR:
            return locator_data(self.recipe.roi, recipe, crops, training, validation)
        shared = (crops.cases, crops.phantoms, training, validation, recipe, self.recipe.roi.size_px)
        context = self.recipe.context_slices
        if stage == "stage2d":
            return SliceData(*shared, context=context)
        slice_network = self._slice_network(run, fold).to(crops.cases.device)
        return StackData(*shared, slice_network, self.recipe.cascade_input, context)

    def initialise(self, stage: str, network: nn.Module, fold: int, run: RunFolder) -> None:
        """The 3D network begins with what the 2D network of its fold has learned."""
        if stage == "stage3d" and self.recipe.inflate:
            flat = self._slice_network(run, fold)
            if not isinstance(flat, UNet2D) or not isinstance(network, UNet3D):
                raise UsageError("inflate is for unet2d and unet3d; leave it out of the recipe")
            inflate(flat, network)

    def _slice_network(self, run: RunFolder, fold: int) -> nn.Module:
        return run.load_final(fold, "stage2d", self.build("stage2d"))

    def weights(self, run: RunFolder, fold: int) -> Mapping[str, Mapping[str, torch.Tensor]]:
        """Finished weights by network."""
        return {name: load_weights(run.final(fold, name))[0] for name in self.stages()}

    @property
    def combination(self) -> str:
        """A cascade has two stages, no members."""
        return ""

    def stage_networks(self, stage: str) -> Mapping[str, str]:
        """Every stage trains the network of its name."""
        return {stage: ""}

    def _spec(self, stage: str) -> NetworkSpec:
        network = self.stages()[stage].network
        if stage == LOCATOR:
            return locator_spec(network)
        channels = STACK_CHANNELS if stage == "stage3d" else 1 + 2 * self.recipe.context_slices
        return NetworkSpec(network.architecture, channels, CLASSES, tuple(network.filters), network.dropout)
