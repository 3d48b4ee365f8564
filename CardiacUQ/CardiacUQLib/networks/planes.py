"""Steps between convolutions that keep the channels last in memory on a processor.

PyTorch's instance norm returns its result with the channels first, whatever it was given, and every later
step then pays for it; its pooling is slow for channels first. What is here computes the same, up to rounding.
Elsewhere than on a processor PyTorch's own functions are called.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUP_NORM_VOXELS = 1024
"""From this size on PyTorch normalises groups with channels last by a vectorised path of its own."""


def instance_norm(x: Tensor, norm: nn.InstanceNorm2d | nn.InstanceNorm3d) -> Tensor:
    """``norm(x)`` for (N, C, [z,] y, x) with affine ``norm``, in the memory format of ``x``."""
    if x.device.type != "cpu":
        return norm(x)
    count, channels, *grid = x.shape
    if x[0, 0].numel() >= GROUP_NORM_VOXELS:
        return functional.group_norm(x, channels, norm.weight, norm.bias, norm.eps)
    rows = x.movedim(1, -1).reshape(count, -1, channels).float()
    centred = rows - rows.mean(dim=1, keepdim=True)
    scale = torch.rsqrt(centred.square().mean(dim=1, keepdim=True) + norm.eps) * norm.weight
    result = torch.addcmul(norm.bias, centred, scale).to(x.dtype)
    return result.reshape(count, *grid, channels).movedim(-1, 1)


def halved(x: Tensor) -> Tensor:
    """The largest of every 2 x 2 pixels of (N, C, y, x); height and width are even."""
    if x.device.type != "cpu" or torch.is_grad_enabled():
        return functional.max_pool2d(x, 2)
    rows = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
    return torch.maximum(rows[..., ::2], rows[..., 1::2])


def pointwise(x: Tensor, layer: nn.Module) -> Tensor:
    """``layer(x)`` for a convolution that sees one pixel alone, as the product of matrices that it is.

    PyTorch leaves it, for few images on one thread, to code that wants the channels first.
    """
    if x.device.type != "cpu":
        return layer(x)
    matrix = cast(nn.Conv2d, layer)
    return functional.linear(x.movedim(1, -1), matrix.weight.flatten(1), matrix.bias).movedim(-1, 1)


def convolved(x: Tensor, layer: nn.Conv3d) -> Tensor:
    """``layer(x)`` for stacks (N, C, z, y, x) and an odd kernel that keeps their size but for its stride.

    Where the kernel sees one slice alone, all slices go through a 2D convolution. So does a single stack, its
    neighbouring slices as further channels: PyTorch leaves it to code that is several times slower.
    """
    reach = layer.kernel_size[0]
    if x.device.type != "cpu" or (reach > 1 and len(x) > 1):
        return layer(x)
    depth, weight = x.shape[2], layer.weight.transpose(1, 2).flatten(1, 2)
    if reach > 1:
        beyond = functional.pad(x, (0, 0, 0, 0, reach // 2, reach // 2))
        x = torch.cat([beyond[:, :, first : first + depth] for first in range(reach)], dim=1)
    slices = x.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
    y = functional.conv2d(slices, weight, layer.bias, layer.stride[1:], layer.padding[1:])  # pyright: ignore[reportArgumentType]
    return y.unflatten(0, (len(x), depth)).transpose(1, 2)
