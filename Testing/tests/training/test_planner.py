"""Recipes fitted to cases and hours: what follows from the data, and that the time is kept."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from CardiacUQTraining.datasets import open_dataset
from CardiacUQTraining.training.cost import Costs, StageCost, validations
from CardiacUQTraining.training.planner import (
    MARGIN_MM,
    RECIPE_CASES,
    HeartFacts,
    fit_batches,
    fit_to_data,
    fit_to_hours,
    heart_facts,
    with_coarser_pixels,
)
from CardiacUQTraining.training.recipe import CropCentre, read_recipe, unaugmented

SMALL = read_recipe("cascade-small")
FACTS = HeartFacts(side_mm=96.0, pixel_mm=1.5, slices=7, field_mm=380.0, patients=12)


def test_the_patch_holds_the_heart_and_its_margin():
    plan = fit_to_data(SMALL, FACTS, started=False)
    roi = plan.recipe.roi
    assert (roi.size_px, roi.spacing_mm) == (80, 1.5), "96 + 2 x 12 mm = 80 pixels of 1.5 mm"
    assert plan.recipe.crop_centre is CropCentre.LABELS
    assert plan.recipe.folds == 5


def test_a_larger_heart_gets_coarser_pixels_not_a_larger_cost():
    roi = fit_to_data(SMALL, HeartFacts(176.0, 1.5, 7, 380.0, 12), started=False).recipe.roi
    assert roi.size_px == SMALL.roi.size_px and roi.spacing_mm == pytest.approx(200 / 80)


def test_weights_that_know_their_pixels_keep_them():
    assert fit_to_data(SMALL, FACTS, started=True).recipe.roi == SMALL.roi


def test_few_patients_and_few_slices():
    plan = fit_to_data(SMALL, HeartFacts(96.0, 1.5, 3, 380.0, 4), started=False)
    assert plan.recipe.folds == 4 and plan.recipe.stage3d.patch_slices == 3
    assert plan.recipe.phantoms == 4 and len(plan.lines) == 5


def test_a_wide_field_of_view_is_seen_whole_by_the_locator():
    roi = fit_to_data(SMALL, HeartFacts(96.0, 1.5, 7, 640.0, 12), started=False).recipe.roi
    assert roi.locator_spacing_mm == pytest.approx(10.0)


def test_batches_leave_four_steps_but_something_for_every_process():
    samples = {"stage2d": 20, "stage3d": 9, "locator": 20}
    batches = {name: stage.batch for name, stage in fit_batches(SMALL, samples, 1).recipe.stages().items()}
    assert batches == {"stage2d": 4, "stage3d": 1, "locator": 4}
    assert fit_batches(SMALL, samples, 6).recipe.stage2d.batch == 6
    assert fit_batches(SMALL, dict.fromkeys(samples, 10000), 1).recipe == SMALL


@settings(max_examples=60, deadline=None)
@given(st.floats(0.005, 2.0), st.floats(0.01, 20.0), st.floats(0.01, 30.0), st.integers(1, 5))
def test_the_time_is_kept_whatever_a_step_costs(step, validation, hours, folds):
    """Unless not even one epoch of each stage fits into it."""
    costs = Costs({name: StageCost(20, step, validation, 1) for name in SMALL.stages()}, 0)
    planned = fit_to_hours(SMALL, costs, folds, hours, 40).recipe
    assert planned.stages().keys() == SMALL.stages().keys()
    for name, stage in planned.stages().items():
        assert 1 <= stage.epochs <= SMALL.stages()[name].epochs * RECIPE_CASES / 40
        assert validations(stage) <= validations(SMALL.stages()[name])
    if all(stage.epochs > 1 for stage in planned.stages().values()):
        assert costs.seconds(planned.stages(), folds) <= 3600 * hours


def test_the_shares_of_the_stages_stay_and_late_errors_come_as_late():
    costs = Costs({name: StageCost(20, 0.1, 0.0, 1) for name in SMALL.stages()}, 0)
    planned = fit_to_hours(SMALL, costs, 5, 0.25, 80).recipe
    factor = planned.stage2d.epochs / SMALL.stage2d.epochs
    assert 0.2 < factor < 0.5
    assert (
        planned.stage3d.epochs == int(SMALL.stage3d.epochs * factor)
        or abs(planned.stage3d.epochs / SMALL.stage3d.epochs - factor) < 0.02
    )
    assert planned.stage3d.perturbation.after_epoch == 12 * planned.stage3d.epochs // SMALL.stage3d.epochs


def test_few_steps_from_earlier_weights_are_small_ones():
    """Two seconds a step and 36 s for each stage of one fold: hardly a step."""
    costs = Costs({name: StageCost(8, 2.0, 0.0, 1) for name in SMALL.stages()}, 0)
    bare, started = (fit_to_hours(SMALL, costs, 1, 0.03, 8, started=s).recipe for s in (False, True))
    assert bare.locator.optimiser == SMALL.locator.optimiser
    steps = 8 * started.locator.epochs
    expected = SMALL.locator.optimiser.learning_rate * steps / 100
    assert steps < 100 and started.locator.optimiser.learning_rate == pytest.approx(expected, rel=0.01)
    plenty = fit_to_hours(SMALL, costs, 1, 30, 8, started=True).recipe
    assert plenty.locator.optimiser == SMALL.locator.optimiser


def test_coarser_pixels_see_the_same_region():
    coarse = with_coarser_pixels(SMALL).recipe.roi
    assert coarse.size_px == 48 and coarse.size_px * coarse.spacing_mm == pytest.approx(80 * 1.458, abs=0.1)
    already = with_coarser_pixels(with_coarser_pixels(SMALL).recipe)
    assert already.lines == ()


def test_the_hearts_of_a_data_set(emidec_like):
    """Discs of radius 12 px of 1.458 mm around 23.5 that move by 0.3 px per slice: 48 px of 1.458 mm wide."""
    facts = heart_facts(open_dataset("emidec", emidec_like))
    assert facts.side_mm == pytest.approx(2 * 12.5 * 1.458, rel=0.1)
    assert (facts.slices, facts.patients) == (4, 6)
    assert facts.field_mm == pytest.approx(48 * 1.458) and facts.pixel_mm == pytest.approx(1.458)
    assert MARGIN_MM > 0


def test_a_recipe_without_augmentation_is_the_same_else():
    plain = unaugmented(SMALL)
    assert not plain.stage2d.augmentation.flips and plain.locator.augmentation.shift_px == 0
    assert all(
        getattr(plain.stage3d.augmentation, name) == 0
        for name in type(plain.stage3d.augmentation).model_fields
        if name.endswith("_p")
    )
    assert plain.stage2d.model_copy(update={"augmentation": SMALL.stage2d.augmentation}) == SMALL.stage2d
