"""Augmentation: geometry moves image and labels together, and a seed decides everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from CardiacUQTraining.training.augmentation import spatial
from CardiacUQTraining.training.intensities import intensity, normalise
from CardiacUQTraining.training.recipe import AugmentationRecipe

NOTHING = dict.fromkeys(
    ["rotation_p", "scale_p", "elastic_p", "gamma_p", "contrast_p", "blur_p", "low_resolution_p", "noise_p"],
    0.0,
) | {"flips": False, "shift_px": 0.0}


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def blobs(count: int = 3, depth: int = 2, size: int = 48) -> tuple[torch.Tensor, torch.Tensor]:
    """Images equal to their own labels: a large off-centre square of 1 in 0."""
    labels = torch.zeros(count, depth, size, size, dtype=torch.uint8)
    labels[..., 14:30, 18:40] = 1
    return labels.float(), labels


def test_without_augmentation_the_centre_is_cut_out_exactly():
    images = torch.randn(2, 3, 40, 40)
    labels = torch.randint(0, 5, (2, 3, 40, 40), dtype=torch.uint8)
    cut, marks = spatial(images, labels, 32, AugmentationRecipe(**NOTHING), seeded())
    torch.testing.assert_close(cut, images[..., 4:36, 4:36], atol=2e-5, rtol=0)
    assert torch.equal(marks, labels[..., 4:36, 4:36])


@pytest.mark.parametrize(
    "change",
    [
        {"flips": True},
        {"rotation_p": 1.0, "rotation_deg": 40.0},
        {"scale_p": 1.0, "scale": (0.7, 1.4)},
        {"elastic_p": 1.0},
        {"shift_px": 5.0},
        {"slice_shift_px": 4.0},
        {"quarter_turns": True},
    ],
)
def test_labels_follow_the_image(change):
    images, labels = blobs()
    recipe = AugmentationRecipe(**(NOTHING | change))
    cut, marks = spatial(images, labels, 32, recipe, seeded(3))
    assert not torch.equal(marks, labels[..., 8:40, 8:40])
    disagreement = ((cut > 0.5) != (marks == 1)).float().mean()
    assert disagreement < 0.01


def test_flips_hit_both_axes_and_spare_some_samples():
    images, labels = blobs(count=64)
    recipe = AugmentationRecipe(**(NOTHING | {"flips": True}))
    _, marks = spatial(images, labels, 48, recipe, seeded())
    variants = {tuple(m[0].nonzero().float().mean(dim=0).round().int().tolist()) for m in marks}
    assert len(variants) == 4


def test_slices_of_a_sample_move_together_unless_they_jitter():
    images, labels = blobs(depth=4)
    still = AugmentationRecipe(**(NOTHING | {"shift_px": 5.0, "rotation_p": 1.0}))
    _, marks = spatial(images, labels, 32, still, seeded(1))
    assert all(torch.equal(marks[:, 0], marks[:, n]) for n in range(4))
    _, marks = spatial(images, labels, 32, still.model_copy(update={"slice_shift_px": 4.0}), seeded(1))
    assert not torch.equal(marks[:, 0], marks[:, 1])


def test_the_seed_decides():
    images, labels = blobs()
    recipe = AugmentationRecipe(rotation_p=1, elastic_p=1, noise_p=1, gamma_p=1, blur_p=1, low_resolution_p=1)

    def run(number: int) -> torch.Tensor:
        generator = seeded(number)
        cut, _ = spatial(images, labels, 32, recipe, generator)
        return intensity(cut, recipe, generator)

    assert torch.equal(run(5), run(5))
    assert not torch.equal(run(5), run(6))


@pytest.mark.parametrize("name", ["gamma", "contrast", "blur", "low_resolution", "noise", "bias"])
def test_each_intensity_change_acts_and_keeps_the_normalisation(name):
    images = torch.rand(4, 2, 32, 32, generator=seeded()) * 100 + 50
    recipe = AugmentationRecipe(**(NOTHING | {f"{name}_p": 1.0}))
    changed = intensity(images, recipe, seeded(2))
    assert (changed - normalise(images)).abs().max() > 0.05
    np.testing.assert_allclose(changed.mean(dim=(-2, -1)), 0, atol=1e-4)
    np.testing.assert_allclose(changed.std(dim=(-2, -1), correction=0), 1, atol=1e-3)


def test_blur_smooths_only_the_chosen_samples():
    images = normalise(torch.randn(16, 1, 32, 32, generator=seeded()))
    recipe = AugmentationRecipe(**(NOTHING | {"blur_p": 0.5}))
    roughness = (intensity(images, recipe, seeded(4)).diff(dim=-1) ** 2).mean(dim=(1, 2, 3))
    plain = (images.diff(dim=-1) ** 2).mean(dim=(1, 2, 3))
    untouched = torch.isclose(roughness, plain, rtol=1e-3)
    assert 0 < int(untouched.sum()) < 16
    assert bool((roughness[~untouched] < 0.8 * plain[~untouched]).all())


def test_a_constant_slice_stays_finite():
    assert torch.isfinite(intensity(torch.ones(1, 2, 16, 16), AugmentationRecipe(), seeded())).all()


@pytest.mark.parametrize("own", [slice(0, 2), slice(2, 5), slice(4, 5), slice(0, 5)])
def test_a_rank_augments_its_own_samples_as_one_process_would_and_draws_all_numbers(own):
    """Every augmentation applies to about half of the samples; the numbers drawn later are the same too."""
    changes = {name: 0.5 for name in AugmentationRecipe.model_fields if name.endswith("_p")}
    recipe = AugmentationRecipe(**changes, shift_px=3.0, slice_shift_px=2.0)
    for seed in range(3):
        images, labels = torch.rand(5, 2, 40, 40), torch.randint(0, 4, (5, 2, 40, 40), dtype=torch.uint8)
        everyone, alone = seeded(seed), seeded(seed)
        cut, marks = spatial(images, labels, 32, recipe, everyone)
        whole = intensity(cut, recipe, everyone)
        part, same = spatial(images, labels, 32, recipe, alone, own)
        part = intensity(part, recipe, alone, len(images), own)
        assert torch.equal(same, marks)
        torch.testing.assert_close(part, whole[own], atol=1e-5, rtol=1e-5)
        assert torch.equal(everyone.get_state(), alone.get_state())
