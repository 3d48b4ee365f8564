"""The U-Net member of Streaming (cine): batch norm, ReLU, bilinear up-sampling, dropout at the bottom."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .planes import halved, pointwise


def double_convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    """Twice: 3 x 3 convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class StreamingUNet(nn.Module):
    """2D U-Net over slices (N, C, y, x); ``filters`` from the finest to the deepest level.

    Height and width must be multiples of ``2 ** (len(filters) - 1)``. The published widths are
    32, 64, 128, 256, 256 with dropout 0.5 at the bottom.
    """

    def __init__(self, in_channels: int, out_channels: int, filters: Sequence[int], dropout: float) -> None:
        super().__init__()
        inputs = [in_channels, *filters[:-1]]
        self.encoder = nn.ModuleList(map(double_convolution, inputs, filters))
        self.bottom = nn.Dropout(dropout)
        levels = range(len(filters) - 1)
        self.decoder = nn.ModuleList(
            double_convolution(filters[i + 1] + filters[i], filters[i]) for i in levels
        )
        self.head = nn.Conv2d(filters[0], out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, C, y, x)."""
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else halved(x))
            skips.append(x)
        x = self.bottom(skips.pop())
        for level in reversed(range(len(self.decoder))):
            x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)
            x = self.decoder[level](torch.cat([skips.pop(), x], dim=1))
        return pointwise(x, self.head)
