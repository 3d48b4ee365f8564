"""Random geometry for whole batches on the device: one grid_sample does flip, turn, scale, shift and crop.

All parameters of a step are drawn from one generator, so that a step can be repeated exactly.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

from .recipe import AugmentationRecipe


def uniform(
    shape: tuple[int, ...], low: float, high: float, generator: Generator, device: torch.device
) -> Tensor:
    """Uniform numbers drawn on the CPU, so that every device sees the same ones."""
    return (torch.rand(shape, generator=generator) * (high - low) + low).to(device)


def chosen(count: int, probability: float, generator: Generator, device: torch.device) -> Tensor:
    """Boolean (count,): which samples an augmentation applies to."""
    return (torch.rand(count, generator=generator) < probability).to(device)


def spatial(
    images: Tensor, labels: Tensor, size_px: int, recipe: AugmentationRecipe, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Cut randomly placed squares of ``size_px`` out of wider crops.

    ``images`` float32 and ``labels`` uint8 are (N, D, Y, X): the D slices of one sample share one
    transformation (plus ``slice_shift_px`` of breath-hold jitter each). Returns (N, D, size, size).
    """
    count, depth, height, width = images.shape
    grid = _sampling_grid(count, depth, (height, width), size_px, recipe, generator, images.device)
    flat = grid.flatten(0, 1)
    stack = images.reshape(count * depth, 1, height, width)
    moved = functional.grid_sample(stack, flat, mode="bilinear", padding_mode="border", align_corners=True)
    marks = labels.reshape(count * depth, 1, height, width).float()
    relabelled = functional.grid_sample(marks, flat, mode="nearest", padding_mode="zeros", align_corners=True)
    shape = (count, depth, size_px, size_px)
    return moved.reshape(shape), relabelled.reshape(shape).to(torch.uint8)


def _sampling_grid(
    count: int,
    depth: int,
    source: tuple[int, int],
    size_px: int,
    recipe: AugmentationRecipe,
    generator: Generator,
    device: torch.device,
) -> Tensor:
    """Normalised sampling positions (N, D, size, size, 2) ordered (x, y), as grid_sample wants them."""
    axis = torch.arange(size_px, device=device) - (size_px - 1) / 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    points = torch.stack([x, y], dim=-1).expand(count, size_px, size_px, 2)
    points = points + _elastic(count, size_px, recipe, generator, device)
    points = torch.einsum("nij,nyxj->nyxi", _linear(count, recipe, generator, device), points)
    shift = uniform((count, 1, 2), -recipe.shift_px, recipe.shift_px, generator, device)
    jitter = uniform((count, depth, 2), -recipe.slice_shift_px, recipe.slice_shift_px, generator, device)
    points = points[:, None] + (shift + jitter)[:, :, None, None, :]
    half = torch.tensor([(source[1] - 1) / 2, (source[0] - 1) / 2], device=device)
    return points / half


def _linear(count: int, recipe: AugmentationRecipe, generator: Generator, device: torch.device) -> Tensor:
    """2 x 2 matrices (N, 2, 2) of rotation, scale and flips."""
    on = chosen(count, recipe.rotation_p, generator, device)
    angle = uniform((count,), -recipe.rotation_deg, recipe.rotation_deg, generator, device) * on
    if recipe.quarter_turns:
        angle = angle + 90.0 * torch.randint(0, 4, (count,), generator=generator).to(device)
    angle = angle * (math.pi / 180)
    on = chosen(count, recipe.scale_p, generator, device)
    logs = uniform((count,), math.log(recipe.scale[0]), math.log(recipe.scale[1]), generator, device)
    zoom = torch.exp(-logs * on)
    mirror = torch.ones(count, 2, device=device)
    if recipe.flips:
        mirror = 1 - 2 * torch.randint(0, 2, (count, 2), generator=generator).to(device).float()
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    rotation = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    return rotation * mirror[:, None, :]


def _elastic(
    count: int, size_px: int, recipe: AugmentationRecipe, generator: Generator, device: torch.device
) -> Tensor:
    """Smooth displacements in pixels (N, size, size, 2) from a coarse random grid."""
    on = chosen(count, recipe.elastic_p, generator, device).float()
    coarse = torch.randn((count, 2, recipe.elastic_grid, recipe.elastic_grid), generator=generator).to(device)
    coarse = coarse * (recipe.elastic_px * on)[:, None, None, None]
    fine = functional.interpolate(coarse, size=(size_px, size_px), mode="bicubic", align_corners=True)
    return fine.permute(0, 2, 3, 1)
