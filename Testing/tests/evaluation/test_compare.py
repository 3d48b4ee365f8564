"""Two opinions on one image: codes, regions, scores, and refusals that name both files."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from CardiacUQTraining.cli.app import main

SPACING = (1.5, 1.5, 10.0)


def write(path, array, spacing=SPACING, origin=(0.0, 0.0, 0.0), vector=False):
    image = sitk.GetImageFromArray(array, isVector=vector)
    image.SetSpacing((*spacing, 1.0) if image.GetDimension() == 4 else spacing)
    image.SetOrigin((*origin, 0.0) if image.GetDimension() == 4 else origin)
    sitk.WriteImage(image, str(path))
    return path


def heart():
    labels = np.zeros((3, 20, 24), np.uint8)
    labels[:, 4:16, 4:18] = 2
    labels[:, 7:13, 8:14] = 1
    return labels


@pytest.fixture
def readers(tmp_path):
    a, b = heart(), heart()
    b[1, 4:7, 4:9] = 3  # 15 voxels: 2 -> 3
    b[0, 13:16, 4:6] = 0  # 6 voxels, under the threshold of 10
    return a, b, write(tmp_path / "a.nii.gz", a), write(tmp_path / "b.nii.gz", b)


def run(*arguments):
    return main(["compare", *map(str, arguments)])


def test_two_readers(readers, tmp_path, capsys):
    a, _, path_a, path_b = readers
    assert run(path_a, path_b, "-o", tmp_path / "out") == 0
    dcm = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "dcm.nii.gz")))
    expected = np.zeros_like(a)
    expected[1, 4:7, 4:9] = 2 * 5 + 3
    np.testing.assert_array_equal(dcm, expected)
    content = json.loads((tmp_path / "out" / "comparison.json").read_text("utf-8"))
    assert content["components"] == 1 and content["mean_scs"] is None
    assert content["dice"]["3"] == 0.0 and content["dice"]["1"] == 1.0 and content["dice"]["4"] == 1.0
    assert content["equal_share"] == pytest.approx(1 - 21 / a.size)
    assert not (tmp_path / "out" / "scs.nii.gz").exists()
    row = (tmp_path / "out" / "components.csv").read_text("utf-8").splitlines()[1].split(",")
    assert row[5:7] == ["2", "2"], "the table and the screen call a slice alike"
    assert "1: A 2, B 3, 0.34 ml, slice 2" in capsys.readouterr().out  # 15 * 22.5 mm3


@pytest.mark.parametrize("vector", [False, True])
def test_probabilities_give_the_soft_correction_score(readers, tmp_path, vector):
    a, b = readers[:2]
    paths = []
    for name, labels in (("pa", a), ("pb", b)):
        p = np.stack([np.where(labels == c, 0.8, 0.05) for c in range(5)]).astype(np.float32)
        stored = np.moveaxis(p, 0, -1) if vector else p
        paths.append(
            write(tmp_path / f"{name}.nrrd" if vector else tmp_path / f"{name}.nii.gz", stored, vector=vector)
        )
    assert run(*paths, "--probabilities", "-o", tmp_path / "out") == 0
    scs = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "scs.nii.gz")))
    # two of five classes differ by .75: 2 * .75 / 5
    np.testing.assert_allclose(scs, np.where(a != b, 0.3, 0.0), atol=1e-6)
    rows = (tmp_path / "out" / "components.csv").read_text("utf-8").splitlines()
    assert len(rows) == 2 and float(rows[1].split(",")[10]) == pytest.approx(0.3, abs=1e-6)


def test_maps_return_on_a_flipped_oblique_grid(tmp_path):
    a, b = heart(), heart()
    b[2, 4:7, 4:9] = 4
    angle = np.deg2rad(30)
    direction = (-np.cos(angle), 0, np.sin(angle), 0, 1, 0, np.sin(angle), 0, np.cos(angle))
    paths = []
    for name, labels in (("a", a), ("b", b)):
        image = sitk.GetImageFromArray(labels)
        image.SetSpacing(SPACING)
        image.SetDirection(direction)
        paths.append(tmp_path / f"{name}.nii.gz")
        sitk.WriteImage(image, str(paths[-1]))
    assert run(*paths, "-o", tmp_path / "out", "-q") == 0
    found = sitk.ReadImage(str(tmp_path / "out" / "dcm.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found) == 2 * 5 + 4, b == 4)
    np.testing.assert_allclose(found.GetDirection(), direction, atol=1e-6)


def test_refusals_are_one_line_and_name_both(readers, tmp_path, capsys):
    a, _, path_a, _ = readers
    other_size = write(tmp_path / "small.nii.gz", a[:, :-1])
    other_grid = write(tmp_path / "moved.nii.gz", a, origin=(5.0, 0.0, 0.0))
    other_labels = write(tmp_path / "codes.nii.gz", np.where(a == 2, 200, a).astype(np.uint8))
    for other, message in (
        (other_size, "differ in size: 24 x 20 x 3 and 24 x 19 x 3"),
        (other_grid, "lie on different grids"),
        (other_labels, "have the labels 0, 1, 2 and 0, 1, 200; both must use 0 to 4"),
    ):
        assert run(path_a, other, "-o", tmp_path / "out") == 2
        err = capsys.readouterr().err.strip()
        assert message in err and str(path_a) in err and str(other) in err and "\n" not in err
    assert not (tmp_path / "out").exists()


def test_probabilities_of_other_class_counts_are_refused(tmp_path, capsys):
    four = np.full((4, 3, 8, 8), 0.25, np.float32)
    five = np.full((5, 3, 8, 8), 0.2, np.float32)
    paths = write(tmp_path / "four.nii.gz", four), write(tmp_path / "five.nii.gz", five)
    assert run(*paths, "--probabilities", "-o", tmp_path / "out") == 2
    err = capsys.readouterr().err
    assert "hold 4 and 5 classes" in err and "four.nii.gz" in err and "five.nii.gz" in err


@pytest.mark.parametrize(
    ("array", "options", "message"),
    [
        (heart() + 0.5, [], "holds fractional values"),
        (heart().astype(np.int16) - 1, [], "has labels -1 to 1"),
        (heart(), ["--probabilities"], "holds one value per voxel"),
        (np.full((5, 3, 8, 8), 0.3, np.float32), ["--probabilities"], "are no probabilities"),
        (np.full((5, 3, 8, 8), 0.2, np.float32), [], "has 4 dimensions"),
    ],
)
def test_unusable_files_are_named(tmp_path, capsys, array, options, message):
    bad = write(tmp_path / "bad.nii.gz", array)
    assert run(bad, bad, *options, "-o", tmp_path / "out") == 3
    err = capsys.readouterr().err
    assert message in err and "bad.nii.gz" in err


def test_missing_and_broken_files(readers, tmp_path, capsys):
    (tmp_path / "broken.nii.gz").write_bytes(b"not an image")
    for path, message in (
        (tmp_path / "none.nii.gz", "no such file"),
        (tmp_path / "broken.nii.gz", "this is not a NIfTI file"),
    ):
        assert run(readers[2], path, "-o", tmp_path / "out") == 3
        assert message in capsys.readouterr().err


def test_an_existing_folder_is_kept_unless_told(readers, tmp_path, capsys):
    arguments = [*readers[2:], "-o", tmp_path / "out"]
    assert run(*arguments) == 0
    assert run(*arguments) == 2
    assert run(*arguments, "--overwrite") == 0
