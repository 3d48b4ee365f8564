"""Which samples an epoch shows."""

from __future__ import annotations

import torch
from tiny_training import tiny_recipe

from CardiacUQTraining.training.cascade_data import drawing_order
from CardiacUQTraining.training.recipe import TrainingRecipe


def recipe(**change) -> TrainingRecipe:
    stage = {name: value for name, value in tiny_recipe()["stage2d"].items() if name != "network"}
    return TrainingRecipe.model_validate(stage | change)


def order(oversample: dict[int, float], repeats: int = 1) -> torch.Tensor:
    numbers = torch.arange(10, 20).repeat(repeats)
    labels = [torch.tensor([[0, 4 if number == 12 else 2]]) for number in numbers]
    generator = torch.Generator().manual_seed(0)
    return drawing_order(numbers, labels, recipe(oversample=oversample), generator)


def test_without_oversampling_every_sample_comes_once():
    drawn = order({})
    assert sorted(drawn.tolist()) == list(range(10, 20))
    assert drawn.tolist() != list(range(10, 20))


def test_a_class_is_drawn_in_proportion_to_its_weight():
    # one sample in ten shows MVO: weight 1 + 9 against nine of weight 1
    drawn = order({4: 9.0}, repeats=400)
    assert len(drawn) == 4000
    assert abs(float((drawn == 12).float().mean()) - 10 / 19) < 0.03
