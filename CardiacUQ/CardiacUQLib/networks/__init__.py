"""Networks by name. Plain torch: importing MONAI costs seconds that every command would pay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..manifest import Architecture, NetworkSpec

if TYPE_CHECKING:
    from torch import nn


def build_network(spec: NetworkSpec) -> nn.Module:
    """The untrained network that ``spec`` describes; calling it gives logits (N, C, [z,] y, x).

    Networks with deep supervision offer ``deep(x)``: the logits of the three finest levels.
    """
    if spec.architecture is Architecture.UNET_2D:
        from .unet2d import UNet2D

        return UNet2D(spec.in_channels, spec.out_channels, spec.filters, spec.dropout)
    if spec.architecture is Architecture.UNET_3D:
        from .unet3d import UNet3D

        return UNet3D(spec.in_channels, spec.out_channels, spec.filters, spec.dropout)
    raise ValueError(f"no network is known by the name {spec.architecture}")
