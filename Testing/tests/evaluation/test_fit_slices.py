"""Learning base and apex from frames whose answer is known, and the command that stores it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from cine_material import GREY, heart_labels, write_band_bundle, write_stack

from CardiacUQLib.base.errors import ExitCode
from CardiacUQLib.base.json_codec import decode
from CardiacUQLib.bundles.bundle import load_bundle
from CardiacUQLib.bundles.manifest import View
from CardiacUQLib.bundles.resident import ResidentBundle
from CardiacUQLib.inference.segment import segment
from CardiacUQLib.uncertainty.slice_presence import EVIDENCE, KEY, STRUCTURES, SlicePresence
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.datasets import open_dataset
from CardiacUQTraining.evaluation.cine.fit_slices import SliceCase, fit_slice_presence, slices_missed
from CardiacUQTraining.evaluation.cine.frames import ENSEMBLE, LIKELIEST, part_scores, predict_frame
from CardiacUQTraining.evaluation.shared.predict import Computer, PassOptions

PATIENTS = 12


def case(fold: int, areas: list[float], seen: list[bool]) -> SliceCase:
    rows = [dict.fromkeys(EVIDENCE, 0.0) | {"area": a, "mean probability: RV": 0.8} for a in areas]
    return SliceCase(fold, dict.fromkeys(STRUCTURES, rows), {name: np.array(seen) for name in STRUCTURES})


def test_a_fold_learns_from_the_frames_of_the_others() -> None:
    """Everywhere the reader sees what is large; in the frames of fold 0 what is small."""
    right = [case(fold, [-1, 0, 2, 3], [False, False, True, True]) for fold in (1, 2) for _ in range(8)]
    wrong = [case(0, [-1, 0, 2, 3], [True, True, False, False]) for _ in range(8)]
    fitted = fit_slice_presence([*right, *wrong])
    small, large = fitted.probabilities(right[0].evidence, (0,))["RV"][[0, 3]]
    assert small < 0.1 and large > 0.9
    alone = fit_slice_presence(right)
    assert slices_missed(right, alone) == {"RV": (0.5, 0.0)}
    assert set(alone.folds) == {"1", "2"}


@pytest.fixture(scope="module")
def acdc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Patients whose reader leaves the RV out of the first slice, where it is drawn much smaller."""
    folder = tmp_path_factory.mktemp("acdc")
    for number in range(PATIENTS):
        name = f"patient{number:03d}"
        patient = folder / name
        patient.mkdir()
        (patient / "Info.cfg").write_text("ED: 1\nES: 3\nGroup: NOR\n", "utf-8")
        for frame, radius in ((1, 9 + number % 3), (3, 5)):
            truth = heart_labels(radius)
            shown = truth.copy()
            small = np.hypot(*(np.indices((48, 48)) - np.array([24, 12])[:, None, None])) < 4
            shown[0][(shown[0] == 1) & ~small] = 0
            truth[0][truth[0] == 1] = 0
            stem = f"{name}_frame{frame:02d}"
            write_stack(patient / f"{stem}.nii.gz", (100 * GREY[shown]).astype(np.float32))
            write_stack(patient / f"{stem}_gt.nii.gz", truth)
    return folder


def test_the_command_stores_what_inference_uses(
    acdc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held_out = {
        fold: tuple(f"patient{n:03d}_{phase}" for n in range(fold, PATIENTS, 2) for phase in ("ED", "ES"))
        for fold in (0, 1)
    }
    folder = write_band_bundle(
        tmp_path / "bands", folds=(0, 1), held_out=held_out, views=(View.IDENTITY,)
    ).folder
    command = [
        "evaluate",
        "--model",
        str(folder),
        "--dataset",
        "acdc",
        "--data",
        str(acdc),
        "--device",
        "cpu",
    ]
    assert main([*command, "--cross-validated", "--store-slices", "-q", "--limit", "10"]) == ExitCode.USAGE
    assert "10 frames of 2 folds" in capsys.readouterr().err
    assert main([*command, "--store-slices"]) == ExitCode.USAGE
    assert "--cross-validated" in capsys.readouterr().err
    assert main([*command, "--cross-validated", "--store-slices"]) == ExitCode.DONE
    assert "RV 20.0 -> 0.0 %" in capsys.readouterr().out
    bundle = load_bundle(folder)
    fitted = decode(bundle.manifest.calibration[KEY], SlicePresence, KEY)
    assert set(fitted.folds) == {"0", "1"} and fitted.fitted_on["frames"] == 2 * PATIENTS

    one = open_dataset("acdc", acdc).cases[0]
    volume, truth = one.load()
    result = segment(volume, bundle, device="cpu", precision="float32")
    assert (result.segmentation == truth).all()
    before = dataclasses.replace(bundle.manifest, calibration={})
    drawn = segment(volume, dataclasses.replace(bundle, manifest=before), device="cpu", precision="float32")
    assert (drawn.segmentation[0] == 1).any()
    found = predict_frame(
        volume,
        ResidentBundle.of(bundle),
        (1,),
        PassOptions(views=(View.IDENTITY,)),
        Computer("cpu", "float32"),
    )
    np.testing.assert_array_equal(found.found.segmentation, result.segmentation)
    scores = part_scores(found, truth, bundle.manifest.classes, volume.geometry.spacing)
    assert scores[ENSEMBLE]["dice_1"] == 1.0 > scores[LIKELIEST]["dice_1"]


def test_cascades_have_no_such_rule(
    tiny_bundle: Path, acdc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "--model", str(tiny_bundle), "--dataset", "acdc", "--data", str(acdc)]
    assert main([*command, "--cross-validated", "--store-slices"]) == ExitCode.USAGE
    assert "--store-slices is for cine" in capsys.readouterr().err
