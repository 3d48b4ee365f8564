"""From what was asked to what will be trained: recipe, cases, folds, crops and what it will cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lightning_fabric import Fabric

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.fold_numbers import parse_folds

from ..datasets import LabelledDataset
from .asked import Asked
from .cost import Costs, measure
from .crops import stratified_folds
from .locator import LOCATOR
from .method import CropShelf
from .planner import (
    AnyRecipe,
    Plan,
    fit_batches,
    fit_to_data,
    fit_to_hours,
    heart_facts,
    with_coarser_pixels,
)
from .ranks import Ranks
from .recipe import unaugmented
from .run import method_of

FAST_FOLDS = (0,)
SLICE_STAGES = (LOCATOR, "stage2d")
TOO_FEW_EPOCHS = 0.3
"""Of a recipe's epochs: below, pixels twice as large in area teach more in the same time."""


@dataclass(frozen=True)
class Prepared:
    """Everything before the first step; ``lines`` say what was fitted, ``costs`` are None if unmeasured."""

    recipe: AnyRecipe
    folds: tuple[int, ...]
    held_out: tuple[tuple[str, ...], ...]
    crops: CropShelf
    costs: Costs | None
    lines: tuple[str, ...] = ()


def choose_folds(text: str | None, available: int) -> list[int]:
    """Folds to train of ``0,2``; None means all. Raises :class:`UsageError` for unknown ones."""
    folds = parse_folds(text)
    if folds is None:
        return list(range(available))
    if any(fold not in range(available) for fold in folds):
        raise UsageError(f"folds '{text}': this recipe has the folds 0 to {available - 1}")
    return list(folds)


def folds_of(asked: Asked, recipe: AnyRecipe) -> list[int]:
    """The folds to train: those named, one if it shall be fast, else all."""
    if asked.fast and asked.folds is None:
        return list(FAST_FOLDS)
    return choose_folds(asked.folds, recipe.folds)


def split(dataset: LabelledDataset, recipe: AnyRecipe) -> tuple[tuple[str, ...], ...]:
    """The cases that each fold holds out. Raises UsageError for fewer patients than folds."""
    if len({case.patient or case.id for case in dataset}) < recipe.folds:
        raise UsageError(f"{len(dataset)} cases cannot be split into {recipe.folds} folds; use fewer folds")
    return stratified_folds(dataset.cases, recipe.folds, recipe.seed)


def prepare(
    fabric: Fabric,
    recipe: AnyRecipe,
    dataset: LabelledDataset,
    asked: Asked,
    *,
    measured: bool,
    began: float | None = None,
) -> Prepared:
    """Fit the recipe to the cases and the hours if hours are given, make the crops, measure a few steps.

    ``dataset`` should give its cases from memory. What has passed since ``began`` (monotonic clock, else now)
    counts as part of the hours. Raises UsageError for folds that there are not, or too few cases for them.
    """
    began = time.monotonic() if began is None else began
    if asked.fast:
        recipe = unaugmented(recipe)
    if asked.hours is None:
        return _made(fabric, recipe, dataset, asked, measured=measured)
    started = asked.start_from is not None
    plan = fit_to_data(recipe, heart_facts(dataset), started=started)
    held_out = split(dataset, plan.recipe)
    samples = _samples(plan.recipe, dataset, held_out[0])
    plan = plan.then(fit_batches(plan.recipe, samples, Ranks(fabric).count))
    prepared, planned = _to_hours(fabric, plan, dataset, asked, began)
    if not started and _epochs(planned.recipe) < TOO_FEW_EPOCHS * _epochs(recipe):
        coarse = plan.then(with_coarser_pixels(plan.recipe))
        prepared, planned = _to_hours(fabric, coarse, dataset, asked, began)
    return replace(prepared, recipe=planned.recipe, lines=planned.lines)


def _to_hours(
    fabric: Fabric, plan: Plan, dataset: LabelledDataset, asked: Asked, began: float
) -> tuple[Prepared, Plan]:
    prepared = _made(fabric, plan.recipe, dataset, asked, measured=True)
    if prepared.costs is None or asked.hours is None:
        raise ValueError("a plan needs its costs and its hours")
    cases = len(dataset) - len(prepared.held_out[0])
    hours = asked.hours - (time.monotonic() - began) / 3600
    left = Ranks(fabric).agree(lambda: hours)
    started = asked.start_from is not None
    fitted = fit_to_hours(plan.recipe, prepared.costs, len(prepared.folds), left, cases, started=started)
    return prepared, plan.then(fitted)


def _epochs(recipe: AnyRecipe) -> int:
    return max(stage.epochs for stage in recipe.stages().values())


def _made(
    fabric: Fabric, recipe: AnyRecipe, dataset: LabelledDataset, asked: Asked, *, measured: bool
) -> Prepared:
    folds, held_out = folds_of(asked, recipe), split(dataset, recipe)
    method, ranks = method_of(recipe), Ranks(fabric)
    crops = CropShelf(method, dataset, fabric.device)
    costs = None
    if measured:
        by_stage = {name: crops.of(name) for name in method.stages()}
        found = measure(fabric, method, by_stage, held_out[folds[0]], recipe.seed)
        costs = ranks.agree(lambda: found)
    return Prepared(recipe, tuple(folds), held_out, crops, costs)


def _samples(recipe: AnyRecipe, dataset: LabelledDataset, held_out: Sequence[str]) -> dict[str, int]:
    """Samples of an epoch by stage: slices for 2D networks, else whole cases."""
    training = [case for case in dataset if case.id not in held_out]
    slices = sum(len(case.load()[1]) for case in training)
    return {name: slices if name in SLICE_STAGES else len(training) for name in recipe.stages()}
