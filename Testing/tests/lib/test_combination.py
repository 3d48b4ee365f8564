"""The combination of Streaming, eq. (3), against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from CardiacUQLib.inference.combination import (
    Combination,
    combine,
    ensemble,
    member_consistency,
    member_weights,
    relative_uncertainty,
)

CLASSES = 4


def random_members(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=dtype).softmax(dim=-4)


def certain(value: int, depth: int = 3) -> torch.Tensor:
    """A member that sees class ``value`` everywhere, (C, z, 1, 1)."""
    p = torch.zeros(CLASSES, depth, 1, 1)
    p[value] = 1
    return p


def test_sigma_by_hand():
    # One pixel, two slices: class 0 then class 1. mu = (0.5, 0.5, 0, 0), mean 0.25,
    # unbiased variance = (4 * 0.25^2) / 3
    p = torch.stack([certain(0, 1), certain(1, 1)], dim=2)[:, 0]
    assert float(member_consistency(p)) == pytest.approx(0.25 / 3)


def test_sigma_spans_zero_to_one_over_c():
    assert float(member_consistency(certain(2))) == pytest.approx(1 / CLASSES)
    assert float(member_consistency(torch.full((CLASSES, 3, 1, 1), 0.25))) == 0
    assert float(relative_uncertainty(torch.tensor(1 / CLASSES), CLASSES)) == 0


def test_padded_slices_do_not_count():
    p = random_members(2, CLASSES, 5, 6, 6)
    real = torch.tensor([[True, True, True, False, False]] * 2)
    torch.testing.assert_close(member_consistency(p, real), member_consistency(p[:, :, :3]))


def test_equal_members_get_equal_weights():
    one = random_members(1, CLASSES, 3, 4, 4)
    _, weights = ensemble(one.expand(3, -1, -1, -1, -1), Combination.UNCERTAINTY)
    torch.testing.assert_close(weights, torch.full((3, 4, 4), 1 / 3))


def test_the_consistent_member_weighs_more():
    wavering = torch.stack([certain(z % CLASSES, 1)[:, 0] for z in range(CLASSES)], dim=1)
    p = torch.stack([certain(1, CLASSES), wavering])
    _, weights = ensemble(p, Combination.UNCERTAINTY)
    # sigma: 1/4 against 0 (every class once): weights e^0.25 : 1
    expected = math.exp(0.25) / (math.exp(0.25) + 1)
    assert float(weights[0]) == pytest.approx(expected)


def test_a_sharper_weight_by_hand():
    wavering = torch.stack([certain(z % CLASSES, 1)[:, 0] for z in range(CLASSES)], dim=1)
    p = torch.stack([certain(1, CLASSES), wavering])
    _, weights = ensemble(p, Combination.UNCERTAINTY, numbers=(10.0,))
    assert float(weights[0]) == pytest.approx(1 / (1 + math.exp(-2.5)))  # 10 times sigma of 1/4 and 0
    with pytest.raises(ValueError):
        ensemble(p, Combination.UNCERTAINTY, numbers=(1.0, 2.0))


def test_weights_sum_to_one_everywhere():
    _, weights = ensemble(random_members(2, 3, CLASSES, 4, 5, 6), Combination.UNCERTAINTY)
    assert weights.shape == (2, 3, 5, 6)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2, 5, 6))


def test_combination_by_hand():
    p = torch.stack([certain(0, 1), certain(1, 1)])
    combined = combine(p, torch.tensor([0.7, 0.3])).flatten()
    powers = [math.exp(0.7), math.exp(0.3), 1.0, 1.0]
    assert combined.tolist() == pytest.approx([value / sum(powers) for value in powers])


def test_the_final_softmax_caps_the_largest_value():
    p = torch.stack([certain(3), certain(3)])
    combined, _ = ensemble(p, Combination.UNCERTAINTY)
    assert float(combined.max()) == pytest.approx(math.e / (math.e + CLASSES - 1))


def test_fixed_weights():
    p = random_members(2, CLASSES, 3, 4, 4)
    combined, weights = ensemble(p, Combination.FIXED, numbers=(7.0, 3.0))
    assert weights[:, 0, 0].tolist() == pytest.approx([0.7, 0.3])
    torch.testing.assert_close(combined, (0.7 * p[0] + 0.3 * p[1]).softmax(dim=0))
    equal, _ = ensemble(p, Combination.FIXED)
    torch.testing.assert_close(equal, p.mean(dim=0).softmax(dim=0))
    with pytest.raises(ValueError, match="3 fixed weights for 2 members"):
        ensemble(p, Combination.FIXED, numbers=(1.0, 1.0, 1.0))


def test_a_batch_is_its_volumes_one_by_one():
    p = random_members(3, 2, CLASSES, 4, 5, 5)
    real = torch.tensor([[True] * 4, [True, True, False, False], [True, False, False, False]])
    together, _ = ensemble(p, Combination.UNCERTAINTY, real)
    for n in range(3):
        alone, _ = ensemble(p[n], Combination.UNCERTAINTY, real[n])
        torch.testing.assert_close(together[n], alone)


def test_gradients_flow_through_the_weights():
    logits = torch.randn(2, 3, 2, 2, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    logits.requires_grad_(True)

    def prediction(values: torch.Tensor) -> torch.Tensor:
        return ensemble(values.softmax(dim=1), Combination.UNCERTAINTY)[0]

    assert torch.autograd.gradcheck(prediction, (logits,))

    def frozen(values: torch.Tensor) -> torch.Tensor:
        p = values.softmax(dim=1)
        return combine(p, member_weights(member_consistency(p)).detach())

    (with_weights,) = torch.autograd.grad(prediction(logits)[0].sum(), logits)
    (without,) = torch.autograd.grad(frozen(logits)[0].sum(), logits)
    assert float((with_weights - without).abs().max()) > 1e-6
