"""Neighbouring slices as channels, and that inference hands networks as many as they were built for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from cascade_fakes import FakeBundle, FromMasks3D, small_manifest
from torch import nn

from CardiacUQLib.bundles.classes import CINE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind, Manifest, RoiSpec, View
from CardiacUQLib.inference.ensemble import run_streaming
from CardiacUQLib.inference.passes import Arithmetic, run_cascade
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


class NeighbourInfarct(nn.Module):
    """Infarct where the slice after this one is bright, background elsewhere."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.shape[1] == 3
        p = torch.full_like(x[:, :1], -40).repeat(1, 5, 1, 1)
        p[:, 0], p[:, 3] = 20, 40 * x[:, 2]
        return p


@pytest.mark.parametrize("view", [View.IDENTITY, View.VERTICAL])
def test_a_2d_stage_with_three_inputs_sees_its_neighbours_and_the_3d_stage_its_masks(view):
    crop = np.zeros((3, 16, 16), np.float32)
    crop[1, 4] = 1
    manifest = small_manifest((0,))
    networks = dict(manifest.networks)
    networks["stage2d"] = dataclasses.replace(networks["stage2d"], in_channels=3)
    source = FakeBundle(
        dataclasses.replace(manifest, networks=networks),
        {("stage2d", 0): NeighbourInfarct(), ("stage3d", 0): FromMasks3D()},
    )
    (one,) = run_cascade(crop, source, Arithmetic(torch.device("cpu")), folds=(0,), views=(view,))
    labels = one.p2d.argmax(dim=0)
    assert (labels[0, 4] == 3).all() and int((labels == 3).sum()) == 16
    assert torch.equal(one.p3d.argmax(dim=0) == 3, labels == 3)
