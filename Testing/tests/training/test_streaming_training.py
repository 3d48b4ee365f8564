"""Joint training of a cine ensemble: padding, variants, resuming, and the way to a bundle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
import yaml
from tiny_cine import DEEPLAB, UNET, tiny
from torch import nn

from CardiacUQLib.base.errors import ExitCode, InputError, UsageError
from CardiacUQLib.bundles.bundle import load_bundle
from CardiacUQLib.bundles.manifest import RoiSpec
from CardiacUQLib.inference.combination import Combination
from CardiacUQLib.networks import build_network
from CardiacUQLib.networks.spec import NetworkSpec
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.datasets import open_dataset
from CardiacUQTraining.training.checkpoint import load_weights
from CardiacUQTraining.training.crops import crop_cases
from CardiacUQTraining.training.recipe import RECIPE, read_recipe
from CardiacUQTraining.training.run import method_of
from CardiacUQTraining.training.run_folder import RunFolder
from CardiacUQTraining.training.streaming import MARGIN_PX, JointEnsemble, StreamingMethod
from CardiacUQTraining.training.streaming_data import FrameData, scale_frames
from CardiacUQTraining.training.warm_start import WarmStart, earlier_training


def test_acdc_layout(acdc_like):
    dataset = open_dataset("acdc", acdc_like)
    assert [case.id for case in dataset][:2] == ["patient000_ED", "patient000_ES"]
    assert {case.group for case in dataset} == {"NOR", "DCM"}
    volume, labels = dataset.cases[0].load()
    assert volume.array.shape == labels.shape
    assert set(np.unique(labels)) == {0, 1, 2, 3}


def test_patients_stay_whole_and_groups_spread(acdc_like, tmp_path):
    recipe = RECIPE.validate_python(tiny())
    assert method_of(recipe).specs().keys() == {"member0", "member1"}
    from CardiacUQTraining.training.crops import stratified_folds

    folds = stratified_folds(open_dataset("acdc", acdc_like).cases, 2, 1)
    for fold in folds:
        patients = [case.rsplit("_", 1)[0] for case in fold]
        assert all(patients.count(p) == 2 for p in patients)
        assert sum(p in ("patient000", "patient001") for p in set(patients)) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [(None, "is missing"), ("ED: 1\nGroup: NOR\n", "no usable line ES"), ("ED: x\nES: 4\nGroup: A\n", "ED")],
)
def test_info_that_does_not_tell_the_frames_names_the_patient(acdc_like, text, problem):
    path = acdc_like / "patient002" / "Info.cfg"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=problem) as error:
        open_dataset("acdc", acdc_like)
    assert "patient002" in str(error.value)


def test_mnms_layout_swaps_its_labels_back(tmp_path):
    case = tmp_path / "Training" / "A1B2"
    case.mkdir(parents=True)
    (tmp_path / "info.csv").write_text(
        "External code,Vendor,Pathology,ED,ES\nA1B2,A,HCM,0,2\nZZ99,A,NOR,0,1\n"
    )
    labels = np.zeros((3, 3, 40, 40), np.uint8)
    labels[:, :, 5:10], labels[:, :, 10:15], labels[:, :, 15:20] = 1, 2, 3
    grey = np.random.default_rng(0).normal(100, 9, labels.shape).astype(np.float32)
    grey[2] += 50
    for suffix, array in (("", grey), ("_gt", labels)):
        image = sitk.JoinSeries([sitk.GetImageFromArray(frame) for frame in array])
        image.SetSpacing((1.3, 1.3, 9.0, 1.0))
        sitk.WriteImage(image, str(case / f"A1B2_sa{suffix}.nii.gz"))
    dataset = open_dataset("mnms", tmp_path)
    assert [(c.id, c.group, c.patient) for c in dataset] == [
        ("A1B2_ED", "HCM", "A1B2"),
        ("A1B2_ES", "HCM", "A1B2"),
    ]
    volume, ours = dataset.cases[1].load()
    assert [int(ours[0, row, 0]) for row in (5, 10, 15, 0)] == [3, 2, 1, 0]
    np.testing.assert_allclose(volume.array, grey[2], rtol=1e-5)


@pytest.mark.parametrize(
    ("table", "problem"),
    [(None, "has no CSV"), ("External code,Pathology,ED\nA1B2,HCM,0\n", "no column 'ES'")],
)
def test_mnms_without_a_usable_table(tmp_path, table, problem):
    if table is not None:
        (tmp_path / "info.csv").write_text(table)
    with pytest.raises(InputError, match=problem):
        open_dataset("mnms", tmp_path)


def test_an_absent_frame_names_the_patient(acdc_like):
    (acdc_like / "patient001" / "patient001_frame04.nii.gz").unlink()
    with pytest.raises(InputError, match=r"patient001_frame04\.nii\.gz: the image is missing"):
        open_dataset("acdc", acdc_like)


def test_padding_changes_nothing(frame_crops):
    data = FrameData(frame_crops, [0, 1], [], RECIPE.validate_python(tiny()).training, 32, 4)
    images, _, real = data._stack([0, 1])
    assert real.tolist() == [[True, True, False, False], [True] * 4]
    network = method_of(RECIPE.validate_python(tiny())).build("ensemble").eval()
    frames = scale_frames(images[..., 4:36, 4:36], real)
    with torch.inference_mode():
        together = network(frames, real)
        alone = network(frames[:1, :2], real[:1, :2])
    torch.testing.assert_close(together[:1, :, :2], alone)


def test_frames_are_scaled_by_their_real_slices_only():
    frames = torch.tensor([[0.0, 2.0, 99.0]])[:, :, None, None]
    real = torch.tensor([[True, True, False]])
    assert scale_frames(frames, real)[0, :2, 0, 0].tolist() == [0.0, 1.0]


def test_the_loss_reaches_every_member_through_the_weights(frame_crops):
    data = FrameData(frame_crops, [0, 1], [], RECIPE.validate_python(tiny()).training, 32, 4)
    network = method_of(RECIPE.validate_python(tiny())).build("ensemble")
    data.loss(network, torch.tensor([0, 1]), torch.Generator().manual_seed(0), 0).backward()
    for member in network.members:
        assert all(float(p.grad.abs().sum()) > 0 for n, p in member.named_parameters() if "head.weight" in n)


def test_joint_ensemble_of_certain_members_is_the_published_softmax():
    class Always(nn.Module):
        def forward(self, x):
            return torch.stack([60 * torch.ones_like(x[:, 0]), *[torch.zeros_like(x[:, 0])] * 3], dim=1)

    network = JointEnsemble([Always(), Always()], Combination.UNCERTAINTY, None)
    p = network(torch.zeros(1, 2, 16, 16), torch.ones(1, 2, dtype=torch.bool))
    assert float(p[0, 0, 0, 0, 0]) == pytest.approx(np.e / (np.e + 3), rel=1e-5)


VARIANTS = [
    pytest.param({}, ["ensemble"], "uncertainty", id="2 U-Nets uncertainty"),
    pytest.param({"members": [UNET]}, ["ensemble"], "uncertainty", id="1 U-Net"),
    pytest.param({"members": [UNET] * 3}, ["ensemble"], "uncertainty", id="3 U-Nets uncertainty"),
    pytest.param({"members": [UNET] * 4}, ["ensemble"], "uncertainty", id="4 U-Nets uncertainty"),
    pytest.param(
        {"members": [UNET, DEEPLAB], "sharpness": 10.0}, ["ensemble"], "uncertainty:10", id="U-Net + DeepLab"
    ),
    pytest.param(
        {"variant": "fixed", "members": [UNET, DEEPLAB], "weights": [0.7, 0.3]},
        ["ensemble"],
        "fixed:0.7,0.3",
        id="fixed",
    ),
    pytest.param(
        {"variant": "stacking", "members": [UNET, DEEPLAB]}, ["member0", "member1"], "fixed", id="stacking"
    ),
    pytest.param({"variant": "bagging"}, ["member0", "member1"], "fixed", id="bagging"),
    pytest.param({"variant": "augmenting", "members": [UNET]}, ["member0"], "augmenting", id="augmenting"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "stages", "combination"), VARIANTS)
def test_every_variant_goes_from_images_to_a_bundle_and_its_figures(
    tmp_path, acdc_like, change, stages, combination
):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(tiny(**change)))
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    options = ["--dataset", "acdc", "--data", str(acdc_like), "--recipe", str(recipe), "--folds", "0"]
    assert main(["train", "streaming", *options, "-o", str(run), "--device", "cpu"]) == ExitCode.DONE
    assert all(RunFolder(run).final(0, stage).exists() for stage in stages)
    assert main(["export", str(run), "-o", str(bundle)]) == ExitCode.DONE
    loaded = load_bundle(bundle)
    members = len(change.get("members", [1, 2]))
    assert sorted(loaded.manifest.networks) == [f"member{n}" for n in range(members)]
    assert loaded.manifest.combination == combination
    for n in range(members):
        assert loaded.network(f"member{n}", 0)(torch.zeros(1, 1, 32, 32)).shape == (1, 4, 32, 32)
    judge = ["--dataset", "acdc", "--data", str(acdc_like), "--device", "cpu", "--cross-validated", "-q"]
    assert main(["evaluate", "--model", str(bundle), *judge, "-o", str(tmp_path / "out")]) == ExitCode.DONE
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert sorted(found["frames"]) == sorted(loaded.manifest.held_out[0])
    assert 0 <= found["segmentation"]["all frames"]["mean_dice"]["mean"] <= 1
    assert found["cost"]["ensemble"]["parameters"] == sum(
        found["cost"][f"member{n}"]["parameters"] for n in range(members)
    )
    copies = 6 if combination == "augmenting" else 1
    assert len(found["members"]) == 1 + copies * members
    assert len(found["sweep"]) == (11 if members == 2 else 0)
    flops = sum(found["cost"][f"member{n}"]["flops"] for n in range(copies * members))
    assert found["cost"]["ensemble"]["flops"] == flops


def test_runs_of_which_one_fold_is_finished_are_compared(tmp_path, acdc_like):
    """One command judges both runs on the same held-out patients and writes the comparison."""
    runs = []
    for name, change in (("joint", {}), ("alone", {"members": [UNET]})):
        recipe = tmp_path / f"{name}.yaml"
        recipe.write_text(yaml.safe_dump(tiny(**change)))
        runs.append(tmp_path / name)
        options = ["--dataset", "acdc", "--data", str(acdc_like), "--recipe", str(recipe), "--folds", "1"]
        assert main(["train", "streaming", *options, "-o", str(runs[-1]), "--device", "cpu"]) == ExitCode.DONE
    judge = ["--dataset", "acdc", "--data", str(acdc_like), "--device", "cpu", "--cross-validated", "-q"]
    out = tmp_path / "out"
    arguments = ["--model", str(runs[0]), "--against", str(runs[1]), "-o", str(out), "--no-tta"]
    assert main(["evaluate", *arguments, *judge]) == ExitCode.DONE
    found = json.loads((out / "comparison" / "comparison.json").read_text())
    assert found["frames"] == 4 and [one["name"] for one in found["variants"]] == [
        "2 U-Nets, uncertainty",
        "1 U-Net",
    ]
    assert {test["phase"] for test in found["tests"]} == {"all", "ED", "ES"}
    page = (out / "comparison" / "comparison.md").read_text("utf-8")
    assert "4 frames of 2 patients that all variants judged" in page and "| 1 U-Net |" in page


def test_bagging_members_learn_from_different_cases(acdc_like, tmp_path):
    recipe = RECIPE.validate_python(tiny(variant="bagging"))
    method, run = method_of(recipe), RunFolder(tmp_path)
    dataset = open_dataset("acdc", acdc_like)
    crops = method.crops("member0", dataset, torch.device("cpu"))
    held_out = ["patient000_ED", "patient000_ES"]
    first, second = (method.data(name, 0, crops, held_out, run) for name in ("member0", "member1"))
    assert sorted(first.training) != sorted(second.training)
    assert not {0, 1} & set(first.training)


@pytest.mark.parametrize(
    "change",
    [{"members": []}, {"weights": [1.0]}, {"variant": "augmenting"}, {"variant": "boosting"}],
)
def test_recipes_that_contradict_themselves(tmp_path, change):
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(tiny(**change)))
    with pytest.raises(UsageError, match=r"wrong\.yaml"):
        read_recipe(path)


def test_the_recipe_must_fit_the_method(tmp_path, acdc_like, capsys):
    path = tmp_path / "cine.yaml"
    path.write_text(json.dumps(tiny()))
    code = main(
        ["train", "cascade", "--data", str(acdc_like), "--recipe", str(path), "-o", str(tmp_path / "r")]
    )
    assert code == ExitCode.USAGE
    assert "is for streaming" in capsys.readouterr().err


def test_shipped_cine_recipes_are_valid():
    paper = read_recipe("ensemble-paper")
    assert (paper.training.epochs, paper.training.batch, paper.roi.size_px) == (500, 8, 224)
    assert read_recipe("ensemble-small").locator is not None


def test_loss_may_see_the_mixture_instead_of_the_final_softmax():
    members = [build_network(NetworkSpec("streaming_unet", 1, 4, (4, 8), 0.0)) for _ in range(2)]
    frames, real = torch.rand(1, 3, 16, 16), torch.ones(1, 3, dtype=torch.bool)
    squeezed = JointEnsemble(members, Combination.UNCERTAINTY, None).eval()(frames, real)
    mixed = JointEnsemble(members, Combination.UNCERTAINTY, None, final_softmax=False).eval()(frames, real)
    torch.testing.assert_close(mixed.sum(dim=1), torch.ones(1, 3, 16, 16))
    torch.testing.assert_close(mixed.softmax(dim=1), squeezed)


def test_members_are_cut_where_inference_will_cut(acdc_like):
    """Without a locator inference looks at the image centre, so training must as well."""
    recipe = read_recipe("ensemble-small")
    dataset = open_dataset("acdc", acdc_like)
    device = torch.device("cpu")
    labelled = StreamingMethod(recipe).crops("ensemble", dataset, device).cases.images
    plain = recipe.model_copy(update={"locator": None})
    centred = StreamingMethod(plain).crops("ensemble", dataset, device).cases.images
    spec = RoiSpec(recipe.roi.size_px + 2 * MARGIN_PX, recipe.roi.spacing_mm)
    assert torch.equal(centred, crop_cases(dataset.cases, spec, 0, device).images)
    assert not torch.equal(centred, labelled)


def test_a_second_course_begins_with_a_bundle_and_can_be_averaged_with_it(acdc_like, tmp_path, capsys):
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(tiny()))
    where = ["--dataset", "acdc", "--data", str(acdc_like), "--recipe", str(recipe), "--folds", "0"]
    assert main(["train", "streaming", *where, "-o", str(tmp_path / "first"), "--device", "cpu"]) == 0
    assert main(["export", str(tmp_path / "first"), "-o", str(tmp_path / "bundle")]) == 0
    sharp = ["export", str(tmp_path / "first"), "-o", str(tmp_path / "sharp"), "--sharpness", "2"]
    assert main(sharp) == ExitCode.USAGE and not (tmp_path / "sharp").exists()
    second = tiny()
    second["training"]["epochs"] = 1
    second["training"]["optimiser"]["learning_rate"] = 1e-9
    recipe.write_text(yaml.safe_dump(second))
    options = ["-o", str(tmp_path / "second"), "--device", "cpu", "--start-from", str(tmp_path / "bundle")]
    assert main(["train", "streaming", *where, *options]) == 0
    before, after = (
        load_weights(RunFolder(tmp_path / run).final(0, "ensemble"))[0] for run in ("first", "second")
    )
    assert before.keys() == after.keys()
    for name, value in after.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(value, before[name], atol=1e-3, rtol=1e-3)
    first, mean = str(tmp_path / "first"), str(tmp_path / "mean")
    exported = ["export", str(tmp_path / "second"), "-o", mean, "--average-with"]
    assert main([*exported, first]) == ExitCode.USAGE and not Path(mean).exists()
    assert "did not begin with it" in capsys.readouterr().err
    assert main([*exported, str(tmp_path / "bundle")]) == 0
    bundle = load_bundle(mean)
    assert bundle.manifest.training["averaged_with"] == "bundle 0.1.0"
    assert "averaged_with: bundle 0.1.0" in bundle.model_card
    told = WarmStart(earlier_training(mean)).record(RECIPE.validate_python(second), "acdc", {})
    assert told["averaged_with"] == "bundle 0.1.0", "a third course tells so too"
    moved = []
    for name, value in bundle.network("member0", 0).state_dict().items():
        if value.is_floating_point():
            ours, theirs = (weights["members.0." + name] for weights in (before, after))
            torch.testing.assert_close(value, (ours + theirs) / 2, atol=1e-3, rtol=2e-3)
            moved.append(float((ours - theirs).abs().max()))
    assert max(moved) > 0.01  # the batch norm's averages, so that the mean is neither of the two
