"""DeepLabV3+ on a MobileNetV2 backbone, the other member of Streaming (Chen 2018; Sandler 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

EXPANSION = 6
STAGE_DEPTHS = (1, 2, 3, 4, 3, 3)
"""Inverted residuals per backbone stage, as in MobileNetV2 up to its 160-channel stage."""
STAGE_STRIDES = (1, 2, 2, 2, 1, 1)
"""Strides of the stages; the last stage is dilated instead, so that the output stride stays 16."""
LAST_DILATION = 2
ASPP_RATES = (6, 12, 18)
LOW_LEVEL_STAGE = 1
LOW_LEVEL_CHANNELS = 48


def _convolution(inputs: int, outputs: int, kernel: int = 1, **options: Any) -> nn.Sequential:
    """Convolution, batch norm, ReLU6, keeping the size unless strided."""
    padding = options.get("dilation", 1) * (kernel // 2)
    layer = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False, **options)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """Widen, filter each channel apart, narrow again; with a shortcut where the shape allows it."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int, dilation: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.shortcut = stride == 1 and inputs == outputs
        layers: list[nn.Module] = [] if expansion == 1 else [_convolution(inputs, wide)]
        layers.append(_convolution(wide, wide, 3, stride=stride, groups=wide, dilation=dilation))
        layers += [nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.shortcut else self.layers(x)


class PyramidPooling(nn.Module):
    """Atrous spatial pyramid pooling: 1 x 1, three dilated 3 x 3 and a global branch."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                _convolution(inputs, outputs),
                *(_convolution(inputs, outputs, 3, dilation=r) for r in ASPP_RATES),
            ]
        )
        # No batch norm on a single pixel: a batch of one slice could not be trained.
        self.overall = nn.Conv2d(inputs, outputs, 1)
        self.join = _convolution(outputs * (len(ASPP_RATES) + 2), outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        overall = functional.relu(self.overall(x.mean(dim=(2, 3), keepdim=True))).expand(-1, -1, *x.shape[2:])
        return self.dropout(self.join(torch.cat([*(branch(x) for branch in self.branches), overall], dim=1)))


class DeepLabV3Plus(nn.Module):
    """2D segmentation of slices (N, C, y, x).

    ``filters`` are the channels of the six backbone stages, then of the pyramid; published:
    16, 24, 32, 64, 96, 160, 256. Height and width must be multiples of 16.
    """

    def __init__(self, in_channels: int, out_channels: int, filters: Sequence[int], dropout: float) -> None:
        super().__init__()
        if len(filters) != len(STAGE_DEPTHS) + 1:
            raise ValueError(f"DeepLabV3+ takes {len(STAGE_DEPTHS) + 1} widths, got {len(filters)}")
        *widths, pyramid = filters
        stem = 2 * widths[0]
        self.stem = _convolution(in_channels, stem, 3, stride=2)
        self.stages = nn.ModuleList()
        inputs = stem
        for number, width in enumerate(widths):
            self.stages.append(self._stage(number, inputs, width))
            inputs = width
        self.pyramid = PyramidPooling(inputs, pyramid, dropout)
        self.low_level = _convolution(widths[LOW_LEVEL_STAGE], LOW_LEVEL_CHANNELS)
        self.refine = nn.Sequential(
            _convolution(pyramid + LOW_LEVEL_CHANNELS, pyramid, 3), _convolution(pyramid, pyramid, 3)
        )
        self.head = nn.Conv2d(pyramid, out_channels, 1)

    @staticmethod
    def _stage(number: int, inputs: int, width: int) -> nn.Sequential:
        expansion = 1 if number == 0 else EXPANSION
        dilation = LAST_DILATION if number == len(STAGE_DEPTHS) - 1 else 1
        blocks = []
        for block in range(STAGE_DEPTHS[number]):
            stride = STAGE_STRIDES[number] if block == 0 else 1
            blocks.append(
                InvertedResidual(inputs if block == 0 else width, width, stride, expansion, dilation)
            )
        return nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, C, y, x)."""
        size = x.shape[2:]
        x = self.stem(x)
        low = x
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number == LOW_LEVEL_STAGE:
                low = self.low_level(x)
        x = functional.interpolate(self.pyramid(x), size=low.shape[2:], mode="bilinear", align_corners=False)
        x = self.head(self.refine(torch.cat([x, low], dim=1)))
        return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
