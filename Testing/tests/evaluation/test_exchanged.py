"""Exchanged class values of a reader are named, and only where they are exchanged."""

import numpy as np
import pytest

from CardiacUQLib.base.errors import ExitCode
from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.images.reading import write_map
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.evaluation.shared.exchanged import find_exchange, overlaps


def rings(errors=0):
    """Background, 30 voxels of class 1, 20 of class 2 and 10 of class 3; the first of each may be wrong."""
    labels = np.repeat([0, 1, 2, 3], [40, 30, 20, 10]).reshape(4, 5, 5)
    wrong = labels.copy().ravel()
    for start in (40, 70, 90):
        wrong[start : start + errors] = 0
    return labels, wrong.reshape(labels.shape)


def test_two_of_three_values_exchanged_by_hand():
    predicted, truth = rings()
    reader = np.array([0, 2, 1, 3])[truth]
    found = find_exchange(overlaps([(reader, predicted)], 4), CINE_CLASSES)
    names = [info.name for info in CINE_CLASSES]
    assert found is not None and found.renamed == ((1, names[2]), (2, names[1]))
    assert found.exchanged_dice == 1.0
    assert found.dice == pytest.approx(1 / 3)  # class 3 alone is where it should be
    assert f"label 1 as '{names[2]}', 2 as '{names[1]}'" in found.as_text()
    assert "1.00 instead of 0.33" in found.as_text()


def test_a_turn_of_three_values_over_several_cases_with_errors():
    predicted, truth = rings(errors=4)
    reader = np.array([0, 2, 3, 1])[truth]
    found = find_exchange(overlaps([(reader, predicted)] * 3, 4), CINE_CLASSES)
    assert found is not None and [value for value, _ in found.renamed] == [1, 2, 3]
    # 26, 16 and 6 voxels of 30, 20 and 10 are found: Dice 2 * 26 / 56 and so on
    assert found.exchanged_dice == pytest.approx(np.mean([52 / 56, 32 / 36, 12 / 16]))


def test_no_word_of_values_that_are_right_or_of_a_model_that_is_bad():
    predicted, truth = rings(errors=4)
    assert find_exchange(overlaps([(truth, predicted)], 4), CINE_CLASSES) is None
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 4, (2, 10, 20, 20))
    assert find_exchange(overlaps([(noise[0], noise[1])], 4), CINE_CLASSES) is None
    nothing = np.zeros((3, 4, 4), int)
    assert find_exchange(overlaps([(nothing, nothing)], 4), CINE_CLASSES) is None


def test_a_class_that_the_reader_does_not_have_is_left_alone():
    """A healthy case: no infarct; the values of blood and muscle alone are exchanged."""
    predicted, _ = rings()
    predicted = np.where(predicted == 3, 0, predicted)
    reader = np.array([0, 2, 1, 3, 4])[predicted]
    found = find_exchange(overlaps([(reader, predicted)], 5), LGE_CLASSES)
    assert found is not None and [value for value, _ in found.renamed] == [1, 2]


@pytest.mark.parametrize("exchanged", [True, False])
def test_the_command_says_it_on_terminal_and_page(bundle, phantoms, tmp_path, capfd, exchanged):
    """The reader's labels are the model's own answer, with values exchanged or not."""
    from CardiacUQLib.inference.segment import segment

    volume, _ = phantoms.cases[0].load()
    labels = segment(volume, bundle, device="cpu").segmentation
    order = np.array([0, 2, 1, 3, 4]) if exchanged else np.arange(5)
    write_map(volume.array, volume, tmp_path / "scan.nii.gz")
    write_map(order[labels].astype(np.uint8), volume, tmp_path / "labels.nii.gz")
    names = ", ".join(f"{info.value}: {info.name}" for info in LGE_CLASSES)
    table = f"labels: {{{names}}}\ncases:\n- {{id: one, image: scan.nii.gz, label: labels.nii.gz}}\n"
    (tmp_path / "mine.yaml").write_text(table)
    options = ["--dataset", "table", "--data", str(tmp_path / "mine.yaml"), "-o", str(tmp_path / "out")]
    options += ["--methods", "scs", "--device", "cpu"]
    assert main(["evaluate", "--model", str(bundle.folder), *options]) == ExitCode.DONE
    page = (tmp_path / "out" / "evaluation.md").read_text("utf-8")
    said = "taking label 1 as 'healthy myocardium', 2 as 'blood pool'"
    assert (said in page) is exchanged
    assert (said in capfd.readouterr().err) is exchanged
