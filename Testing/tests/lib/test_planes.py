"""Steps that keep the channels last give what PyTorch's layers give, and so do their gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from CardiacUQLib.networks import build_network
from CardiacUQLib.networks.layout import for_inference, last_format
from CardiacUQLib.networks.planes import convolved, halved, instance_norm, pointwise
from CardiacUQLib.networks.spec import Architecture, NetworkSpec


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


def last(*shape: int) -> torch.Tensor:
    x = torch.randn(shape) * 3 + 2
    return x.contiguous(memory_format=last_format(len(shape))).requires_grad_()


def is_last(x: torch.Tensor) -> bool:
    return x.is_contiguous(memory_format=last_format(x.ndim))


@pytest.mark.parametrize("shape", [(3, 16, 40, 32), (3, 24, 6, 10), (2, 8, 3, 20, 20), (2, 8, 3, 6, 4)])
def test_instance_norm_is_that_of_pytorch_with_the_channels_last(shape):
    kind = nn.InstanceNorm2d if len(shape) == 4 else nn.InstanceNorm3d
    norm = kind(shape[1], affine=True)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = last(*shape)
    ours, theirs = instance_norm(x, norm), norm(x)
    assert is_last(ours)
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
    weights = torch.randn_like(theirs)
    asked = (x, norm.weight, norm.bias)
    for one, other in zip(
        torch.autograd.grad((ours * weights).sum(), asked),
        torch.autograd.grad((theirs * weights).sum(), asked),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=1e-3)


def test_pooling_takes_the_largest_of_four():
    x = last(2, 3, 8, 12)
    with torch.inference_mode():
        torch.testing.assert_close(halved(x), functional.max_pool2d(x, 2), rtol=0, atol=0)
    assert halved(x).requires_grad


@pytest.mark.parametrize("layer", [nn.Conv2d(5, 3, 1), nn.Conv3d(5, 3, 1), nn.Conv3d(5, 3, 1, bias=False)])
def test_a_convolution_of_one_pixel_is_a_product_of_matrices(layer):
    x = last(2, 5, 4, 6) if isinstance(layer, nn.Conv2d) else last(2, 5, 3, 4, 6)
    y = pointwise(x, layer)
    assert is_last(y)
    torch.testing.assert_close(y, layer(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("stacks", [1, 2])
@pytest.mark.parametrize(
    ("kernel", "stride"), [((1, 3, 3), 1), ((1, 3, 3), 2), ((3, 3, 3), 1), ((3, 3, 3), 2)]
)
def test_a_convolution_of_stacks_is_that_of_pytorch(kernel, stride, stacks):
    padding = tuple(size // 2 for size in kernel)
    layer = nn.Conv3d(4, 6, kernel, (1, stride, stride), padding, bias=False)
    x = last(stacks, 4, 5, 8, 12)
    ours, theirs = convolved(x, layer), layer(x)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    weights = torch.randn_like(theirs)
    for one, other in zip(
        torch.autograd.grad((ours * weights).sum(), (x, layer.weight)),
        torch.autograd.grad((theirs * weights).sum(), (x, layer.weight)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-4)
    with torch.inference_mode():
        torch.testing.assert_close(convolved(x, layer), layer(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("architecture", "filters"),
    [
        (Architecture.STREAMING_UNET, (4, 8, 8)),
        (Architecture.DEEPLAB_V3_PLUS, (4, 4, 8, 8, 8, 8, 8)),
        (Architecture.UNET_2D, (4, 8, 8)),
    ],
)
def test_a_network_made_for_inference_answers_as_before(architecture, filters):
    network = build_network(NetworkSpec(architecture, 1, 4, filters, 0.1))
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 1, 32, 32) * 2 + 1)  # running statistics that are not 0 and 1
    network.eval()
    image = torch.randn(2, 1, 32, 32)
    with torch.inference_mode():
        before = network(image)
        made = for_inference(for_inference(network))
        torch.testing.assert_close(made(image), before, atol=1e-5, rtol=1e-4)
    assert made is network
    assert not [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]


def test_a_network_that_still_learns_keeps_its_batch_norm():
    network = build_network(NetworkSpec(Architecture.STREAMING_UNET, 1, 4, (4, 8), 0.1)).train()
    for_inference(network)
    assert [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
