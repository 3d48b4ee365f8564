"""The coarse stage that both methods share: a small 2D network that finds the heart in whole images."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.manifest import RoiSpec
from CardiacUQLib.networks.spec import NetworkSpec

from ..datasets import LabelledDataset
from .cascade_data import SliceData
from .crops import crop_cases
from .method import StageCrops
from .recipe import NetworkRecipe, RoiRecipe, StageRecipe

LOCATOR = "locator"
CLASSES = 2


def locator_spec(network: NetworkRecipe) -> NetworkSpec:
    """Heart against rest on single slices."""
    return NetworkSpec(network.architecture, 1, CLASSES, tuple(network.filters), network.dropout)


def locator_crops(
    roi: RoiRecipe, dataset: LabelledDataset, phantoms: LabelledDataset | None, device: torch.device
) -> StageCrops:
    """Whole images at the coarse pixel size; shifts in training stand for hearts off the centre."""
    if roi.locator_size_px is None or roi.locator_spacing_mm is None:
        raise UsageError("a locator stage needs roi.locator_size_px and roi.locator_spacing_mm in the recipe")
    spec = RoiSpec(roi.locator_size_px, roi.locator_spacing_mm)
    made = None if phantoms is None else crop_cases(phantoms.cases, spec, 0, device)
    return StageCrops(crop_cases(dataset.cases, spec, 0, device), made)


def locator_data(
    roi: RoiRecipe, recipe: StageRecipe, crops: StageCrops, training: Sequence[int], validation: Sequence[int]
) -> SliceData:
    """Slices whose label is heart or not."""
    size = roi.locator_size_px or 0
    return SliceData(crops.cases, crops.phantoms, training, validation, recipe, size, heart_only=True)
