"""Losses against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from CardiacUQTraining.training.losses import (
    deep_supervision_loss,
    dice_loss,
    focal_loss,
    probability_loss,
    segmentation_loss,
)
from CardiacUQTraining.training.recipe import LossRecipe


def test_dice_by_hand():
    # Two pixels, classes 0 and 1: p1 = (0.8, 0.4), truth (1, 0). Foreground only:
    # overlap 0.8, squares 0.64 + 0.16 = 0.80, truth 1: dice = (2*0.8 + 1) / (0.8 + 1 + 1)
    probabilities = torch.tensor([[[0.2, 0.6], [0.8, 0.4]]])
    target = torch.tensor([[1, 0]])
    assert float(dice_loss(probabilities, target, LossRecipe())) == pytest.approx(1 - 2.6 / 2.8, rel=1e-5)


def test_dice_over_the_batch_differs_from_dice_per_sample():
    probabilities = torch.tensor([[[0.0], [1.0]], [[1.0], [0.0]]])
    target = torch.tensor([[1], [1]])
    # over the batch: overlap 1, sizes 1 and 2: (2+1)/(3+1); per sample: 1 and (0+1)/(1+1)
    assert float(dice_loss(probabilities, target, LossRecipe())) == pytest.approx(1 - 3 / 4, rel=1e-5)
    per_sample = LossRecipe(dice_over_batch=False)
    assert float(dice_loss(probabilities, target, per_sample)) == pytest.approx((0 + 0.5) / 2, rel=1e-5)


def test_class_weights_and_background():
    probabilities = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    target = torch.tensor([[0, 0]])
    # class 0: (2*1+1)/(1+2+1) = 0.75; class 1: (0+1)/(1+0+1) = 0.5
    recipe = LossRecipe(include_background=True, dice_class_weights=(1.0, 3.0))
    assert float(dice_loss(probabilities, target, recipe)) == pytest.approx((0.25 + 3 * 0.5) / 4, rel=1e-5)


def test_focal_by_hand():
    logs = torch.log(torch.tensor([[[0.9], [0.1]]]))
    expected = -0.1 * (1 - 0.9) ** 2 * math.log(0.9)
    assert float(focal_loss(logs, torch.tensor([[0]]), 0.1, 2.0)) == pytest.approx(expected, rel=1e-5)


def test_terms_add_up():
    logits = torch.randn(2, 5, 8, 8, generator=torch.Generator().manual_seed(0))
    target = torch.randint(0, 5, (2, 8, 8), generator=torch.Generator().manual_seed(1))
    both = segmentation_loss(logits, target, LossRecipe(dice=0.5, cross_entropy=2.0))
    dice = dice_loss(logits.softmax(1), target, LossRecipe())
    torch.testing.assert_close(both, 0.5 * dice + 2.0 * functional.cross_entropy(logits, target))


def test_probabilities_and_logits_cost_the_same():
    logits = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    target = torch.randint(0, 4, (2, 6, 6), generator=torch.Generator().manual_seed(1))
    recipe = LossRecipe(
        cross_entropy=0.3, focal=10.0, dice_class_weights=(1, 2, 1, 1), include_background=True
    )
    torch.testing.assert_close(
        probability_loss(logits.softmax(dim=1), target, recipe), segmentation_loss(logits, target, recipe)
    )


def test_deep_supervision_is_the_weighted_mean_over_levels():
    target = torch.randint(0, 5, (1, 8, 8), generator=torch.Generator().manual_seed(1))
    outputs = [torch.randn(1, 5, 8 // 2**n, 8 // 2**n) for n in range(3)]
    recipe = LossRecipe(deep_supervision=(1.0, 0.5, 0.25))
    parts = [segmentation_loss(o, target[:, :: 2**n, :: 2**n], recipe) for n, o in enumerate(outputs)]
    expected = (parts[0] + 0.5 * parts[1] + 0.25 * parts[2]) / 1.75
    torch.testing.assert_close(deep_supervision_loss(outputs, target, recipe), expected)


def test_a_perfect_prediction_costs_nothing():
    target = torch.randint(0, 5, (2, 8, 8), generator=torch.Generator().manual_seed(1))
    logits = functional.one_hot(target, 5).movedim(-1, 1) * 60.0
    assert float(segmentation_loss(logits, target, LossRecipe(cross_entropy=1.0))) < 1e-5
