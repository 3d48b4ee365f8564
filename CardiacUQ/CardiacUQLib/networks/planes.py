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

    Where the kernel sees one slice alone, all slices go through a 2D convolution. PyTorch leaves a single
    stack to code that is several times slower than oneDNN's, so that one is asked for by its name.
    """
    if x.device.type != "cpu":
        return layer(x)
    if layer.kernel_size[0] == 1:
        slices, weight = x.transpose(1, 2).flatten(0, 1), layer.weight[:, :, 0]
        y = functional.conv2d(slices, weight, layer.bias, layer.stride[1:], layer.padding[1:])  # pyright: ignore
        return y.unflatten(0, (len(x), x.shape[2])).transpose(1, 2)
    if len(x) == 1 and _onednn_float32(x):
        padding = [size // 2 for size in layer.kernel_size]
        return torch.mkldnn_convolution(x, layer.weight, layer.bias, padding, layer.stride, layer.dilation, 1)
    return layer(x)


def _onednn_float32(x: Tensor) -> bool:
    plain = x.dtype is torch.float32 and not torch.is_autocast_enabled("cpu")
    return plain and torch.backends.mkldnn.is_available() and not torch.is_grad_enabled()
