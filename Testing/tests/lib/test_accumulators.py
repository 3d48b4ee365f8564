"""Running accumulators against the maps of the stacked passes, and their memory."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.inference import maps
from CardiacUQLib.inference.accumulators import CascadeAccumulator, StageAccumulator


def softmax_stack(seed, passes, sharpness, n_classes=5, shape=(2, 3, 4)):
    generator = torch.Generator().manual_seed(seed)
    return (sharpness * torch.randn((passes, n_classes, *shape), generator=generator)).softmax(dim=1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 15), st.sampled_from([0.01, 1.0, 30.0]), st.integers(2, 6))
def test_running_maps_equal_those_of_the_stack(seed, passes, sharpness, n_classes):
    p2d = softmax_stack(seed, passes, sharpness, n_classes)
    p3d = softmax_stack(seed + 1, passes, sharpness, n_classes)
    running = CascadeAccumulator()
    for one2d, one3d in zip(p2d, p3d, strict=True):
        running.add(one2d, one3d, one3d)
    wide2d, wide3d = p2d.double().numpy(), p3d.double().numpy()
    expected = {
        MapName.SCS: maps.soft_correction_score(wide2d, wide3d),
        MapName.VARIANCE: maps.ensemble_variance(wide3d),
        MapName.ENTROPY: maps.entropy(wide3d.mean(0)),
        MapName.MUTUAL_INFORMATION: maps.mutual_information(wide3d),
        MapName.MAX_PROBABILITY: maps.maximum_probability(wide3d.mean(0)),
        MapName.VARIANCE_2D: maps.ensemble_variance(wide2d),
        MapName.ENTROPY_2D: maps.entropy(wide2d.mean(0)),
        MapName.MUTUAL_INFORMATION_2D: maps.mutual_information(wide2d),
        MapName.MAX_PROBABILITY_2D: maps.maximum_probability(wide2d.mean(0)),
    }
    found = running.maps()
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].numpy(), values, atol=3e-6, err_msg=name)
    np.testing.assert_allclose(running.final.mean.numpy(), wide3d.mean(0), atol=1e-6)
    assert running.passes == passes


def test_tiny_variances_survive_single_precision():
    # around 0.9 a difference of squared sums in float32 would leave nothing of 1e-8
    p = torch.tensor([[0.9001, 0.0999], [0.8999, 0.1001]])[..., None]
    running = StageAccumulator()
    for one in p:
        running.add(one)
    assert running.variance.item() == pytest.approx(1e-8, rel=0.01)


def test_class_voxels_count_the_arg_max_of_every_pass():
    running = StageAccumulator()
    for labels in ([0, 0, 1, 2], [2, 2, 2, 2]):
        running.add(torch.nn.functional.one_hot(torch.tensor(labels), 4).T.float())
    np.testing.assert_array_equal(running.class_voxels, [[2, 1, 1, 0], [0, 0, 4, 0]])


def held_bytes(accumulator):
    stages = (accumulator.stage2d, accumulator.final)
    values = [v for holder in (accumulator, *stages) for v in vars(holder).values()]
    return sum(v.untyped_storage().nbytes() for v in values if isinstance(v, torch.Tensor))


def test_memory_does_not_grow_with_the_passes():
    running = CascadeAccumulator()
    held = []
    for p2d, p3d in zip(softmax_stack(1, 12, 1.0), softmax_stack(2, 12, 1.0), strict=True):
        running.add(p2d.clone(), p3d.clone(), p3d.clone())
        held.append(held_bytes(running))
    voxels = 2 * 3 * 4
    # per stage C means, one sum of squares, one of entropies; one sum of scores
    assert set(held) == {4 * voxels * (2 * (5 + 1 + 1) + 1)}


def test_added_passes_are_not_changed_or_kept():
    first = softmax_stack(3, 1, 1.0)[0]
    copy = first.clone()
    running = CascadeAccumulator()
    running.add(first, first, first)
    running.add(first.flip(-1), first, first)
    assert torch.equal(first, copy)


def test_nothing_added_and_shapes_that_change_are_refused():
    running = CascadeAccumulator()
    with pytest.raises(ValueError, match="no pass"):
        running.maps()
    with pytest.raises(ValueError, match="no pass"):
        _ = running.stage2d.class_voxels
    running.stage2d.add(torch.ones(1, 2, 2))
    with pytest.raises(ValueError, match="after"):
        running.stage2d.add(torch.ones(1, 2, 3))
