"""Running Streaming: views, folds, disagreement between members, against stacks and by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from CardiacUQLib.base.errors import CancelledError, ModelError
from CardiacUQLib.base.progress import CancelToken
from CardiacUQLib.bundles.classes import CINE_CLASSES
from CardiacUQLib.bundles.manifest import MIRRORED, BundleKind, Manifest, RoiSpec, View
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.inference.combination import Combination, ensemble
from CardiacUQLib.inference.ensemble import (
    StreamingAccumulator,
    member_names,
    normalise_frame,
    other_opinion,
    parse_combination,
    run_streaming,
)
from CardiacUQLib.inference.maps import mutual_information
from CardiacUQLib.inference.passes import Arithmetic
from CardiacUQLib.networks.spec import Architecture, NetworkSpec

SPEC = NetworkSpec(Architecture.STREAMING_UNET, 1, 4, (4, 4), 0.0)
CPU = Arithmetic(torch.device("cpu"))


class Placed(nn.Module):
    """Logits that depend on the grey value and on the place in the plane, so views show."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ramp = torch.linspace(0, 1, x.shape[-1]).expand_as(x) + torch.linspace(0, 2, x.shape[-2])[:, None]
        parts = [x * self.scale, ramp * self.scale, x * ramp, torch.ones_like(x)]
        return torch.cat(parts, dim=1)


@dataclass(frozen=True)
class Source:
    manifest: Manifest

    def network(self, network: str, fold: int, device: torch.device) -> nn.Module:
        return Placed(1.0 + int(network[-1]) + 0.5 * fold).eval()


@pytest.fixture
def source() -> Source:
    return Source(
        Manifest(
            "tiny", "1", BundleKind.STREAMING, "t", "l", "d", CINE_CLASSES, RoiSpec(16, None),
            {"member0": SPEC, "member1": SPEC}, (),
        )
    )  # fmt: skip


@pytest.fixture
def crop() -> np.ndarray:
    return normalise_frame(np.random.default_rng(0).normal(size=(5, 16, 16)))


def test_members_are_ordered_by_number(source):
    many = replace(source.manifest, networks={f"member{n}": SPEC for n in (10, 2, 0)} | {"locator": SPEC})
    assert member_names(many) == ("member0", "member2", "member10")


def test_frames_are_scaled_to_one():
    frame = normalise_frame(np.array([[[2.0, 4.0], [6.0, 10.0]]]))
    assert frame.ravel().tolist() == [0.0, 0.25, 0.5, 1.0]
    assert np.isfinite(normalise_frame(np.ones((2, 2, 2)))).all()


def test_each_pass_is_the_combination_of_its_members_with_the_flip_undone(source, crop):
    passes = list(run_streaming(crop, source, CPU, folds=[0, 1], views=MIRRORED))
    assert [(p.fold, p.view) for p in passes] == [(f, view) for f in (0, 1) for view in MIRRORED]
    for one in passes:
        frame = torch.flip(torch.from_numpy(crop), one.view.axes)[:, None]
        for number, member in enumerate(one.members):
            alone = Placed(1.0 + number + 0.5 * one.fold)(frame).softmax(dim=1).transpose(0, 1)
            torch.testing.assert_close(member, torch.flip(alone, one.view.axes))
        torch.testing.assert_close(one.combined, ensemble(one.members, Combination.UNCERTAINTY)[0])
    assert not torch.allclose(passes[0].members, passes[1].members)


def test_accumulated_maps_equal_those_of_the_stack(source, crop):
    accumulator, stack = StreamingAccumulator(), []
    for one in run_streaming(crop, source, CPU, folds=[0, 1], views=MIRRORED):
        accumulator.add(one)
        stack.append(one)
    maps = accumulator.maps()
    members = torch.stack([one.members for one in stack])
    scs = (members[:, 0] - members[:, 1]).abs().mean(dim=1).mean(dim=0)
    torch.testing.assert_close(maps[MapName.SCS], scs)
    between = torch.stack([mutual_information(one.members) for one in stack]).mean(dim=0)
    torch.testing.assert_close(maps[MapName.MUTUAL_INFORMATION], between)
    sigma = torch.stack([one.sigma for one in stack]).mean(dim=0)
    weights = torch.stack([one.weights for one in stack]).mean(dim=0)
    expected = 1 - 4 * (weights * sigma).sum(dim=0)
    torch.testing.assert_close(maps[MapName.UNCERTAINTY], expected.expand(5, -1, -1))
    torch.testing.assert_close(accumulator.weights.sum(dim=0), torch.ones(16, 16))
    assert torch.equal(accumulator.prediction().argmax(dim=0), (
        (weights[:, None, None] * members.mean(dim=0)).sum(dim=0).argmax(dim=0)
    ))  # fmt: skip


def test_a_single_member_disagrees_with_nobody(source, crop):
    alone = Source(replace(source.manifest, networks={"member0": SPEC}))
    accumulator = StreamingAccumulator()
    for one in run_streaming(crop, alone, CPU, folds=[0], views=[View.IDENTITY]):
        accumulator.add(one)
    assert float(accumulator.maps()[MapName.SCS].max()) == 0
    torch.testing.assert_close(accumulator.weights, torch.ones(1, 16, 16))


def test_the_other_opinion_is_the_dissenting_member():
    final = np.array([[[1, 2, 3, 0]]], np.uint8)
    members = np.array([[[[1, 1, 3, 2]]], [[[1, 2, 0, 1]]]], np.uint8)
    assert other_opinion(members, final).ravel().tolist() == [1, 1, 0, 2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uncertainty", (Combination.UNCERTAINTY, None)),
        ("uncertainty:10", (Combination.UNCERTAINTY, (10.0,))),
        ("fixed:0.7,0.3", (Combination.FIXED, (0.7, 0.3))),
    ],
)
def test_combinations_are_read_from_the_manifest(text, expected):
    assert parse_combination(text) == expected


@pytest.mark.parametrize(
    "text", ["voting", "uncertainty:ten", "uncertainty:1,2", "uncertainty:0", "fixed:nan,1"]
)
def test_other_combinations_are_refused(text):
    with pytest.raises(ModelError, match="combination"):
        parse_combination(text)


def test_cancel_between_members(source, crop):
    token = CancelToken()
    token.cancel()
    with pytest.raises(CancelledError):
        next(run_streaming(crop, source, CPU, folds=[0], views=[View.IDENTITY], cancel=token))
