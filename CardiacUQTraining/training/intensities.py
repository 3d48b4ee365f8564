"""Random contrast, blur and noise for whole batches on the device, and the networks' normalisation."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

from .augmentation import WHOLE, Draws, chosen
from .recipe import AugmentationRecipe

BLUR_RADIUS_PX = 3


def intensity(
    images: Tensor, recipe: AugmentationRecipe, generator: Generator, count: int = 0, own: slice = WHOLE
) -> Tensor:
    """Augment (N, D, y, x) and normalise every slice, as the cascade wants it.

    ``images`` are the samples ``own`` of a batch of ``count`` (0: all of it).
    """
    return normalise(change_grey_values(normalise(images), recipe, generator, count, own))


def change_grey_values(
    images: Tensor, recipe: AugmentationRecipe, generator: Generator, count: int = 0, own: slice = WHOLE
) -> Tensor:
    """Augment standardised images (N, D, y, x); all slices of a sample share the parameters.

    The order follows the physics: coil sensitivity and contrast first, then the resolution, then
    the noise of the receiver. ``count`` and ``own`` as in :func:`intensity`.
    """
    draws = Draws(generator, count or len(images), own, images.device)
    for change in (_bias, _contrast, _gamma, _blur, _low_resolution, _noise):
        images = change(images, recipe, draws)
    return images


def normalise(images: Tensor) -> Tensor:
    """Each slice (last two axes) to zero mean and unit variance, as at inference."""
    mean = images.mean(dim=(-2, -1), keepdim=True)
    deviation = images.std(dim=(-2, -1), keepdim=True, correction=0)
    return (images - mean) / deviation.clamp_min(1e-6)


def _per_sample(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _bias(images: Tensor, recipe: AugmentationRecipe, draws: Draws) -> Tensor:
    """Multiply by a smooth field exp(a x + b y), the fall-off of a surface coil."""
    on = draws.chosen(recipe.bias_p).float()
    slope = draws.uniform(-recipe.bias, recipe.bias, 2) * on[:, None]
    axis = torch.linspace(-1, 1, images.shape[-1], device=images.device)
    field = torch.exp(_per_sample(slope[:, 0]) * axis[:, None] + _per_sample(slope[:, 1]) * axis[None, :])
    floor = images.amin(dim=(-2, -1), keepdim=True)
    return (images - floor) * field + floor


def _contrast(images: Tensor, recipe: AugmentationRecipe, draws: Draws) -> Tensor:
    on = draws.chosen(recipe.contrast_p)
    factor = draws.uniform(*recipe.contrast)
    factor = torch.where(on, factor, torch.ones_like(factor))
    low, high = images.amin(dim=(-2, -1), keepdim=True), images.amax(dim=(-2, -1), keepdim=True)
    return torch.clamp(images * _per_sample(factor), low, high)


def _gamma(images: Tensor, recipe: AugmentationRecipe, draws: Draws) -> Tensor:
    on = draws.chosen(recipe.gamma_p)
    exponent = torch.exp(draws.uniform(math.log(recipe.gamma[0]), math.log(recipe.gamma[1])))
    exponent = torch.where(on, exponent, torch.ones_like(exponent))
    low, high = images.amin(dim=(-2, -1), keepdim=True), images.amax(dim=(-2, -1), keepdim=True)
    span = (high - low).clamp_min(1e-6)
    return ((images - low) / span).clamp(0, 1) ** _per_sample(exponent) * span + low


def _blur(images: Tensor, recipe: AugmentationRecipe, draws: Draws) -> Tensor:
    """Gaussian blur in plane, separable, one width per sample."""
    on = draws.chosen(recipe.blur_p)
    sigma = draws.uniform(*recipe.blur_sigma_px)
    if not bool(on.any()):
        return images
    offsets = torch.arange(-BLUR_RADIUS_PX, BLUR_RADIUS_PX + 1, device=images.device)
    kernel = torch.exp(-0.5 * (offsets[None] / sigma[on, None]) ** 2)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    picked = images[on].transpose(0, 1)  # (D, N, y, x): one group per sample
    groups, size = picked.shape[1], len(offsets)
    padded = functional.pad(picked, (BLUR_RADIUS_PX,) * 4, mode="replicate")
    padded = functional.conv2d(padded, kernel.reshape(groups, 1, size, 1), groups=groups)
    blurred = functional.conv2d(padded, kernel.reshape(groups, 1, 1, size), groups=groups)
    result = images.clone()
    result[on] = blurred.transpose(0, 1)
    return result


def _low_resolution(images: Tensor, recipe: AugmentationRecipe, draws: Draws) -> Tensor:
    """Scale down and up again, sample by sample since each has its own factor."""
    # on the processor, where they are read one by one
    on = (torch.rand(draws.count, generator=draws.generator) < recipe.low_resolution_p)[draws.own]
    factors = torch.rand(draws.count, generator=draws.generator)[draws.own]
    result = images
    for sample in torch.nonzero(on).flatten().tolist():
        low, high = recipe.low_resolution
        size = max(8, round(images.shape[-1] * (low + float(factors[sample]) * (high - low))))
        small = functional.interpolate(images[sample : sample + 1], size=(size, size), mode="area")
        if result is images:
            result = images.clone()
        result[sample : sample + 1] = functional.interpolate(small, size=images.shape[-2:], mode="bilinear")
    return result


def _noise(images: Tensor, recipe: AugmentationRecipe, draws: Draws) -> Tensor:
    everyone = chosen(draws.count, recipe.noise_p, draws.generator, images.device)
    deviation = draws.uniform(*recipe.noise_sd) * everyone[draws.own].float()
    if not bool(everyone.any()):
        return images
    return images + draws.normal(*images.shape[1:]) * _per_sample(deviation)
