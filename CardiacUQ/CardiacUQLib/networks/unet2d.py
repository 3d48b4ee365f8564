"""The slice-wise U-Net of the cascade's first stage (Schwab et al., MICCAI UNSURE 2025)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .planes import halved, instance_norm, pointwise
from .supervision import SUPERVISED_LEVELS, DeeplySupervised

NEGATIVE_SLOPE = 0.01


class ConvBlock2D(nn.Module):
    """Two 3 x 3 convolutions with LeakyReLU; affine instance norm on the second; channel dropout."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm = nn.InstanceNorm2d(out_channels, affine=True)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.leaky_relu(self.first(x), NEGATIVE_SLOPE, inplace=True)
        x = functional.leaky_relu(instance_norm(self.second(x), self.norm), NEGATIVE_SLOPE, inplace=True)
        return self.dropout(x)


class UNet2D(DeeplySupervised):
    """U-Net with max pooling down, nearest up-sampling + 1 x 1 convolution up, deep supervision.

    ``filters`` lists the channels from the finest to the deepest level; height and width of the
    input must be multiples of ``2 ** (len(filters) - 1)``.
    """

    def __init__(self, in_channels: int, out_channels: int, filters: Sequence[int], dropout: float) -> None:
        super().__init__()
        inputs = [in_channels, *filters[:-1]]
        # Channel dropout at the finest level would blank out edges that nothing else can restore.
        rates = [0.0, *[dropout] * (len(filters) - 1)]
        self.encoder = nn.ModuleList(map(ConvBlock2D, inputs, filters, rates))
        levels = range(len(filters) - 1)
        self.lift = nn.ModuleList(nn.Conv2d(filters[i + 1], filters[i], 1) for i in levels)
        self.decoder = nn.ModuleList(ConvBlock2D(2 * filters[i], filters[i], rates[i]) for i in levels)
        supervised = min(SUPERVISED_LEVELS, len(levels))
        self.heads = nn.ModuleList(nn.Conv2d(filters[i], out_channels, 1) for i in range(supervised))

    def _decode(self, x: Tensor) -> list[Tensor]:
        """Decoder features of all levels, finest first."""
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else halved(x))
            skips.append(x)
        x = skips.pop()
        features: list[Tensor] = []
        for level in reversed(range(len(self.decoder))):
            # 1 x 1 convolution and nearest up-sampling commute; this order is 4 x cheaper
            lifted = pointwise(x, self.lift[level])
            x = torch.cat([functional.interpolate(lifted, scale_factor=2.0), skips.pop()], dim=1)
            x = self.decoder[level](x)
            features.insert(0, x)
        return features
