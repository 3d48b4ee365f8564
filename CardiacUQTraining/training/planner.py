"""A recipe fitted to somebody's data and time: patch, batch, folds and epochs.

Patch, batch and folds follow from the data alone; epochs from what a step costs on this machine. What makes
a network learn is steps, so with fewer cases than the recipes were made for more epochs are worth their time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from CardiacUQLib.base.duration import duration

from ..datasets import LabelledDataset
from .cost import OVERHEAD_SECONDS, Costs, validations
from .recipe import CascadeRecipe, CropCentre, StreamingRecipe, changed

AnyRecipe = CascadeRecipe | StreamingRecipe

MARGIN_MM = 12.0
"""Around the labelled heart on each side: a locator errs by some millimetres."""
FINEST_MM, COARSEST_MM = 0.9, 2.5
COARSER = 0.75
FEWEST_STEPS_AN_EPOCH = 4
RECIPE_CASES = 80
"""Training cases of a fold that the shipped recipes were made for (EMIDEC, five folds)."""
USED_SHARE = 0.88
"""Of the hours given: a busy machine is slower than it was when it was measured."""
VALIDATION_SHARE = 0.1
STEPS_AT_FULL_RATE = 100
"""A few large steps only undo what earlier weights have learned."""


@dataclass(frozen=True)
class HeartFacts:
    """What the plan needs of the cases, medians or 95th percentiles: side in mm of the square around the
    labels' middle that holds them, pixel in mm, slices, field of view in mm, number of patients."""

    side_mm: float
    pixel_mm: float
    slices: int
    field_mm: float
    patients: int


@dataclass(frozen=True)
class Plan:
    """The fitted recipe and, one line each, what was fitted to what."""

    recipe: AnyRecipe
    lines: tuple[str, ...]

    def then(self, later: Plan) -> Plan:
        """``later``, which began with this one's recipe, with the lines of both."""
        return Plan(later.recipe, (*self.lines, *later.lines))


def heart_facts(dataset: LabelledDataset) -> HeartFacts:
    """Read from every case; cases without any label say nothing about the heart's side."""
    sides, pixels, slices, fields = [], [], [], []
    for case in dataset:
        volume, labels = case.load()
        x_mm, y_mm, _ = volume.geometry.spacing
        rows, columns = labels.shape[1:]
        pixels.append(max(x_mm, y_mm))
        slices.append(labels.shape[0])
        fields.append(max(rows * y_mm, columns * x_mm))
        _, y, x = np.nonzero(labels)
        if len(y):
            sides += [2 * mm * float(np.abs(at - at.mean()).max()) for at, mm in ((y, y_mm), (x, x_mm))]
    return HeartFacts(
        float(np.percentile(sides, 95)) if sides else 100.0,
        float(np.median(pixels)),
        int(np.median(slices)),
        float(max(fields)),
        len({case.patient or case.id for case in dataset}),
    )


def fit_to_data(recipe: AnyRecipe, facts: HeartFacts, *, started: bool) -> Plan:
    """Folds, patch and region for these cases; a training that was ``started`` from earlier weights keeps
    the pixels that they know."""
    changes: dict[str, Any] = {}
    lines = []
    if facts.patients < recipe.folds:
        changes["folds"] = facts.patients
        lines.append(f"folds: {facts.patients}, one per patient")
    if not started and recipe.roi.spacing_mm is not None:
        changes["roi"], line = _region(recipe, facts)
        lines.append(line)
    if isinstance(recipe, CascadeRecipe):
        if recipe.locator is not None and recipe.crop_centre is CropCentre.IMAGE:
            changes["crop_centre"] = CropCentre.LABELS
            lines.append("crops: around the labelled heart, as the locator will place them")
        if facts.patients < recipe.phantoms:
            changes["phantoms"] = facts.patients
            lines.append(f"phantoms: {facts.patients}, no more than there are cases")
        depth = min(recipe.stage3d.patch_slices, facts.slices)
        if depth < recipe.stage3d.patch_slices:
            changes["stage3d"] = {"patch_slices": depth}
            lines.append(f"patch: {depth} slices, as most of the cases have no more")
    return Plan(changed(recipe, changes), tuple(lines))


def _region(recipe: AnyRecipe, facts: HeartFacts) -> tuple[dict[str, Any], str]:
    multiple = 2 ** max(len(filters) - 1 for filters in _filters(recipe))
    wanted = facts.side_mm + 2 * MARGIN_MM
    spacing = float(np.clip(facts.pixel_mm, FINEST_MM, COARSEST_MM))
    size = min(-(-int(np.ceil(wanted / spacing)) // multiple) * multiple, recipe.roi.size_px)
    spacing = round(max(spacing, wanted / size), 3)
    roi = {"size_px": size, "spacing_mm": spacing, "inference_size_px": None}
    if recipe.roi.locator_size_px and recipe.roi.locator_spacing_mm:
        needed = facts.field_mm / recipe.roi.locator_size_px
        roi["locator_spacing_mm"] = round(max(recipe.roi.locator_spacing_mm, needed), 3)
    heart = f"hearts of {facts.side_mm:.0f} mm and {MARGIN_MM:.0f} mm around"
    return roi, f"patch: {size} x {size} pixels of {spacing:g} mm, for {heart}"


def with_coarser_pixels(recipe: AnyRecipe) -> Plan:
    """Fewer, larger pixels over the same region, where the time holds too few epochs."""
    if recipe.roi.spacing_mm is None:
        return Plan(recipe, ())
    multiple = 2 ** max(len(filters) - 1 for filters in _filters(recipe))
    side = recipe.roi.size_px * recipe.roi.spacing_mm
    size = max(multiple * 2, int(recipe.roi.size_px * COARSER) // multiple * multiple)
    spacing = round(side / size, 3)
    if size >= recipe.roi.size_px or spacing > COARSEST_MM:
        return Plan(recipe, ())
    roi = {"size_px": size, "spacing_mm": spacing}
    line = f"patch: {size} x {size} pixels of {spacing:g} mm, as finer ones would leave too few epochs"
    return Plan(changed(recipe, {"roi": roi}), (line,))


def _filters(recipe: AnyRecipe) -> list[tuple[int, ...]]:
    if isinstance(recipe, CascadeRecipe):
        return [stage.network.filters for name, stage in recipe.stages().items() if name != "locator"]
    return [member.filters for member in recipe.members]


def fit_batches(recipe: AnyRecipe, samples: Mapping[str, int], processes: int) -> Plan:
    """Batches halved until an epoch has four steps, but no smaller than the number of ``processes``;
    ``samples`` of an epoch by stage."""
    changes: dict[str, Any] = {}
    lines = []
    for name, stage in recipe.stages().items():
        batch = stage.batch
        while batch > max(1, processes) and samples[name] // batch < FEWEST_STEPS_AN_EPOCH:
            batch = max(batch // 2, processes, 1)
        if batch != stage.batch:
            changes[_part(recipe, name)] = {"batch": batch}
            lines.append(f"batch of {name}: {batch}, as an epoch has {samples[name]} samples")
    return Plan(changed(recipe, changes), tuple(lines))


def fit_to_hours(
    recipe: AnyRecipe, costs: Costs, folds: int, hours: float, cases: int, *, started: bool = False
) -> Plan:
    """Epochs of all stages scaled alike until they fill the ``hours``; no more than so many steps as the
    recipe takes with the cases it was made for. ``cases`` are those of a fold's training. A training that was
    ``started`` from earlier weights and takes few steps takes small ones."""
    stages = recipe.stages()
    budget = 3600.0 * max(0.0, hours) * USED_SHARE
    counts, fixed, work = {}, 0.0, 0.0
    for name, stage in stages.items():
        cost = costs.stages[name]
        affordable = VALIDATION_SHARE * budget / (folds * len(stages) * max(cost.validation_seconds, 1e-9))
        counts[name] = max(1, min(validations(stage), int(affordable)))
        fixed += folds * (counts[name] * cost.validation_seconds + OVERHEAD_SECONDS)
        work += folds * cost.steps * stage.epochs * cost.step_seconds
    most = max(1.0, RECIPE_CASES / max(1, cases))
    factor = min(max(0.0, budget - fixed) / max(work, 1e-9), most)
    changes: dict[str, Any] = {}
    for name, stage in stages.items():
        epochs = max(1, int(stage.epochs * factor))
        part: dict[str, Any] = {"epochs": epochs, "validate_every": -(-epochs // min(counts[name], epochs))}
        if stage.perturbation is not None:
            part["perturbation"] = {"after_epoch": stage.perturbation.after_epoch * epochs // stage.epochs}
        share = min(1.0, epochs * costs.stages[name].steps / STEPS_AT_FULL_RATE)
        if started and share < 1:
            part["optimiser"] = {"learning_rate": float(f"{stage.optimiser.learning_rate * share:.3g}")}
        changes[_part(recipe, name)] = part
    planned = changed(recipe, changes)
    told = ", ".join(f"{name} {stage.epochs}" for name, stage in planned.stages().items())
    why = (
        "more would not teach so few cases"
        if factor == most
        else f"what fits into {duration(3600 * max(0.0, hours))}"
    )
    return Plan(planned, (f"epochs: {told}; {why}",))


def _part(recipe: AnyRecipe, stage: str) -> str:
    """The key of a stage's numbers in the recipe; all members of an ensemble share one."""
    return stage if isinstance(recipe, CascadeRecipe) or stage == "locator" else "training"
