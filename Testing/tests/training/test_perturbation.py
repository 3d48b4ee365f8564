"""The perturbation module: each error is what its name says, and the input is never changed."""

from __future__ import annotations

import pytest
import torch

from CardiacUQTraining.training.perturbation import perturb
from CardiacUQTraining.training.recipe import PerturbationRecipe

KINDS = ["delete_class", "empty_slices", "empty_all", "false_scar", "scatter_mvo"]


def only(kind: str | None, **more: float) -> PerturbationRecipe:
    return PerturbationRecipe(**(dict.fromkeys(KINDS, 0.0) | ({kind: 1.0} if kind else {}) | more))


@pytest.fixture
def stack() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Masks (2, 2, 5, 16, 16) with infarct and MVO in every slice, image, truth."""
    masks = torch.zeros(2, 2, 5, 16, 16)
    masks[:, 0, :, 2:6, 2:6] = 1
    masks[:, 1, :, 6:8, 2:6] = 1
    images = torch.randn(2, 5, 16, 16, generator=torch.Generator().manual_seed(0))
    truth = torch.zeros(2, 5, 16, 16, dtype=torch.uint8)
    truth[:, :, 9:15, 2:14] = 2
    return masks, images, truth


def run(stack, recipe, seed=1):
    before = stack[0].clone()
    result = perturb(*stack, recipe, torch.Generator().manual_seed(seed))
    assert torch.equal(stack[0], before)
    return result


def test_nothing_drawn_leaves_the_masks_alone(stack):
    assert torch.equal(run(stack, only(None)), stack[0])


@pytest.mark.parametrize(("share", "emptied"), [(1.0, 0), (0.0, 1)])
def test_delete_class_empties_one_class_in_one_slice(stack, share, emptied):
    result = run(stack, only("delete_class", delete_infarct_share=share))
    kept = result.sum(dim=(-2, -1)) > 0
    assert bool(kept[:, 1 - emptied].all())
    assert (~kept[:, emptied]).sum(dim=1).tolist() == [1, 1]


def test_empty_slices_empties_one_to_three_whole_slices(stack):
    counts = set()
    for seed in range(12):
        kept = run(stack, only("empty_slices"), seed).sum(dim=(-2, -1)) > 0
        assert torch.equal(kept[:, 0], kept[:, 1])
        counts |= set((~kept[:, 0]).sum(dim=1).tolist())
    assert counts == {1, 2, 3}


def test_empty_all_leaves_nothing(stack):
    assert float(run(stack, only("empty_all")).sum()) == 0


def test_false_scar_is_one_patch_of_bright_healthy_myocardium(stack):
    masks, images, truth = stack
    added = (run(stack, only("false_scar")) - masks)[:, 0]
    for volume, image, labels in zip(added, images, truth, strict=True):
        touched = volume.flatten(1).sum(dim=1).nonzero().flatten().tolist()
        assert len(touched) == 1
        number = touched[0]
        assert bool((labels[number][volume[number] > 0] == 2).all())
        healthy = image[number][labels[number] == 2]
        low, high = healthy.quantile(0.7), healthy.quantile(0.9)
        grey = image[number][volume[number] > 0]
        assert bool(((grey >= low - 1e-5) & (grey <= high + 1e-5)).all())


def test_scattered_mvo_replaces_infarct_around_one_voxel(stack):
    masks = stack[0]
    masks[:, 1] = 0
    result = run(stack, only("scatter_mvo"))
    added = result[:, 1].nonzero()
    assert 0 < len(added) <= 18
    assert float((result[:, 0] * result[:, 1]).sum()) == 0
    for volume in (0, 1):
        own = added[added[:, 0] == volume]
        assert bool((own.amax(dim=0) - own.amin(dim=0) <= 2).all())


def test_without_scar_or_healthy_myocardium_nothing_happens(stack):
    masks, images, truth = stack
    empty = (torch.zeros_like(masks), images, torch.zeros_like(truth))
    for kind in ("false_scar", "scatter_mvo"):
        assert float(run(empty, only(kind)).sum()) == 0


def test_the_kinds_come_in_their_shares():
    masks = torch.ones(4000, 2, 1, 2, 2)
    result = perturb(
        masks, torch.zeros(4000, 1, 2, 2), torch.zeros(4000, 1, 2, 2), PerturbationRecipe(),
        torch.Generator().manual_seed(0),
    )  # fmt: skip
    emptied = (result.sum(dim=(1, 2, 3, 4)) == 0).float().mean()
    assert float(emptied) == pytest.approx(0.05 + 0.10, abs=0.02)
