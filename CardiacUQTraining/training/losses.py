"""Segmentation losses on logits or probabilities, with deep supervision."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from .recipe import LossRecipe

SMOOTH = 1.0
EPSILON = 1e-7


def deep_supervision_loss(outputs: Sequence[Tensor], target: Tensor, recipe: LossRecipe) -> Tensor:
    """Weighted mean of the loss at the finest outputs.

    ``outputs`` are logits (N, C, [z,] y, x), each half the plane of the one before; ``target`` holds
    class numbers (N, [z,] y, x). The target of a coarser output is every second pixel.
    """
    total = outputs[0].new_zeros(())
    weights = recipe.deep_supervision[: len(outputs)]
    for level, (logits, weight) in enumerate(zip(outputs, weights, strict=False)):
        step = 2**level
        total = total + weight * segmentation_loss(logits.float(), target[..., ::step, ::step], recipe)
    return total / sum(weights)


def segmentation_loss(logits: Tensor, target: Tensor, recipe: LossRecipe) -> Tensor:
    """Dice + cross-entropy + focal of logits (N, C, ...) against class numbers (N, ...)."""
    return _weighted_loss(logits.softmax(dim=1), logits.log_softmax(dim=1), target.long(), recipe)


def probability_loss(probabilities: Tensor, target: Tensor, recipe: LossRecipe) -> Tensor:
    """The same for a network that gives probabilities, such as an ensemble."""
    return _weighted_loss(probabilities, probabilities.clamp_min(EPSILON).log(), target.long(), recipe)


def _weighted_loss(probabilities: Tensor, logs: Tensor, target: Tensor, recipe: LossRecipe) -> Tensor:
    loss = probabilities.new_zeros(())
    if recipe.dice:
        loss = loss + recipe.dice * dice_loss(probabilities, target, recipe)
    if recipe.cross_entropy:
        loss = loss + recipe.cross_entropy * functional.nll_loss(logs, target)
    if recipe.focal:
        loss = loss + recipe.focal * focal_loss(logs, target, recipe.focal_alpha, recipe.focal_gamma)
    return loss


def dice_loss(probabilities: Tensor, target: Tensor, recipe: LossRecipe) -> Tensor:
    """1 - soft Dice with squared denominators (p = 2, smooth 1), averaged over classes.

    ``dice_over_batch`` sums a class over the whole batch before dividing, which keeps classes that
    most slices do not show (MVO) from being all smoothing term.
    """
    classes = probabilities.shape[1]
    truth = functional.one_hot(target, classes).movedim(-1, 1).to(probabilities.dtype)
    axes = [axis for axis in range(probabilities.ndim) if axis != 1]
    if not recipe.dice_over_batch:
        axes = axes[1:]
    overlap = (probabilities * truth).sum(axes)
    size = (probabilities**2).sum(axes) + truth.sum(axes)
    dice = (2 * overlap + SMOOTH) / (size + SMOOTH)
    weights = torch.ones(classes, device=dice.device)
    if recipe.dice_class_weights is not None:
        weights = torch.tensor(recipe.dice_class_weights, device=dice.device)
    if not recipe.include_background:
        weights = torch.cat([torch.zeros_like(weights[:1]), weights[1:]])
    return ((1 - dice) * weights).sum(dim=-1).mean() / weights.sum()


def focal_loss(logs: Tensor, target: Tensor, alpha: float, gamma: float) -> Tensor:
    """Mean over voxels of -alpha (1 - p_t)^gamma log p_t (Lin et al. 2017); ``logs`` are log p."""
    log_p = logs.gather(1, target.unsqueeze(1)).squeeze(1)
    return (-alpha * (1 - log_p.exp()) ** gamma * log_p).mean()
