"""Members that see the slices next to their own: what they learn from, and the way from a bundle without."""

from __future__ import annotations

import pytest
import torch
import yaml
from tiny_cine import tiny
from torch import nn

from CardiacUQLib.base.errors import ExitCode
from CardiacUQLib.bundles.bundle import load_bundle
from CardiacUQLib.inference.combination import Combination
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.training.recipe import RECIPE
from CardiacUQTraining.training.run import method_of
from CardiacUQTraining.training.streaming import JointEnsemble
from CardiacUQTraining.training.streaming_data import FrameData
from CardiacUQTraining.training.warm_start import WarmStart, earlier_training


class Neighbours(nn.Module):
    """Says class 1 surely where the slice before is brighter than the one after."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rest = torch.zeros_like(x[:, 0])
        return torch.stack([rest, 50 * (x[:, 0] - x[:, 2]), rest - 50, rest - 50], dim=1)


def test_padded_slices_are_no_neighbours():
    """The last real slice has zero beyond it, whatever fills the padding."""
    frames = torch.tensor([[1.0, 3.0, 2.0, 9.0]])[..., None, None].expand(1, 4, 8, 8)
    real = torch.tensor([[True, True, True, False]])
    network = JointEnsemble([Neighbours()], Combination.FIXED, None, final_softmax=False, channels=3)
    labels = network(frames, real)[0, :, :3].argmax(dim=0)
    assert labels[:, 0, 0].tolist() == [0, 0, 1]


def test_frames_are_seen_from_either_end(frame_crops):
    recipe = tiny()
    still = dict.fromkeys(("rotation_p", "scale_p", "elastic_p", "gamma_p", "contrast_p", "blur_p"), 0.0)
    still |= dict.fromkeys(("low_resolution_p", "noise_p", "bias_p", "shift_px"), 0.0)
    seen = []
    for share in (0.0, 1.0):
        recipe["training"]["augmentation"] = still | {"flips": False, "reverse_p": share}
        data = FrameData(frame_crops, [0, 1], [], RECIPE.validate_python(recipe).training, 32, 4)
        seen.append(data.batch(torch.tensor([0, 1]), torch.Generator().manual_seed(0)))
    (images, labels, real), (turned, turned_labels, still_real) = seen
    assert real.sum(dim=1).tolist() == [2, 4] and torch.equal(real, still_real)
    for frame, depth in ((0, 2), (1, 4)):
        torch.testing.assert_close(turned[frame, :depth], images[frame, :depth].flip(0))
        assert torch.equal(turned_labels[frame, :depth], labels[frame, :depth].flip(0))


@pytest.fixture
def trained(tmp_path, acdc_like):
    """Train fold 0 of a recipe into a folder and export it; gives the exit codes."""

    def call(name: str, recipe: dict, *more: str, export: tuple[str, ...] = ()) -> tuple[int, int]:
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
        run, bundle = str(tmp_path / f"{name} run"), str(tmp_path / name)
        where = ["--dataset", "acdc", "--data", str(acdc_like), "-o", run, "--device", "cpu", "--folds", "0"]
        code = main(["train", "streaming", *where, "--recipe", str(path), *more])
        return code, main(["export", run, "-o", bundle, *export])

    return call


def test_a_course_with_neighbours_begins_with_a_bundle_without(tmp_path, trained, acdc_like):
    """From its weights, averaged with them, and through evaluation to the end."""
    done = (ExitCode.DONE, ExitCode.DONE)
    assert trained("alone", tiny()) == done
    first = str(tmp_path / "alone")
    assert (
        trained("among", tiny(context_slices=1), "--start-from", first, export=("--average-with", first))
        == done
    )
    bundle = load_bundle(tmp_path / "among")
    assert [spec.in_channels for spec in bundle.manifest.networks.values()] == [3, 3]
    assert "see their slice and 1 more on each side of it" in bundle.model_card
    assert "begun with the weights of: tiny cine (seed 20, alone 0.1.0, " in bundle.model_card
    kernel = bundle.network("member1", 0).encoder[0][0].weight.detach()
    assert float(kernel[:, 1].abs().sum()) > float(kernel[:, [0, 2]].abs().sum()) > 0
    judge = ["--dataset", "acdc", "--data", str(acdc_like), "--device", "cpu", "--cross-validated", "-q"]
    assert main(["evaluate", "--model", str(tmp_path / "among"), *judge, "-o", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize("change", [{"context_slices": 1}, {"variant": "fixed"}, {"final_softmax": False}])
def test_an_ensemble_of_another_kind_is_trained_again(tmp_path, trained, change):
    """The same training of another ensemble is not taken over as it is."""
    assert trained("alone", tiny())[0] == ExitCode.DONE
    recipe = RECIPE.validate_python(tiny(**change))
    start = WarmStart(earlier_training(str(tmp_path / "alone")))
    assert not start.take_over(None, recipe, [0], "ensemble", method_of(recipe))
