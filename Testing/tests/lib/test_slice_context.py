"""Neighbouring slices as channels, and that inference hands members as many as they were built for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from CardiacUQLib.bundles.classes import CINE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind, Manifest, RoiSpec, View
from CardiacUQLib.inference.ensemble import run_streaming
from CardiacUQLib.inference.passes import Arithmetic
from CardiacUQLib.inference.slice_context import with_neighbours
from CardiacUQLib.networks.spec import Architecture, NetworkSpec


def test_each_slice_lies_between_those_before_and_after_it():
    stack = torch.tensor([1.0, 2.0, 3.0])[None, :, None, None].expand(2, 3, 4, 5)
    seen = with_neighbours(stack, 3)
    assert seen.shape == (2, 3, 3, 4, 5)
    assert seen[0, :, :, 0, 0].tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 0]]
    assert torch.equal(seen[1], seen[0]) and torch.equal(seen[..., 0, 0], seen[..., 3, 4])


def test_five_channels_reach_two_slices_even_in_a_stack_of_two():
    seen = with_neighbours(torch.tensor([1.0, 2.0])[:, None, None], 5)
    assert seen[:, :, 0, 0].tolist() == [[0, 0, 1, 2, 0], [0, 1, 2, 0, 0]]


def test_one_channel_is_the_slice_itself():
    stack = torch.rand(2, 3, 4, 4)
    assert torch.equal(with_neighbours(stack, 1), stack[:, :, None])


def test_no_middle_without_an_odd_number():
    with pytest.raises(ValueError, match="2 channels have no middle one"):
        with_neighbours(torch.zeros(3, 4, 4), 2)


class Neighbour(nn.Module):
    """Class 1 where the slice after this one is bright."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.shape[1] == 3
        after = 40 * x[:, 2:]
        return torch.cat(
            [torch.full_like(after, 20), after, torch.zeros_like(after), torch.zeros_like(after)], 1
        )


class Source:
    manifest = Manifest(
        "tiny", "1", BundleKind.STREAMING, "t", "l", "d", CINE_CLASSES, RoiSpec(8, None),
        {"member0": NetworkSpec(Architecture.STREAMING_UNET, 3, 4, (4, 4), 0.0)}, (),
    )  # fmt: skip

    def network(self, network: str, fold: int, device: torch.device) -> nn.Module:
        return Neighbour()


@pytest.mark.parametrize("view", [View.IDENTITY, View.HORIZONTAL])
def test_members_with_three_inputs_see_their_neighbours(view):
    crop = np.zeros((4, 8, 8), np.float32)
    crop[2, :, :3] = 1
    passes = run_streaming(crop, Source(), Arithmetic(torch.device("cpu")), folds=(0,), views=(view,))
    labels = next(passes).members[0].argmax(dim=0).numpy()
    expected = np.zeros((4, 8, 8), int)
    expected[1, :, :3] = 1
    assert np.array_equal(labels, expected)
