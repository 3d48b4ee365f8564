"""Random geometry for whole batches on the device: one grid_sample does flip, turn, scale, shift and crop.

All parameters of a step are drawn from one generator, so that a step can be repeated exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from .recipe import AugmentationRecipe

WHOLE = slice(None)
"""All samples of a batch are this process's own."""


def uniform(
    shape: tuple[int, ...], low: float, high: float, generator: Generator, device: torch.device
) -> Tensor:
    """Uniform numbers drawn on the CPU, so that every device sees the same ones."""
    return (torch.rand(shape, generator=generator) * (high - low) + low).to(device)


def chosen(count: int, probability: float, generator: Generator, device: torch.device) -> Tensor:
    """Boolean (count,): which samples an augmentation applies to."""
    return (torch.rand(count, generator=generator) < probability).to(device)


@dataclass(frozen=True)
class Draws:
    """Random numbers for a whole batch of ``count`` samples, of which a rank keeps those of its ``own``.

    Every rank draws the same numbers, so that the batch is that of one process."""

    generator: Generator
    count: int
    own: slice
    device: torch.device

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniform numbers (own, *shape)."""
        return uniform((self.count, *shape), low, high, self.generator, self.device)[self.own]

    def chosen(self, probability: float) -> Tensor:
        """Boolean (own,): which samples an augmentation applies to."""
        return chosen(self.count, probability, self.generator, self.device)[self.own]

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers (own, *shape)."""
        return torch.randn((self.count, *shape), generator=self.generator)[self.own].to(self.device)


def spatial(
    images: Tensor,
    labels: Tensor,
    size_px: int,
    recipe: AugmentationRecipe,
    generator: Generator,
    own: slice = WHOLE,
) -> tuple[Tensor, Tensor]:
    """Cut randomly placed squares of ``size_px`` out of wider crops.

    ``images`` float32 and ``labels`` uint8 are (N, D, Y, X): the D slices of one sample share one
    transformation (plus ``slice_shift_px`` of breath-hold jitter each). Returns (N, D, size, size), images of
    the samples ``own`` alone, labels of all.
    """
    count, depth, height, width = images.shape
    grid = _sampling_grid(count, depth, (height, width), size_px, recipe, generator, images.device)
    stack, places = images[own].reshape(-1, 1, height, width), grid[own].flatten(0, 1)
    moved = functional.grid_sample(stack, places, mode="bilinear", padding_mode="border", align_corners=True)
    marks, places = labels.reshape(-1, 1, height, width).float(), grid.flatten(0, 1)
    relabelled = functional.grid_sample(
        marks, places, mode="nearest", padding_mode="zeros", align_corners=True
    )
    shape = (-1, depth, size_px, size_px)
    return moved.reshape(shape), relabelled.reshape(shape).to(torch.uint8)


def placed(part: Tensor, count: int, own: slice) -> Tensor:
    """The samples ``own`` (own, ...) in a batch (N, ...) that is zero elsewhere."""
    if len(part) == count:
        return part
    whole = part.new_zeros(count, *part.shape[1:])
    whole[own] = part
    return whole


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
