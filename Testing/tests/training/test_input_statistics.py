"""What the training scans look like: into the record of a run, into its bundle, and into an older bundle."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from CardiacUQLib.base.errors import ExitCode
from CardiacUQLib.bundles.bundle import load_bundle, write_manifest
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.cohort.flags import USUAL, input_flags, training_ranges
from CardiacUQTraining.datasets import open_dataset
from CardiacUQTraining.training.input_statistics import _widened, usual_ranges
from CardiacUQTraining.training.recipe import read_recipe
from CardiacUQTraining.training.run import begin_run
from CardiacUQTraining.training.run_folder import RunFolder


@pytest.fixture
def older(tmp_path: Path, tiny_bundle: Path) -> Path:
    """A bundle that was trained on three of the scans and says nothing about them."""
    folder = shutil.copytree(tiny_bundle, tmp_path / "older")
    held_out = {0: ("Case_N1", "Case_P1"), 1: ("Case_P3",)}
    write_manifest(dataclasses.replace(load_bundle(folder).manifest, held_out=held_out), folder)
    return folder


def test_a_range_is_wider_than_what_was_seen():
    assert _widened(4.0, 6.0) == [3.0, 7.0]
    assert _widened(2.0, 6.0) == [1.0, 8.0]
    assert _widened(-2.0, 2.0) == [-4.0, 4.0]
    assert _widened(10.0, 10.0) == [9.0, 11.0]
    assert _widened(9.8, 10.0) == [8.8, 11.0]


def test_ranges_of_scans_whose_geometry_is_known(emidec_like):
    ranges = usual_ranges(open_dataset("emidec", emidec_like))
    assert ranges.keys() == USUAL.keys()
    assert ranges["pixel_mm"] == pytest.approx([1.3122, 1.6038], abs=1e-3)
    assert ranges["slice_distance_mm"] == [9.0, 11.0]
    assert ranges["slices"] == [3.6, 4.4]
    assert ranges["field_of_view_mm"] == pytest.approx([62.99, 76.98], abs=0.02)
    low, high = ranges["contrast"]
    assert low < 10 < high


def test_a_run_notes_them_once_at_its_start(tmp_path, emidec_like, tiny_recipe_file):
    recipe, dataset = read_recipe(tiny_recipe_file), open_dataset("emidec", emidec_like)
    run = RunFolder(tmp_path / "run")
    begin_run(run, recipe, dataset, resume=False)
    noted = run.read_record()
    assert noted["input_statistics"] == usual_ranges(dataset)
    begin_run(run, recipe, dataset, resume=True)
    assert run.read_record() == noted


def test_an_older_bundle_is_told_without_a_training(older, emidec_like, capsys):
    sha256 = load_bundle(older).sha256
    assert main(["statistics", str(older), "--data", str(emidec_like)]) == ExitCode.DONE
    assert "usual ranges of 3 scans stored" in capsys.readouterr().out
    manifest = load_bundle(older).manifest
    assert load_bundle(older).sha256 != sha256, "a resumed cohort must do its flags anew"
    dataset = open_dataset("emidec", emidec_like)
    trained = [case for case in dataset if case.id in ("Case_N1", "Case_P1", "Case_P3")]
    expected = {name: tuple(limits) for name, limits in usual_ranges(trained).items()}
    assert training_ranges(manifest) == expected
    features = {name: (low + high) / 2 for name, (low, high) in expected.items()}
    assert input_flags(features, manifest) == ()
    assert input_flags(features | {"slice_distance_mm": 12.0}, manifest) == (
        "slice distance (mm) 12, usual are 9 to 11",
    )


def test_scans_that_trained_another_bundle_are_refused(older, emidec_like, capsys):
    for case in emidec_like.iterdir():
        if case.name != "Case_P2":
            shutil.rmtree(case)
    before = (older / "manifest.json").read_bytes()
    assert main(["statistics", str(older), "--data", str(emidec_like)]) == ExitCode.USAGE
    error = capsys.readouterr().err.strip()
    assert "none of the 1 scans of emidec trained this bundle" in error
    assert "\n" not in error
    assert (older / "manifest.json").read_bytes() == before
