"""How networks lie in memory, and what is computed once before they run many times."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def channels_last(network: nn.Module) -> nn.Module:
    """The network with the channels of its weights last, in 2D and 3D: convolutions on processors like it."""
    for weight in network.parameters():
        if weight.ndim in (4, 5):
            weight.data = weight.data.contiguous(memory_format=last_format(weight.ndim))
    return network


def last_format(dimensions: int) -> torch.memory_format:
    """Channels last for tensors (N, C, y, x) or (N, C, z, y, x)."""
    return torch.channels_last if dimensions == 4 else torch.channels_last_3d


def for_inference(network: nn.Module) -> nn.Module:
    """The network in the form in which it runs fastest, changed in place; doing it again changes nothing.

    Batch norm becomes part of the convolution before it, and channels lie last. The outputs stay the same up
    to rounding. A network in training mode keeps its batch norm, which still learns.
    """
    for block in network.modules():
        if isinstance(block, nn.Sequential) and not block.training:
            _fold_batch_norm(block)
    return channels_last(network)


def _fold_batch_norm(block: nn.Sequential) -> None:
    for place in range(1, len(block)):
        before, norm = block[place - 1], block[place]
        if isinstance(before, nn.Conv2d | nn.Conv3d) and isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d):
            block[place - 1], block[place] = fuse_conv_bn_eval(before, norm), nn.Identity()
