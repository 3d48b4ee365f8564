"""Somebody's own cases: tables, nnU-Net folders, foreign names and values, and what the check tells."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from CardiacUQLib.base.errors import InputError, UsageError
from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.datasets import open_dataset
from CardiacUQTraining.datasets.catalogue import CaseSource
from CardiacUQTraining.datasets.check import fingerprint, of_split, training_cases
from CardiacUQTraining.datasets.class_names import translate
from CardiacUQTraining.datasets.held import read_once
from CardiacUQTraining.export.bundle import origins
from CardiacUQTraining.training.recipe import read_recipe
from CardiacUQTraining.training.run import begin_run, check_recipe
from CardiacUQTraining.training.run_folder import RunFolder

SHAPE = (5, 40, 44)
LABELS = {0: "background", 10: "LV cavity", 20: "Myocardium", 30: "Scar", 99: "RV"}


def write_case(folder: Path, number: int, *, values: dict[int, int] | None = None) -> tuple[Path, Path]:
    """A noisy image and labels with a cavity of 100, a wall of 60 and a scar of 40 voxels per slice."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = np.zeros(SHAPE, np.uint8)
    for ours, (start, count) in {1: (0, 100), 2: (100, 60), 3: (160, 40)}.items():
        labels.reshape(SHAPE[0], -1)[:, start : start + count] = (values or {1: 10, 2: 20, 3: 30})[ours]
    image = np.random.default_rng(number).normal(100, 20, SHAPE).astype(np.float32)
    paths = folder / f"scan{number}.nii.gz", folder / f"scan{number}_seg.nii.gz"
    for array, path in zip((image, labels), paths, strict=True):
        stored = sitk.GetImageFromArray(array)
        stored.SetSpacing((1.25, 1.25, 8.0))
        stored.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, -1))
        sitk.WriteImage(stored, str(path))
    return paths


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Four cases: two for training, one for the test, one excluded."""
    rows = []
    for number, more in enumerate(({}, {"group": "scar"}, {"split": "test"}, {"exclude": "motion"})):
        image, label = write_case(tmp_path / f"p{number}", number)
        rows.append(
            {"image": str(image.relative_to(tmp_path)), "label": str(label.relative_to(tmp_path))} | more
        )
    path = tmp_path / "cases.yaml"
    path.write_text(yaml.safe_dump({"labels": LABELS, "cases": rows}), "utf-8")
    return path


def test_a_table_with_foreign_values_and_orientation(table: Path) -> None:
    dataset = open_dataset("table", table)
    assert [case.id for case in dataset] == ["p0_scan0", "p1_scan1", "p2_scan2"]
    assert [case.group for case in dataset] == ["all", "scar", "all"]
    assert [case.id for case in training_cases(dataset)] == ["p0_scan0", "p1_scan1"]
    assert [case.id for case in of_split(dataset, "test", cross_validated=False)] == ["p2_scan2"]
    assert len(of_split(dataset, "", cross_validated=True)) == 2
    with pytest.raises(UsageError, match="--split other"):
        of_split(dataset, "other", cross_validated=False)
    assert dataset.classes == LGE_CLASSES
    volume, labels = dataset.cases[0].load()
    assert np.bincount(labels.ravel()).tolist()[1:] == [500, 300, 200]
    assert volume.array.shape == labels.shape
    assert dataset.cases[0].merged == {4: 3}, "nobody labelled the MVO: it is part of the scar"


def test_name_and_licence_of_own_cases_go_into_what_is_trained_on_them(table: Path, tmp_path: Path) -> None:
    said = {"name": "our scans", "licence": "ours"}
    table.write_text(yaml.safe_dump(yaml.safe_load(table.read_text("utf-8")) | said), "utf-8")
    run, recipe = RunFolder(tmp_path / "run"), read_recipe("cascade-small").model_copy(update={"folds": 3})
    begin_run(run, recipe, open_dataset("table", table), resume=False)
    assert origins(run.read_record()) == [("ours", "our scans")]
    plain = run.read_record() | {"own_data": {}}
    assert origins(plain) == [("that of the training data", "own labelled cases")]
    assert nnunet_names(tmp_path / "raw") == ("Heart", "CC-BY")


def nnunet_names(folder: Path) -> tuple[str, str]:
    found = open_dataset("nnunet", nnunet(folder, name="Heart", licence="CC-BY"))
    return found.citation, found.licence


def test_the_rows_may_stand_in_a_csv(table: Path) -> None:
    content = yaml.safe_load(table.read_text("utf-8"))
    lines = [
        "image,label,id,split",
        *(f"{row['image']},{row['label']},c{n}," for n, row in enumerate(content["cases"])),
    ]
    (table.parent / "cases.csv").write_text("\n".join(lines), "utf-8")
    table.write_text(yaml.safe_dump(content | {"cases": "cases.csv"}), "utf-8")
    assert [case.id for case in open_dataset("table", table)] == ["c0", "c1", "c2", "c3"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"labels": {0: "background", 1: "LV", 2: "spleen"}}, "calls a label 'spleen'"),
        ({"labels": {0: "background", 1: "LV", 3: "scar"}}, "labels no healthy myocardium"),
        ({"cases": []}, "lists no case"),
        ({"cases": [{"image": "a.nii"}]}, "cases"),
        ({"cases": "gone.csv"}, "cannot be read"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_table_that_is_not_of_the_form_is_told_in_one_line(
    table: Path, change: dict[str, object], problem: str
) -> None:
    table.write_text(yaml.safe_dump(yaml.safe_load(table.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(InputError, match=problem) as error:
        open_dataset("table", table)
    assert "\n" not in str(error.value)


def test_no_file_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="YAML file"):
        open_dataset("table", tmp_path)


def nnunet(folder: Path, **changes: object) -> Path:
    for number in range(2):
        image, label = write_case(folder / "all", number, values={1: 1, 2: 2, 3: 3})
        (folder / "imagesTr").mkdir(exist_ok=True)
        (folder / "labelsTr").mkdir(exist_ok=True)
        image.rename(folder / "imagesTr" / f"heart_{number}_0000.nii.gz")
        label.rename(folder / "labelsTr" / f"heart_{number}.nii.gz")
    described = {
        "channel_names": {"0": "LGE"},
        "labels": {"background": 0, "LV": 1, "myocardium": 2, "infarct": 3, "no-reflow": 4},
        "numTraining": 2,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(described | changes), "utf-8")
    return folder


def test_an_nnunet_folder(tmp_path: Path) -> None:
    dataset = open_dataset("nnunet", nnunet(tmp_path))
    assert [case.id for case in dataset] == ["heart_0", "heart_1"]
    assert dataset.cases[0].merged == {}
    assert np.bincount(dataset.cases[0].load()[1].ravel()).tolist()[1:] == [500, 300, 200]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"channel_names": {"0": "LGE", "1": "T2"}}, "has 2 channels"),
        ({"labels": {"background": 0, "whole": [1, 2]}}, "is a region"),
        ({"labels": {"background": 0, "liver": 1}}, "calls a label 'liver'"),
        ({"file_ending": ".mha"}, "holds no labelled case"),
        ({"labels": None}, "labels"),
    ],
)
def test_an_nnunet_folder_that_cannot_be_used(
    tmp_path: Path, changes: dict[str, object], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        open_dataset("nnunet", nnunet(tmp_path, **changes))


def test_names_decide_between_late_enhancement_and_cine() -> None:
    cine = translate({1: "LVC", 2: "LV wall", 3: "right_ventricle"}, Path("x"))
    assert cine.classes == CINE_CLASSES and dict(cine.label_map) == {0: 0, 1: 3, 2: 2, 3: 1}
    late = translate(LABELS | {7: "MVO"}, Path("x"))
    assert late.classes == LGE_CLASSES and late.label_map[99] == 0 and late.merged == {}


def test_the_check_tells_what_is_wrong_and_what_is_usual(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = yaml.safe_load(table.read_text("utf-8"))
    twin = dict(content["cases"][0]) | {"id": "twin", "split": "test", "patient": "A"}
    content["cases"][0]["patient"] = "A"
    broken = dict(content["cases"][1]) | {"id": "broken", "image": "p1/gone.nii.gz"}
    table.write_text(yaml.safe_dump(content | {"cases": [*content["cases"], twin, broken]}), "utf-8")
    found = fingerprint(open_dataset("table", table, complete=False))
    assert len(found.facts) == 4 and len(found.unusable) == 1 and found.unusable[0].startswith("broken: ")
    assert "p0_scan0 and twin are the same image; one is for training, one for the test" in found.doubts
    assert "patient A is in the training and in the test" in found.doubts
    assert found.facts[0].class_ml[1] == pytest.approx(500 * 1.25 * 1.25 * 8 / 1000)
    assert main(["dataset", "check", str(table)]) == 6
    told = capsys.readouterr().out
    assert "4 of 5 cases can be used" in told and "pixels              1.25 mm" in told
    assert "infarct             in 4 of 4 cases, 2.5 ml" in told
    left = []
    assert len(read_once(open_dataset("table", table, complete=False), left.append)) == 4
    assert left[0].startswith("broken: left out: ")


def test_data_of_another_kind_is_refused_before_the_first_step(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = open_dataset("table", table)
    check_recipe(read_recipe("cascade-small"), late)
    with pytest.raises(UsageError, match="choose data or recipe of the same kind"):
        check_recipe(read_recipe("ensemble-small"), late)
    out = tmp_path / "run"
    asked = [
        "train",
        "streaming",
        "--recipe",
        "ensemble-small",
        "--dataset",
        "table",
        "--data",
        str(table),
        "-o",
        str(out),
    ]
    assert main(asked) == 2
    assert "is labelled blood pool, healthy myocardium, infarct, MVO" in capsys.readouterr().err
    assert not out.exists()


def test_data_that_are_not_there_are_told_apart_from_data_that_were_not_named(tmp_path):
    cases = [
        (CaseSource(None).existing, "--data is missing; it names the folder of the cases"),
        (CaseSource(tmp_path / "no").existing, "no: there is no such folder"),
        (CaseSource(None).file, "--data is missing; it names the YAML file"),
        (CaseSource(tmp_path).file, ": this is no file; --data names the YAML file"),
    ]
    for ask, words in cases:
        with pytest.raises(UsageError) as caught:
            ask()
        assert words in str(caught.value) and "None" not in str(caught.value)


def test_a_list_of_a_spreadsheet_with_semicolons_reads_as_one_with_commas(tmp_path):
    write_case(tmp_path, 1)
    found = []
    for separator in ",;":
        image, label = (path.relative_to(tmp_path) for path in write_case(tmp_path, 1))
        lines = [("Image", "Label", "group"), (str(image), str(label), "scar")]
        (tmp_path / "cases.csv").write_text("\n".join(separator.join(line) for line in lines), "utf-8")
        content = {"labels": LABELS, "cases": "cases.csv"}
        (tmp_path / "cases.yaml").write_text(yaml.safe_dump(content), "utf-8")
        found.append(open_dataset("table", tmp_path / "cases.yaml").cases)
    assert len(found[0]) == 1 and found[0] == found[1]
