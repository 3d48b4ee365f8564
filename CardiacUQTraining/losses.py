"""Segmentation losses on logits, with deep supervision."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from .recipe import LossRecipe

SMOOTH = 1.0


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
    """Dice + cross-entropy + focal, each with its weight from the recipe."""
    target = target.long()
    loss = logits.new_zeros(())
    if recipe.dice:
        loss = loss + recipe.dice * dice_loss(logits.softmax(dim=1), target, recipe)
    if recipe.cross_entropy:
        loss = loss + recipe.cross_entropy * functional.cross_entropy(logits, target)
    if recipe.focal:
        loss = loss + recipe.focal * focal_loss(logits, target, recipe.focal_alpha, recipe.focal_gamma)
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


def focal_loss(logits: Tensor, target: Tensor, alpha: float, gamma: float) -> Tensor:
    """Mean over voxels of -alpha (1 - p_t)^gamma log p_t (Lin et al. 2017)."""
    log_p = functional.log_softmax(logits, dim=1).gather(1, target.unsqueeze(1)).squeeze(1)
    return (-alpha * (1 - log_p.exp()) ** gamma * log_p).mean()
