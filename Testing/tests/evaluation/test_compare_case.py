"""Two opinions as a whole case: whatever format they come in, on the scan's grid, with both measures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.review import CaseMaps, Review, corrected_sizes
from CardiacUQTraining.cli.app import main

SPACING, ORIGIN = (1.5, 1.5, 10.0), (-20.0, 7.0, 33.0)
TURNED = tuple(sitk.Euler3DTransform((0, 0, 0), 0.4, -0.2, 0.3).GetMatrix())
ORGANS = ("liver", "spleen", "left kidney", "right kidney", "aorta", "stomach", "pancreas")


def image_of(array: np.ndarray, *, vector: bool = False) -> sitk.Image:
    image = sitk.GetImageFromArray(array, isVector=vector)
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    image.SetDirection(TURNED)
    return image


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    grey = np.random.default_rng(1).normal(100, 20, (6, 48, 40)).astype(np.float32)
    sitk.WriteImage(image_of(grey), str(tmp_path / "scan.nii.gz"))
    return tmp_path / "scan.nii.gz"


def organs() -> tuple[np.ndarray, np.ndarray]:
    """Seven blocks, and the same where a part of the spleen is called liver and the aorta is smaller."""
    a = np.zeros((6, 48, 40), np.uint8)
    for number in range(7):
        a[:, 4 + 6 * number : 9 + 6 * number, 5:30] = number + 1
    b = a.copy()
    b[1:5, 10:15, 5:15][b[1:5, 10:15, 5:15] == 2] = 1
    b[2, 28:33, 5:9] = 0
    return a, b


def run(*arguments: object) -> int:
    return main(["compare", *map(str, arguments)])


def table(folder: Path) -> Path:
    lines = ["value,name,colour,scheme,code,meaning"]
    lines += [f"{n},{name},#1020{n:02d},SCT,{1000 + n},{name}" for n, name in enumerate(ORGANS, 1)]
    path = folder / "organs.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_seven_organs_make_a_case(scan: Path, tmp_path: Path, capsys) -> None:
    a, b = organs()
    for name, array in (("ann", a), ("bob", b)):
        sitk.WriteImage(image_of(array), str(tmp_path / f"{name}.nii.gz"))
    paths = tmp_path / "ann.nii.gz", tmp_path / "bob.nii.gz"
    assert run(*paths, "--image", scan, "--labels", table(tmp_path), "-o", tmp_path / "both") == 0
    assert "2 regions of disagreement; review them with" in capsys.readouterr().out
    case = read_case(tmp_path / "both")
    assert case.kind is BundleKind.COMPARISON
    assert [info.name for info in case.classes] == ["background", *ORGANS]
    assert case.classes[3].colour == "#102003" and case.classes[3].code.value == "1003"
    np.testing.assert_array_equal(case.read_stored("segmentation"), b)
    np.testing.assert_array_equal(case.read_stored("stage2d"), a)
    found = {(c.was, c.became, c.voxels) for c in case.components}
    assert found == {(2, 1, 200), (5, 0, 20)}
    voxel_ml = np.prod(SPACING) / 1000
    both = case.measures["comparison"]
    assert both["difference"]["liver_volume_ml"] == pytest.approx(200 * voxel_ml)
    assert both["difference"]["aorta_volume_ml"] == pytest.approx(-20 * voxel_ml)
    assert both["dice"]["stomach"] == 1.0 and both["dice"]["spleen"] == pytest.approx(2 * 550 / (750 + 550))
    assert both["equal_share"] == pytest.approx(1 - 220 / a.size)
    page = (tmp_path / "both" / "report.html").read_text("utf-8")
    assert "Both opinions" in page and "left kidney" in page and "ann.nii.gz" in page


def test_a_comparison_is_adjudicated_like_any_case(scan: Path, tmp_path: Path) -> None:
    a, b = organs()
    for name, array in (("ann", a), ("bob", b)):
        sitk.WriteImage(image_of(array), str(tmp_path / f"{name}.nii.gz"))
    paths = tmp_path / "ann.nii.gz", tmp_path / "bob.nii.gz"
    assert run(*paths, "--image", scan, "--labels", table(tmp_path), "-o", tmp_path / "both", "-q") == 0
    review = Review(CaseMaps.of(read_case(tmp_path / "both")), "Cleo")
    assert review.card_text(0) == "A said spleen, B says liver; 200 voxels, 4.5 ml; region 1 of 2"
    assert review.take_2d(0).what.startswith("took A's label")
    review.keep(1)
    np.testing.assert_array_equal(review.labels == 1, a == 1)
    volumes = corrected_sizes(review)["volumes_ml"]
    assert volumes["spleen"] == pytest.approx(750 * np.prod(SPACING) / 1000)
    assert run(*paths, "--image", scan, "-o", tmp_path / "both", "--overwrite", "-q") == 0
    assert (tmp_path / "both.reviewed-1" / "review.json").is_file()


def test_heart_labels_bring_the_measures_of_the_heart(scan: Path, tmp_path: Path) -> None:
    a = np.zeros((6, 48, 40), np.uint8)
    a[:, 10:34, 8:32] = 2
    a[:, 16:28, 14:26] = 1
    b = a.copy()
    b[2:4, 10:16, 8:20] = 3
    for name, array in (("a", a), ("b", b)):
        sitk.WriteImage(image_of(array), str(tmp_path / f"{name}.nrrd"))
    paths = tmp_path / "a.nrrd", tmp_path / "b.nrrd"
    assert run(*paths, "--image", scan, "--labels", "lge", "-o", tmp_path / "both", "-q") == 0
    both = read_case(tmp_path / "both").measures["comparison"]
    assert both["a"]["sizes"]["infarct_volume_ml"] == 0
    assert both["difference"]["infarct_volume_ml"] == pytest.approx(144 * np.prod(SPACING) / 1000)


def test_segments_are_matched_by_name_and_may_be_cropped(scan: Path, tmp_path: Path) -> None:
    """Slicer saves a part of the grid, several layers, its own numbers, colours and terminology."""
    a, b = organs()
    write_seg_nrrd(tmp_path / "ann.seg.nrrd", a, ORGANS, crop=(slice(0, 6), slice(2, 48), slice(3, 36)))
    write_seg_nrrd(
        tmp_path / "bob.seg.nrrd", reordered(b), ORGANS[::-1], crop=(slice(0, 6), slice(0, 48), slice(0, 40))
    )
    paths = tmp_path / "ann.seg.nrrd", tmp_path / "bob.seg.nrrd"
    assert run(*paths, "--image", scan, "-o", tmp_path / "both", "-q") == 0
    case = read_case(tmp_path / "both")
    assert [info.name for info in case.classes[1:]] == list(ORGANS)
    np.testing.assert_array_equal(case.read_stored("segmentation"), b)
    np.testing.assert_array_equal(case.read_stored("stage2d"), a)
    assert case.classes[2].colour == "#334C80" and case.classes[2].code.value == "code-spleen"


def reordered(labels: np.ndarray) -> np.ndarray:
    return np.where(labels > 0, 8 - labels, 0).astype(np.uint8)


def write_seg_nrrd(path: Path, labels: np.ndarray, names: tuple[str, ...], crop: tuple[slice, ...]) -> None:
    """As Slicer writes it: two layers, the last segment in the second one with a label of its own."""
    part = labels[crop]
    last = len(names)
    layers = np.stack([np.where(part == last, 0, part), np.where(part == last, 1, 0)], axis=-1)
    image = image_of(layers.astype(np.uint8), vector=True)
    whole = image_of(labels)
    image.SetOrigin(whole.TransformIndexToPhysicalPoint([crop[n].start for n in (2, 1, 0)]))
    for number, name in enumerate(names):
        key = f"Segment{number}_"
        layer, value = ("1", "1") if number + 1 == last else ("0", str(number + 1))
        image.SetMetaData(f"{key}ID", f"Segment_{number}")
        image.SetMetaData(f"{key}Name", name)
        image.SetMetaData(f"{key}Color", "0.2 0.3 0.5")
        image.SetMetaData(f"{key}Layer", layer)
        image.SetMetaData(f"{key}LabelValue", value)
        entry = f"x~SCT^1^Organ~SCT^code-{name}^{name}~^^~x~^^~^^"
        image.SetMetaData(f"{key}Tags", f"A:b|Segmentation.TerminologyEntry:{entry}|")
    sitk.WriteImage(image, str(path), useCompression=True)


@pytest.mark.parametrize("folds", [1, 3])
def test_nnunet_folds_give_scs_entropy_and_pairwise_dice(folds: int, scan: Path, tmp_path: Path) -> None:
    a, b = organs()
    for name, labels in (("ann", a), ("bob", b)):
        for fold in range(folds):
            p = np.stack([np.where(labels == c, 0.65, 0.05) for c in range(8)]).astype(np.float32)
            p = p / p.sum(axis=0)
            (tmp_path / name / f"fold_{fold}").mkdir(parents=True)
            np.savez_compressed(tmp_path / name / f"fold_{fold}" / "scan.npz", probabilities=p)
    paths = tmp_path / "ann", tmp_path / "bob"
    assert run(*paths, "--probabilities", "--image", scan, "-o", tmp_path / "both", "-q") == 0
    case = read_case(tmp_path / "both")
    scs = case.read_stored("scs")
    np.testing.assert_allclose(scs, np.where(a != b, 2 * 0.6 / 8, 0), atol=1e-6)
    equal = a == b
    expected = -(0.65 * np.log(0.65) + 7 * 0.05 * np.log(0.05))
    np.testing.assert_allclose(case.read_stored("entropy")[equal], expected, atol=1e-5)
    assert case.pass_volumes_ml.shape == (2 * folds, 8)
    assert case.run.default_map == "scs" and len(case.components) == 2
    dice = 2 * 550 / (750 + 550)
    pairs, across = 2 * folds * (2 * folds - 1) / 2, folds * folds
    wanted = (across * dice + (pairs - across)) / pairs
    assert case.measures["comparison"]["pairwise_dice"]["class 2"] == pytest.approx(wanted)


def test_refusals_name_the_file_and_write_nothing(scan: Path, tmp_path: Path, capsys) -> None:
    a, _ = organs()
    sitk.WriteImage(image_of(a), str(tmp_path / "a.nii.gz"))
    moved = image_of(a)
    moved.SetOrigin((0.0, 0.0, 0.0))
    sitk.WriteImage(moved, str(tmp_path / "moved.nii.gz"))
    sitk.WriteImage(image_of(np.where(a == 3, 40, a).astype(np.uint8)), str(tmp_path / "many.nii.gz"))
    np.savez(tmp_path / "other.npz", something=np.zeros(3))
    for other, options, message in (
        ("moved.nii.gz", [], "its voxels are not those of"),
        ("many.nii.gz", [], "have 41 classes; at most 16"),
        ("many.nii.gz", ["--labels", table(tmp_path)], "has the labels 40"),
        ("a.nii.gz", ["--labels", "liver"], "give lge, cine or a table"),
        ("other.npz", ["--probabilities"], "holds one value per voxel"),
    ):
        code = run(tmp_path / "a.nii.gz", tmp_path / other, "--image", scan, *options, "-o", tmp_path / "out")
        assert code in (2, 3)
        error = capsys.readouterr().err.strip()
        assert message in error and "\n" not in error and "Traceback" not in error
    assert not (tmp_path / "out").exists()
