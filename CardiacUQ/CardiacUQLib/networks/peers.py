"""MONAI's networks as members of an ensemble, so that published peers can be put beside ours.

Imported only when a bundle or recipe names one: MONAI takes seconds to import.
"""

from __future__ import annotations

from torch import nn

from .spec import Architecture, NetworkSpec


def build_peer(spec: NetworkSpec) -> nn.Module:
    """DynUNet, AttentionUnet or SwinUNETR in 2D with the channels of ``spec``; gives logits."""
    from monai.networks.nets.attentionunet import AttentionUnet
    from monai.networks.nets.dynunet import DynUNet
    from monai.networks.nets.swin_unetr import SwinUNETR

    filters = list(spec.filters)
    levels = len(filters)
    if spec.architecture is Architecture.DYNUNET_2D:
        strides = [1, *[2] * (levels - 1)]
        return DynUNet(
            2, spec.in_channels, spec.out_channels, [3] * levels, strides, strides[1:],
            filters=filters, dropout=spec.dropout, res_block=True,
        )  # fmt: skip
    if spec.architecture is Architecture.ATTENTION_UNET_2D:
        return AttentionUnet(
            2, spec.in_channels, spec.out_channels, filters, [2] * (levels - 1), dropout=spec.dropout
        )
    return SwinUNETR(
        spec.in_channels, spec.out_channels, feature_size=filters[0], drop_rate=spec.dropout, spatial_dims=2
    )
