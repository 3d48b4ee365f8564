"""The 3D network's head start: what is copied gives what the 2D network gives."""

from __future__ import annotations

import torch

from CardiacUQLib.networks.streaming_unet import StreamingUNet
from CardiacUQLib.networks.unet2d import UNet2D
from CardiacUQLib.networks.unet3d import UNet3D
from CardiacUQTraining.training.inflation import inflate, with_more_inputs


def networks(deep_filters=(4, 8, 8, 8)) -> tuple[UNet2D, UNet3D]:
    torch.manual_seed(0)
    return UNet2D(1, 5, (4, 8, 8, 8), 0.0).eval(), UNet3D(3, 5, deep_filters, 0.0).eval()


def test_every_layer_is_filled_when_the_widths_agree():
    flat, deep = networks()
    # 4 + 3 blocks of two convolutions and a norm, 3 liftings, 3 heads
    assert inflate(flat, deep) == 7 * 3 + 3 + 3


def test_lifting_is_the_same_operation():
    flat, deep = networks()
    inflate(flat, deep)
    features = torch.randn(2, 8, 5, 5)
    up = torch.nn.functional.interpolate(flat.lift[1](features), scale_factor=2.0)
    stacked = deep.lift[1](features[:, :, None])[:, :, 0]
    torch.testing.assert_close(stacked, up)


def test_kernels_sit_in_the_middle_slice_and_masks_are_ignored_at_first():
    flat, deep = networks()
    inflate(flat, deep)
    kernel = deep.encoder[2].second.weight
    torch.testing.assert_close(kernel[:, :, 1], flat.encoder[2].second.weight)
    assert float(kernel[:, :, [0, 2]].detach().abs().sum()) == 0
    stack = torch.randn(1, 3, 3, 16, 16)
    other = stack.clone()
    other[:, 1:] = 1 - other[:, 1:]
    torch.testing.assert_close(deep(stack), deep(other))


def test_levels_of_other_width_keep_their_own_weights():
    flat, deep = networks(deep_filters=(4, 8, 6, 6))
    before = deep.encoder[3].second.weight.clone()
    assert 0 < inflate(flat, deep) < 27
    assert torch.equal(deep.encoder[3].second.weight, before)
    torch.testing.assert_close(deep.encoder[1].second.weight[:, :, 0], flat.encoder[1].second.weight)


def test_a_network_that_gets_to_see_its_neighbours_first_gives_what_it_gave():
    torch.manual_seed(0)
    alone, among = (StreamingUNet(inputs, 4, (4, 8), 0.0).eval() for inputs in (1, 3))
    among.load_state_dict(with_more_inputs(alone.state_dict(), among.state_dict()))
    slices = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(among(slices), alone(slices[:, 1:2]))


def test_weights_that_fit_are_left_alone():
    network = StreamingUNet(1, 4, (4, 8), 0.0)
    weights = network.state_dict()
    same = with_more_inputs(weights, weights)
    assert all(same[name] is value for name, value in weights.items())
