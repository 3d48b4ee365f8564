"""A head start for a network that sees more: the weights of a finished one where the two correspond.

Both are U-Nets over the same levels, so a 2D kernel becomes the middle slice of a 3D one (the inflation of
Carreira and Zisserman, 2017). The 3D network then begins by looking at each slice as the 2D network did,
and spends its training on what it is for: the neighbouring slices and the masks. A 2D network that gets to
see its neighbours begins likewise: what it has learned goes to the middle channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from CardiacUQLib.networks.unet2d import UNet2D
from CardiacUQLib.networks.unet3d import UNet3D


def with_more_inputs(weights: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``weights`` of a network that sees single slices, for one that sees neighbours as well.

    Wherever ``like`` has an odd number of input channels for one of ``weights``, (out, 1, y, x), that one
    becomes the middle channel and the others are zero, so that the network at first gives what it gave.
    """
    return {name: _in_the_middle(value, like.get(name)) for name, value in weights.items()}


def _in_the_middle(weight: Tensor, like: Tensor | None) -> Tensor:
    if like is None or weight.ndim != 4 or weight.shape == like.shape or weight.shape[1] != 1:
        return weight
    wide = weight.new_zeros(weight.shape[0], like.shape[1], *weight.shape[2:])
    wide[:, like.shape[1] // 2] = weight[:, 0]
    return wide


@torch.no_grad()
def inflate(flat: UNet2D, deep: UNet3D) -> int:
    """Copy what fits from ``flat`` into ``deep``; returns the number of layers that were filled.

    Levels whose widths differ are left as they were drawn. Channels that only the 3D network has (the
    masks) start at zero: they are ignored at first, not guessed.
    """
    pairs: list[tuple[Any, Any]] = []  # what a ModuleList hands out has no type
    for ours, theirs in zip((*flat.encoder, *flat.decoder), (*deep.encoder, *deep.decoder), strict=True):
        pairs += [(ours.first, theirs.first), (ours.second, theirs.second), (ours.norm, theirs.second_norm)]
    pairs += list(zip((*flat.lift, *flat.heads), (*deep.lift, *deep.heads), strict=True))
    (entrance, target), *others = pairs
    return _fill_entrance(entrance, target) + sum(_fill(source, target) for source, target in others)


def _fill_entrance(source: nn.Conv2d, target: nn.Conv3d) -> bool:
    """The first layer, whose inputs differ: the 2D network may see neighbours, the 3D network masks."""
    own = source.weight.shape[1] // 2
    image = source.weight[:, own : own + 1]
    if image.shape[0] != target.weight.shape[0]:
        return False
    target.weight.copy_(_middle_slice(image, target.weight))
    return True


def _fill(
    source: nn.Conv2d | nn.ConvTranspose2d | nn.InstanceNorm2d,
    target: nn.Conv3d | nn.ConvTranspose3d | nn.InstanceNorm3d,
) -> bool:
    """Fill one layer; False if its shape does not allow it."""
    weight = source.weight
    if isinstance(target, nn.InstanceNorm3d):
        if weight.shape != target.weight.shape or source.bias is None:
            return False
        target.weight.copy_(weight)
        target.bias.copy_(source.bias)
        return True
    if isinstance(target, nn.ConvTranspose3d):
        weight = weight.transpose(0, 1).expand(-1, -1, *target.kernel_size[1:])
    if weight.shape[:2] != target.weight.shape[:2]:
        return False
    target.weight.copy_(_middle_slice(weight, target.weight))
    if target.bias is not None and source.bias is not None:
        target.bias.copy_(source.bias)
    return True


def _middle_slice(weight: Tensor, like: Tensor) -> Tensor:
    """``weight`` (out, in, y, x) in the middle of z of zeros shaped as ``like`` (out, in, z, y, x)."""
    result = torch.zeros_like(like)
    result[:, : weight.shape[1], like.shape[2] // 2] = weight
    return result
