"""Copies of a frame turned in plane, for the *augmenting* baseline of Streaming: one network, many views.

The paper turns its images by up to 20 degrees and by quarter turns. Each copy goes through the network, and
its probabilities are turned back before they are averaged.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

ANGLES_DEG = (0.0, -20.0, 20.0, 90.0, 180.0, 270.0)
"""Counter-clockwise turns of the copies, as seen with x to the right and y downwards."""


def turn(images: Tensor, angle_deg: float) -> Tensor:
    """Square images (..., y, x), float, turned about their centre; beyond the edge the edge goes on.

    Quarter turns move pixels and are exact, other angles interpolate linearly.
    """
    quarters, rest = divmod(angle_deg, 90.0)
    if not rest:
        return torch.rot90(images, int(quarters), dims=(-2, -1))
    cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    flat = images.reshape(1, -1, *images.shape[-2:])
    theta = flat.new_tensor([[[cosine, -sine, 0.0], [sine, cosine, 0.0]]])
    grid = functional.affine_grid(theta, list(flat.shape), align_corners=False)
    turned = functional.grid_sample(flat, grid, padding_mode="border", align_corners=False)
    return turned.reshape(images.shape)


def turned_copies(frames: Tensor) -> Tensor:
    """All copies of frames (K, z, y, x), angle by angle: (A, K, z, y, x)."""
    return torch.stack([turn(frames, angle) for angle in ANGLES_DEG])


def turned_back(p: Tensor) -> Tensor:
    """Softmax (A, ...) of the copies in the place of the frame itself; still sums to 1 over the classes."""
    return torch.stack([turn(one, -angle) for one, angle in zip(p, ANGLES_DEG, strict=True)])
