"""Recipes: the shipped ones are valid, a wrong one is refused by name and place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tiny_training import tiny_recipe

import CardiacUQTraining
from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.manifest import CascadeInput, RoiSpec
from CardiacUQTraining.training.recipe import read_recipe

RECIPES = Path(CardiacUQTraining.__file__).parent / "training" / "recipes"


@pytest.mark.parametrize("name", ["cascade-paper", "cascade-small"])
def test_shipped_recipes_are_valid(name):
    assert list(read_recipe(name).stages())[:2] == ["stage2d", "stage3d"]


def test_paper_recipe_holds_the_published_numbers():
    recipe = read_recipe("cascade-paper")
    assert (recipe.stage2d.epochs, recipe.stage3d.epochs, recipe.folds) == (750, 750, 5)
    assert (recipe.stage2d.batch, recipe.stage3d.batch) == (16, 4)
    assert recipe.stage2d.optimiser.momentum == 0.99
    assert recipe.stage3d.perturbation.after_epoch == 100
    shares = recipe.stage3d.perturbation
    drawn = (
        shares.delete_class + shares.empty_slices + shares.empty_all + shares.false_scar + shares.scatter_mvo
    )
    assert drawn == pytest.approx(1 - 0.63)


def test_a_3d_stage_with_other_masks_is_another_one():
    recipe = read_recipe("cascade-small")
    soft = recipe.model_copy(update={"cascade_input": CascadeInput.SOFT})
    assert soft.decisive("stage3d") != recipe.decisive("stage3d")
    assert soft.decisive("stage2d") == recipe.decisive("stage2d")


def test_missing_recipe_names_the_shipped_ones(tmp_path):
    with pytest.raises(
        UsageError,
        match=r"cascade-paper, cascade-small, ensemble-paper, ensemble-small, fine-neighbours",
    ):
        read_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"stage2d": {"epoch": 3}}, "stage2d"),
        ({"folds": 0}, "folds"),
        ({"seeds": 1}, "seeds"),
        ({"phantoms": 4, "stage3d": tiny_recipe()["stage3d"] | {"phantom_share": 1.5}}, "phantom_share"),
        ({"roi": {"size_px": 30}, "locator": None}, "stage2d needs a square of a multiple of 4 px, not 30"),
        ({"roi": {"size_px": 32, "spacing_mm": -1.5}}, "spacing_mm"),
        (
            {"stage3d": tiny_recipe()["stage3d"] | {"perturbation": {"empty_all": 0.9}}},
            "add up to 1.17, more than 1",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_place(tmp_path, change, place):
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(tiny_recipe() | change), encoding="utf-8")
    with pytest.raises(UsageError, match=place) as error:
        read_recipe(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", [b"- a\n- b\n", b"kind: [", b"", b"\xff\xfe\x00kind"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    path = tmp_path / "odd.yaml"
    path.write_bytes(text)
    with pytest.raises(UsageError, match=r"odd\.yaml"):
        read_recipe(path)


def test_bundle_may_look_at_more_than_training_does():
    assert read_recipe("ensemble-small").roi.spec() == RoiSpec(96, 1.5, 6.5, 64)
    assert read_recipe("cascade-small").roi.spec() == RoiSpec(80, 1.458, 6.5, 64)


def test_a_course_changes_what_it_names_of_the_one_before():
    first, second, third = (read_recipe("cascade-small", course) for course in (1, 2, 3))
    assert (first.stage2d.epochs, second.stage2d.epochs, third.stage2d.epochs)[1:] == (45, 45)
    assert (
        second.stage3d.optimiser.learning_rate == 0.0012 and third.stage3d.optimiser.learning_rate == 0.0015
    )
    assert second.stage3d.optimiser.schedule is first.stage3d.optimiser.schedule
    assert third.decisive("stage2d") == second.decisive("stage2d"), "taken over, not trained again"
    assert third.title.endswith("third course")


@pytest.mark.parametrize("recipe", sorted(path.stem for path in RECIPES.glob("*.yaml")))
def test_every_course_of_every_shipped_recipe_can_be_read_and_none_beyond(recipe):
    count = 1 + len(yaml.safe_load((RECIPES / f"{recipe}.yaml").read_text("utf-8")).get("courses", []))
    assert len({read_recipe(recipe, course).title for course in range(1, count + 1)}) == count
    with pytest.raises(UsageError, match=f"no course {count + 1}; this recipe has the courses 1 to {count}"):
        read_recipe(recipe, count + 1)


def test_a_misspelt_entry_of_a_course_is_told(tmp_path):
    text = (
        (RECIPES / "cascade-small.yaml")
        .read_text("utf-8")
        .replace("stage3d: {optimiser", "stage3d: {optimizer")
    )
    path = tmp_path / "mine.yaml"
    path.write_text(text, "utf-8")
    assert read_recipe(path, 2).title.endswith("second course")
    with pytest.raises(UsageError, match=r"stage3d\.optimizer"):
        read_recipe(path, 3)
