"""Networks by name. Plain torch: importing MONAI costs seconds that every command would pay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .spec import Architecture, NetworkSpec

if TYPE_CHECKING:
    from torch import nn


def build_network(spec: NetworkSpec) -> nn.Module:
    """The untrained network that ``spec`` describes; calling it gives logits (N, C, [z,] y, x).

    The cascade's networks, trained with deep supervision, also offer ``deep(x)``: the logits of the
    three finest levels.
    """
    arguments = (spec.in_channels, spec.out_channels, spec.filters, spec.dropout)
    match spec.architecture:
        case Architecture.UNET_2D:
            from .unet2d import UNet2D

            return UNet2D(*arguments)
        case Architecture.UNET_3D:
            from .unet3d import UNet3D

            return UNet3D(*arguments)
        case Architecture.STREAMING_UNET:
            from .streaming_unet import StreamingUNet

            return StreamingUNet(*arguments)
        case Architecture.DEEPLAB_V3_PLUS:
            from .deeplab import DeepLabV3Plus

            return DeepLabV3Plus(*arguments)
        case Architecture.DYNUNET_2D | Architecture.ATTENTION_UNET_2D | Architecture.SWIN_UNETR_2D:
            from .peers import build_peer

            return build_peer(spec)
    raise ValueError(f"no network is known by the name {spec.architecture}")
