"""Training of the 2D-3D cascade: folds, stages, and what each run folder holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn

from CardiacUQLib.errors import UsageError
from CardiacUQLib.manifest import NetworkSpec, RoiSpec
from CardiacUQLib.networks import build_network

from .cascade_data import CLASSES, SliceData, StackData
from .checkpoint import load_weights
from .commit import project_commit
from .crops import CropSet, crop_cases, stratified_folds
from .datasets import LabelledDataset, open_dataset
from .loop import ReportEpoch, StageData, StageJob, StopRequest, train_stage
from .recipe import CascadeRecipe, StageRecipe

MARGIN_PX = 16
"""Room around the ROI for rotations and shifts."""
LOCATOR_MARGIN_PX = 0
STACK_CHANNELS = 3


@dataclass(frozen=True)
class RunFolder:
    """Layout of one training run on disk."""

    path: Path

    @property
    def record(self) -> Path:
        """Recipe, data set and folds of the run, written once at its start."""
        return self.path / "run.json"

    def stage(self, fold: int, name: str) -> Path:
        """Folder of one stage of one fold."""
        return self.path / f"fold{fold}" / name

    def final(self, fold: int, name: str) -> Path:
        """Weights of a finished stage."""
        return self.stage(fold, name) / "final.safetensors"


def network_spec(recipe: CascadeRecipe, name: str) -> NetworkSpec:
    """Specification of one of the run's networks as the bundle's manifest will hold it."""
    network = recipe.stages()[name].network
    channels = STACK_CHANNELS if name == "stage3d" else 1
    classes = 2 if name == "locator" else CLASSES
    return NetworkSpec(network.architecture, channels, classes, tuple(network.filters), network.dropout)


def begin_run(
    run: RunFolder, recipe: CascadeRecipe, dataset: LabelledDataset, *, resume: bool
) -> dict[int, tuple[str, ...]]:
    """Write or check the run's record; returns the held-out case ids of every fold.

    Raises :class:`UsageError` if the folder holds a run and ``resume`` is not asked for, or if the
    recipe or the data set changed since it was begun.
    """
    ids, groups = [c.id for c in dataset], [c.group for c in dataset]
    if len(ids) < recipe.folds:
        raise UsageError(
            f"{run.path}: {len(ids)} cases cannot be split into {recipe.folds} folds; use fewer folds"
        )
    folds = stratified_folds(ids, groups, recipe.folds, recipe.seed)
    record = {
        "recipe": recipe.model_dump(mode="json"),
        "dataset": dataset.name,
        "held_out": {str(fold): list(cases) for fold, cases in enumerate(folds)},
    }
    if run.record.exists():
        if not resume:
            raise UsageError(
                f"{run.path}: holds a training run already; add --resume or choose another folder"
            )
        begun = json.loads(run.record.read_text(encoding="utf-8"))
        if any(begun[key] != value for key, value in record.items()):
            raise UsageError(
                f"{run.record}: was begun with another recipe or other cases; choose another folder"
            )
    else:
        run.path.mkdir(parents=True, exist_ok=True)
        record |= {"commit": project_commit(), "torch": torch.__version__}
        run.record.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return dict(enumerate(folds))


def train_cascade(
    fabric: Fabric,
    run: RunFolder,
    recipe: CascadeRecipe,
    dataset: LabelledDataset,
    folds: Sequence[int],
    *,
    resume: bool,
    stop: StopRequest,
    report: ReportEpoch,
) -> bool:
    """Train all stages of the given folds; False if it was stopped before the end."""
    held_out = begin_run(run, recipe, dataset, resume=resume)
    for name in recipe.stages():
        waiting = [fold for fold in folds if not run.final(fold, name).exists()]
        if not waiting:
            continue
        crops, phantoms = _crops(recipe, name, dataset, fabric.device)
        for fold in waiting:
            stage = recipe.stages()[name]
            job = StageJob(name, fold, stage, run.stage(fold, name), recipe.seed)
            torch.manual_seed(recipe.seed * 1000 + fold)
            network = build_network(network_spec(recipe, name)).to(fabric.device)
            data = _data(run, recipe, name, fold, crops, phantoms, held_out[fold])
            if not train_stage(fabric, job, network, data, stop, report):
                return False
    return True


def _crops(
    recipe: CascadeRecipe, name: str, dataset: LabelledDataset, device: torch.device
) -> tuple[CropSet, CropSet | None]:
    """The data set, and the phantoms if the stage mixes any in, cropped for one stage."""
    roi, margin = RoiSpec(recipe.roi.size_px, recipe.roi.spacing_mm), MARGIN_PX
    if name == "locator":
        if recipe.roi.locator_size_px is None:
            raise UsageError(
                "the recipe has a locator stage but no roi.locator_size_px and roi.locator_spacing_mm"
            )
        roi, margin = RoiSpec(recipe.roi.locator_size_px, recipe.roi.locator_spacing_mm), LOCATOR_MARGIN_PX
    crops = crop_cases(dataset.cases, roi, margin, device)
    if recipe.phantoms == 0 or recipe.stages()[name].phantom_share == 0:
        return crops, None
    return crops, crop_cases(open_dataset("phantom", None, recipe.phantoms).cases, roi, margin, device)


def _data(
    run: RunFolder,
    recipe: CascadeRecipe,
    name: str,
    fold: int,
    crops: CropSet,
    phantoms: CropSet | None,
    held_out: tuple[str, ...],
) -> StageData:
    validation = [n for n, case in enumerate(crops.ids) if case in held_out]
    training = [n for n in range(len(crops.ids)) if n not in validation]
    stage: StageRecipe = recipe.stages()[name]
    if name == "stage3d":
        return StackData(
            crops,
            phantoms,
            training,
            validation,
            stage,
            recipe.roi.size_px,
            _finished_network(run, recipe, fold, "stage2d", crops.device),
            recipe.cascade_input,
        )
    size = recipe.roi.locator_size_px if name == "locator" else recipe.roi.size_px
    return SliceData(crops, phantoms, training, validation, stage, size, heart_only=name == "locator")


def _finished_network(
    run: RunFolder, recipe: CascadeRecipe, fold: int, name: str, device: torch.device
) -> nn.Module:
    network = build_network(network_spec(recipe, name))
    weights, _ = load_weights(run.final(fold, name))
    network.load_state_dict(weights)
    return network.to(device).eval()
