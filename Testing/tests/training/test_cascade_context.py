"""A 2D stage that sees the slices next to its own: what it learns from, and the way from a bundle without."""

from __future__ import annotations

import pytest
import torch
import yaml
from tiny_training import tiny_recipe
from torch import Generator, nn

from CardiacUQLib.base.errors import ExitCode
from CardiacUQLib.bundles.bundle import load_bundle
from CardiacUQLib.bundles.manifest import CascadeInput
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.training.cascade_data import SliceData, StackData
from CardiacUQTraining.training.crops import CropSet
from CardiacUQTraining.training.recipe import RECIPE
from CardiacUQTraining.training.run import method_of
from CardiacUQTraining.training.warm_start import WarmStart, earlier_training

STILL = dict.fromkeys(
    ("rotation_p", "scale_p", "elastic_p", "gamma_p", "contrast_p", "blur_p", "low_resolution_p", "noise_p"),
    0.0,
) | {"flips": False, "bias_p": 0.0, "shift_px": 0.0}


def crops(*depths: int) -> CropSet:
    """Stacks whose slice n, counted through all of them, is noise of its own and labelled n throughout."""
    generator, total = torch.Generator().manual_seed(0), sum(depths)
    starts = torch.tensor((0, *depths)).cumsum(0).tolist()
    labels = torch.arange(total)[:, None, None].expand(total, 8, 8).to(torch.uint8)
    return CropSet(
        tuple("abc"[: len(depths)]), torch.rand(total, 8, 8, generator=generator), labels, tuple(starts)
    )


def stage(name: str, **augmentation) -> object:
    recipe = tiny_recipe()
    recipe[name] |= {"augmentation": STILL | augmentation}
    return RECIPE.validate_python(recipe).stages()[name]


def test_neighbours_come_from_the_same_case():
    numbers, real = crops(2, 3).around(torch.tensor([0, 1, 2, 3, 4]), 1)
    assert numbers.tolist() == [[0, 0, 1], [0, 1, 1], [2, 2, 3], [2, 3, 4], [3, 4, 4]]
    assert real.tolist() == [
        [False, True, True],
        [True, True, False],
        [False, True, True],
        [True] * 3,
        [True, True, False],
    ]


@pytest.mark.parametrize("reverse", [0.0, 1.0])
def test_a_slice_is_learned_between_its_neighbours_and_zeros(reverse):
    data = SliceData(crops(2, 3), None, [0, 1], [], stage("stage2d", reverse_p=reverse), 8, context=1)
    alone = SliceData(data.crops, None, [0, 1], [], stage("stage2d"), 8)
    everything = torch.arange(5)
    seen, labels = data.batch(everything, Generator().manual_seed(0), 0)
    own, same = alone.batch(everything, Generator().manual_seed(0), 0)
    seen = seen.flip(1) if reverse else seen
    assert torch.equal(labels, same) and labels[:, 0, 0].tolist() == [0, 1, 2, 3, 4]
    torch.testing.assert_close(seen[:, 1], own[:, 0])
    torch.testing.assert_close(seen[3, [0, 2]], own[[2, 4], 0])
    assert not seen[[0, 2], 0].any() and not seen[[1, 4], 2].any()
    assert seen[1, 0].any() and seen[0, 2].any()


class Brighter(nn.Module):
    """Says infarct where the slice before is brighter than the one after, else MVO."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rest = torch.zeros_like(x[:, 0]) - 50
        change = 50 * (x[:, 0] - x[:, 2])
        return torch.stack([rest, rest, rest, change, -change], dim=1)


class Nothing(nn.Module):
    """Calls everything background."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.ones_like(x[:, :1]), torch.zeros_like(x[:, :1]).expand(-1, 4, -1, -1, -1)], 1)


def stack_data(depth: int, network: nn.Module, **more) -> StackData:
    recipe = stage("stage3d").model_copy(update={"patch_slices": 3, "perturbation": None} | more)
    return StackData(crops(depth), None, [0], [0], recipe, 8, network, CascadeInput.ONE_HOT, 1)


def test_the_slices_beyond_a_patch_are_neighbours_of_its_ends():
    """The masks of a patch are those that the whole stack gives."""
    data = stack_data(6, Brighter())
    found = {}
    for seed in range(40):
        inputs, labels = data.batch(torch.tensor([0]), Generator().manual_seed(seed), 0)
        assert inputs.shape == (1, 3, 3, 8, 8)
        found |= {int(n): inputs[0, :, z] for z, n in enumerate(labels[0, :, 0, 0])}
    images = torch.stack([found[n][0] for n in range(6)])
    nothing = torch.zeros_like(images[:1])
    before, after = torch.cat([nothing, images[:-1]]), torch.cat([images[1:], nothing])
    assert torch.equal(torch.stack([found[n][1] for n in range(6)]) > 0, before > after)
    assert torch.equal(torch.stack([found[n][2] for n in range(6)]) > 0, before < after)


def test_a_stack_shorter_than_a_patch_repeats_its_slices_and_ends_in_zeros():
    seen = []

    class Watching(Brighter):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return super().forward(x)

    data = stack_data(2, Watching())
    inputs, labels = data.batch(torch.tensor([0]), Generator().manual_seed(0), 0)
    assert labels[0, :, 0, 0].tolist() == [0, 1, 1]
    assert not seen[0][0, 0].any() and not seen[0][2, 2].any()
    torch.testing.assert_close(seen[0][2, 0], inputs[0, 0, 1])
    assert data.validate(Nothing()) == 0.75  # blood pool, the label of slice 1, is missed


@pytest.fixture
def trained(tmp_path, emidec_like):
    """Train a recipe into a folder and export it; gives the exit codes."""

    def call(name: str, recipe: dict, *more: str) -> tuple[int, int]:
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
        run, bundle = str(tmp_path / f"{name} run"), str(tmp_path / name)
        where = [
            "--dataset",
            "emidec",
            "--data",
            str(emidec_like),
            "-o",
            run,
            "--device",
            "cpu",
        ]
        return main(["train", "cascade", *where, "--recipe", str(path), *more]), main(
            ["export", run, "-o", bundle]
        )

    return call


def finer() -> dict:
    """The tiny recipe on finer pixels, around the heart, with neighbours."""
    recipe = tiny_recipe() | {"context_slices": 1, "crop_centre": "labels"}
    return recipe | {"roi": recipe["roi"] | {"size_px": 36, "spacing_mm": 1.2}}


def test_a_finer_course_with_neighbours_begins_with_a_bundle_without(tmp_path, trained, emidec_like):
    """From its weights, with its locator, and through evaluation to the end."""
    done = (ExitCode.DONE, ExitCode.DONE)
    assert trained("alone", tiny_recipe()) == done
    assert trained("among", finer(), "--start-from", str(tmp_path / "alone")) == done
    bundle = load_bundle(tmp_path / "among")
    assert [bundle.manifest.networks[n].in_channels for n in ("stage2d", "stage3d", "locator")] == [3, 3, 1]
    assert "The 2D stage sees its slice and 1 more on each side of it." in bundle.model_card
    kernel = bundle.network("stage2d", 0).encoder[0].first.weight.detach()
    assert float(kernel[:, 1].abs().sum()) > float(kernel[:, [0, 2]].abs().sum()) > 0
    before, after = (load_bundle(tmp_path / n).network("locator", 0).state_dict() for n in ("alone", "among"))
    assert all(torch.equal(before[name], after[name]) for name in before)
    judge = ["--dataset", "emidec", "--data", str(emidec_like), "--device", "cpu", "--cross-validated", "-q"]
    out = ["--methods", "scs", "-o", str(tmp_path / "out")]
    assert main(["evaluate", "--model", str(tmp_path / "among"), *judge, *out]) == ExitCode.DONE


@pytest.mark.parametrize("change", [{"context_slices": 1}, {"crop_centre": "labels"}])
def test_a_stage_that_learns_from_other_crops_is_trained_again(tmp_path, trained, change):
    assert trained("alone", tiny_recipe())[0] == ExitCode.DONE
    start, recipe = (
        WarmStart(earlier_training(str(tmp_path / "alone"))),
        RECIPE.validate_python(tiny_recipe() | change),
    )
    for name in ("stage2d", "stage3d"):
        assert not start.take_over(None, recipe, [0], name, method_of(recipe))
