"""The networks: shapes, levels, widths, and what each may see."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from CardiacUQLib.networks import build_network
from CardiacUQLib.networks.spec import Architecture, NetworkSpec

SLICES = NetworkSpec(Architecture.UNET_2D, 1, 5, (4, 8, 8, 8, 8), 0.1)
STACKS = NetworkSpec(Architecture.UNET_3D, 3, 5, (4, 8, 8, 8, 8), 0.1)


@pytest.mark.parametrize(
    ("spec", "shape"), [(SLICES, (2, 1, 32, 48)), (STACKS, (2, 3, 1, 32, 32)), (STACKS, (1, 3, 5, 48, 32))]
)
def test_logits_have_the_input_grid_and_deep_outputs_halve_the_plane(spec, shape):
    network = build_network(spec).eval()
    image = torch.randn(shape)
    logits = network(image)
    assert logits.shape == (shape[0], 5, *shape[2:])
    deep = network.deep(image)
    torch.testing.assert_close(deep[0], logits)
    assert [o.shape[-1] for o in deep] == [shape[-1], shape[-1] // 2, shape[-1] // 4]
    assert all(o.shape[2:-2] == shape[2:-2] for o in deep)


def test_paper_widths_give_the_size_counted_by_hand():
    def block(inputs: int, outputs: int) -> int:
        return (9 * inputs + 1) * outputs + 9 * outputs * outputs + 2 * outputs  # bias, no bias, affine norm

    widths = (32, 64, 128, 256, 512)
    down = block(1, 32) + sum(block(a, b) for a, b in pairwise(widths))
    up = sum(block(2 * a, a) + (b + 1) * a for a, b in pairwise(widths))
    heads = sum((width + 1) * 5 for width in widths[:3])
    network = build_network(NetworkSpec(Architecture.UNET_2D, 1, 5, widths, 0.1))
    assert sum(p.numel() for p in network.parameters()) == down + up + heads


def test_the_2d_network_sees_each_slice_alone():
    network = build_network(SLICES).eval()
    batch = torch.randn(3, 1, 32, 32)
    alone = torch.cat([network(one[None]) for one in batch])
    torch.testing.assert_close(network(batch), alone, atol=1e-5, rtol=1e-4)


def test_the_3d_network_sees_neighbouring_slices():
    network = build_network(STACKS).eval()
    stack = torch.randn(1, 3, 5, 32, 32)
    changed = stack.clone()
    changed[:, :, 0] = 0
    with torch.inference_mode():
        difference = network(stack) - network(changed)
    assert float(difference[:, :, 2].abs().max()) > 1e-4


def test_dropout_is_active_in_training_only():
    network = build_network(SLICES)
    image = torch.randn(1, 1, 32, 32)
    assert not torch.equal(network.train()(image), network(image))
    assert torch.equal(network.eval()(image), network(image))


def test_lifting_before_up_sampling_equals_after():
    # The order differs from the reference for speed; nearest up-sampling commutes with a 1 x 1 convolution.
    lift = torch.nn.Conv2d(8, 4, 1)
    features = torch.randn(2, 8, 6, 6)
    up = torch.nn.functional.interpolate
    torch.testing.assert_close(up(lift(features), scale_factor=2.0), lift(up(features, scale_factor=2.0)))


def test_an_unknown_architecture_is_refused():
    with pytest.raises(ValueError, match="no network is known"):
        build_network(NetworkSpec("resnet", 1, 5, (4,), 0.0))
