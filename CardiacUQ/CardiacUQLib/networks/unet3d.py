"""The correcting 3D U-Net of the cascade's second stage (Schwab et al., MedIA 2025; UNSURE 2025)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .planes import convolved, instance_norm
from .supervision import SUPERVISED_LEVELS, DeeplySupervised
from .unet2d import NEGATIVE_SLOPE

FLAT_LEVELS = 2
"""The finest levels see single slices: 8-10 mm between slices say nothing about 1.5 mm detail."""


class ConvBlock3D(nn.Module):
    """Two convolutions, each with affine instance norm and LeakyReLU; the first may stride in plane."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: tuple[int, int, int], stride: int, dropout: float
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        self.first = nn.Conv3d(in_channels, out_channels, kernel, (1, stride, stride), padding, bias=False)
        self.first_norm = nn.InstanceNorm3d(out_channels, affine=True)
        self.second = nn.Conv3d(out_channels, out_channels, kernel, 1, padding, bias=False)
        self.second_norm = nn.InstanceNorm3d(out_channels, affine=True)
        self.dropout = nn.Dropout3d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = instance_norm(convolved(x, self.first), self.first_norm)
        x = functional.leaky_relu(x, NEGATIVE_SLOPE, inplace=True)
        x = instance_norm(convolved(x, self.second), self.second_norm)
        x = functional.leaky_relu(x, NEGATIVE_SLOPE, inplace=True)
        return self.dropout(x)


class UNet3D(DeeplySupervised):
    """U-Net over whole stacks (N, C, z, y, x) that halves the plane but never the slice direction.

    Kernels are 1 x 3 x 3 on the two finest levels and 3 x 3 x 3 below; up-sampling is by transposed
    convolution. Any number of slices goes in; height and width must be multiples of
    ``2 ** (len(filters) - 1)``.
    """

    def __init__(self, in_channels: int, out_channels: int, filters: Sequence[int], dropout: float) -> None:
        super().__init__()
        kernels = [(1, 3, 3) if level < FLAT_LEVELS else (3, 3, 3) for level in range(len(filters))]
        rates = [0.0, *[dropout] * (len(filters) - 1)]
        inputs = [in_channels, *filters[:-1]]
        self.encoder = nn.ModuleList(
            ConvBlock3D(inputs[i], filters[i], kernels[i], 1 if i == 0 else 2, rates[i])
            for i in range(len(filters))
        )
        levels = range(len(filters) - 1)
        self.lift = nn.ModuleList(
            nn.ConvTranspose3d(filters[i + 1], filters[i], (1, 2, 2), (1, 2, 2)) for i in levels
        )
        self.decoder = nn.ModuleList(
            ConvBlock3D(2 * filters[i], filters[i], kernels[i], 1, rates[i]) for i in levels
        )
        supervised = min(SUPERVISED_LEVELS, len(levels))
        self.heads = nn.ModuleList(nn.Conv3d(filters[i], out_channels, 1) for i in range(supervised))

    def _decode(self, x: Tensor) -> list[Tensor]:
        """Decoder features of all levels, finest first."""
        skips = []
        for block in self.encoder:
            x = block(x)
            skips.append(x)
        x = skips.pop()
        features: list[Tensor] = []
        for level in reversed(range(len(self.decoder))):
            x = self.decoder[level](torch.cat([self.lift[level](x), skips.pop()], dim=1))
            features.insert(0, x)
        return features
