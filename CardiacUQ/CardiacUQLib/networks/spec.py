"""What a network is built from: family, channels, widths. Light: manifests are read without torch."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Architecture(enum.StrEnum):
    """Network families that :func:`CardiacUQLib.networks.build_network` knows."""

    UNET_2D = "unet2d"
    UNET_3D = "unet3d"
    STREAMING_UNET = "streaming_unet"
    DEEPLAB_V3_PLUS = "deeplabv3plus"
    DYNUNET_2D = "dynunet2d"
    ATTENTION_UNET_2D = "attentionunet2d"
    SWIN_UNETR_2D = "swinunetr2d"


@dataclass(frozen=True)
class NetworkSpec:
    """Architecture and size of one network; ``filters`` from the finest to the deepest level.

    A member of a cine ensemble, or the 2D stage of a cascade, with 3 or more ``in_channels`` sees the
    neighbours of its slice as well.
    """

    architecture: Architecture
    in_channels: int
    out_channels: int
    filters: tuple[int, ...]
    dropout: float = 0.0
