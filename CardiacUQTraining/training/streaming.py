"""The cine ensemble as a training method: members trained jointly through one loss, or apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from CardiacUQLib.bundles.classes import CINE_CLASSES
from CardiacUQLib.bundles.manifest import RoiSpec
from CardiacUQLib.inference.combination import Combination, ensemble, mixture
from CardiacUQLib.inference.slice_context import with_neighbours
from CardiacUQLib.networks import build_network
from CardiacUQLib.networks.spec import NetworkSpec

from ..datasets import LabelledDataset
from .checkpoint import load_weights
from .crops import crop_cases
from .locator import LOCATOR, locator_crops, locator_data, locator_spec
from .loop import StageData
from .method import StageCrops
from .recipe import CropCentre, StageRecipe, StreamingRecipe, StreamingVariant, TrainingRecipe
from .run_folder import RunFolder
from .streaming_data import FrameData

ENSEMBLE = "ensemble"
MARGIN_PX = 16
MEMBERS = "members"


class JointEnsemble(nn.Module):
    """Members and their combination as one network over padded volumes (Streaming, eqs. (1) to (3))."""

    def __init__(
        self,
        members: Sequence[nn.Module],
        rule: Combination,
        numbers: Sequence[float] | None,
        final_softmax: bool = True,
        channels: int = 1,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.final_softmax = final_softmax
        self.members = nn.ModuleList(members)
        self.rule = rule
        self.numbers = numbers

    def forward(self, frames: Tensor, real: Tensor) -> Tensor:
        """Probabilities (N, C, z, y, x) of frames (N, z, y, x); ``real`` (N, z) marks unpadded slices.

        Padded slices are never shown to a member: batch norm would learn from them; as a neighbour they
        are zero, as beyond the end of a stack.
        """
        known = with_neighbours(frames * real[..., None, None], self.channels)
        slices = known[real].contiguous(memory_format=torch.channels_last)
        volumes = []
        for member in self.members:
            p = member(slices).float().softmax(dim=1)
            padded = p.new_zeros(*real.shape, *p.shape[1:])
            padded[real] = p
            volumes.append(padded.transpose(1, 2))
        stacked = torch.stack(volumes, dim=1)
        combined, weights = ensemble(stacked, self.rule, real, self.numbers)
        return combined if self.final_softmax else mixture(stacked, weights)


@dataclass(frozen=True)
class StreamingMethod:
    """See :class:`CardiacUQTraining.training.method.Method`."""

    recipe: StreamingRecipe

    def stages(self) -> Mapping[str, TrainingRecipe]:
        """The locator, then "ensemble" (joint) or one stage per member (apart)."""
        return self.recipe.stages()

    def specs(self) -> Mapping[str, NetworkSpec]:
        """member0, member1, ... and the locator."""
        members = {f"member{n}": self._member(n) for n in range(len(self.recipe.members))}
        return (
            members
            if self.recipe.locator is None
            else {LOCATOR: locator_spec(self._locator().network), **members}
        )

    @property
    def combination(self) -> str:
        """The rule for the manifest: members trained apart are pooled with fixed weights [paper]."""
        if self.recipe.variant in (StreamingVariant.UNCERTAINTY, StreamingVariant.AUGMENTING):
            rule, sharpness = self.recipe.variant.value, self.recipe.sharpness
            return rule if sharpness == 1 else f"{rule}:{sharpness:g}"
        weights = self.recipe.weights
        numbers = "" if weights is None else ":" + ",".join(f"{weight:g}" for weight in weights)
        return Combination.FIXED.value + numbers

    def build(self, stage: str) -> nn.Module:
        """The ensemble, a single member as an ensemble of one, or the locator."""
        if stage == LOCATOR:
            return build_network(locator_spec(self._locator().network))
        channels, softmax = self._channels, self.recipe.final_softmax
        if stage != ENSEMBLE:
            number = int(stage.removeprefix("member"))
            return JointEnsemble(
                [build_network(self._member(number))], Combination.FIXED, None, softmax, channels
            )
        rule = Combination(self.recipe.variant.value)
        members = [build_network(self._member(n)) for n in range(len(self.recipe.members))]
        sharpness = (self.recipe.sharpness,) if rule is Combination.UNCERTAINTY else None
        return JointEnsemble(members, rule, sharpness or self.recipe.weights, softmax, channels)

    def crops(self, stage: str, dataset: LabelledDataset, device: torch.device) -> StageCrops:
        """Whole images for the locator; for the members the ROI that inference will cut: around the
        labelled heart where a locator will look for it, else at the image centre."""
        roi = self.recipe.roi
        if stage == LOCATOR:
            return locator_crops(roi, dataset, None, device)
        spec = RoiSpec(roi.size_px, roi.spacing_mm)
        centre = CropCentre.IMAGE if self.recipe.locator is None else CropCentre.LABELS
        return StageCrops(crop_cases(dataset.cases, spec, MARGIN_PX, device, centre))

    def data(
        self, stage: str, fold: int, crops: StageCrops, held_out: Sequence[str], run: RunFolder
    ) -> StageData:
        """Whole frames; for bagging every member gets its own resampled cases."""
        training, validation = crops.split(held_out)
        recipe = self.stages()[stage]
        if stage == LOCATOR:
            return locator_data(self.recipe.roi, self._locator(), crops, training, validation)
        if self.recipe.variant is StreamingVariant.BAGGING:
            seed = (self.recipe.seed, fold, int(stage.removeprefix("member")))
            drawn = np.random.default_rng(seed).choice(training, len(training), replace=True)
            training = [int(case) for case in drawn]
        return FrameData(
            crops.cases, training, validation, recipe, self.recipe.roi.size_px, len(CINE_CLASSES)
        )

    def initialise(self, stage: str, network: nn.Module, fold: int, run: RunFolder) -> None:
        """Members begin with random weights; they must differ to disagree."""

    def weights(self, run: RunFolder, fold: int) -> Mapping[str, Mapping[str, Tensor]]:
        """Finished weights by network of the bundle."""
        found: dict[str, dict[str, Tensor]] = {}
        for stage in self.stages():
            tensors, _ = load_weights(run.final(fold, stage))
            if stage == LOCATOR:
                found[LOCATOR] = tensors
                continue
            for name, value in tensors.items():
                _, number, parameter = name.split(".", 2)
                member = f"member{number}" if stage == ENSEMBLE else stage
                found.setdefault(member, {})[parameter] = value
        return found

    def stage_networks(self, stage: str) -> Mapping[str, str]:
        """All members for "ensemble", which numbers them; one for a stage of its own."""
        if stage == LOCATOR:
            return {LOCATOR: ""}
        if stage != ENSEMBLE:
            return {stage: f"{MEMBERS}.0."}
        return {f"member{n}": f"{MEMBERS}.{n}." for n in range(len(self.recipe.members))}

    def _member(self, number: int) -> NetworkSpec:
        network = self.recipe.members[number]
        filters = tuple(network.filters)
        return NetworkSpec(network.architecture, self._channels, len(CINE_CLASSES), filters, network.dropout)

    @property
    def _channels(self) -> int:
        return 1 + 2 * self.recipe.context_slices

    def _locator(self) -> StageRecipe:
        if self.recipe.locator is None:
            raise ValueError("the recipe has no locator stage")
        return self.recipe.locator
