"""Optimisers, learning-rate curves and the running average of the weights."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.optim import Optimizer

from .recipe import OptimiserName, OptimiserRecipe, ScheduleName

POLYNOMIAL_POWER = 0.9
FINAL_SHARE = 1e-3
"""Rate at the end of one-cycle and cosine curves, as a share of the peak."""


def make_optimiser(network: nn.Module, recipe: OptimiserRecipe) -> Optimizer:
    """The optimiser of a recipe over all parameters of ``network``."""
    parameters, rate, decay = network.parameters(), recipe.learning_rate, recipe.weight_decay
    if recipe.name is OptimiserName.SGD:
        return torch.optim.SGD(parameters, rate, momentum=recipe.momentum, nesterov=True, weight_decay=decay)
    if recipe.name is OptimiserName.RMSPROP:
        return torch.optim.RMSprop(parameters, rate, momentum=recipe.momentum, weight_decay=decay)
    return torch.optim.AdamW(parameters, rate, weight_decay=decay, fused=True)


def learning_rate(recipe: OptimiserRecipe, step: int, total: int) -> float:
    """Rate at ``step`` of ``total``; a function of the step alone, so that resuming needs no state."""
    share = step / max(1, total)
    if recipe.schedule is ScheduleName.POLYNOMIAL:
        return recipe.learning_rate * (1 - share) ** POLYNOMIAL_POWER
    if share < recipe.warmup_share:
        return recipe.learning_rate * max(FINAL_SHARE, share / recipe.warmup_share)
    falling = (share - recipe.warmup_share) / (1 - recipe.warmup_share)
    return recipe.learning_rate * max(FINAL_SHARE, 0.5 * (1 + math.cos(math.pi * falling)))


class AveragedWeights:
    """Exponential moving average of a network's weights, evaluated instead of the last ones."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the present weights; early steps count more, or the start would linger."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1 - decay)
            else:
                self.weights[name].copy_(value)
