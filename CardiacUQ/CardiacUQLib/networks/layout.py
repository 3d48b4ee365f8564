"""How weights lie in memory."""

from __future__ import annotations

import torch
from torch import nn


def channels_last(network: nn.Module) -> nn.Module:
    """The network with the channels of its 2D weights last, which convolutions on processors like."""
    return network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue, reportArgumentType]
