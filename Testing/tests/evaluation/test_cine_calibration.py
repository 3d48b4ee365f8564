"""P(wrong) and intervals of a cine bundle: fitted out of fold, stored in the bundle, applied in use."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cine_material import GREY, film, heart_labels, lv_ml, write_band_bundle, write_film, write_stack

from CardiacUQLib.base.errors import ExitCode
from CardiacUQLib.bundles.bundle import load_bundle
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQTraining.cli.app import main

PATIENTS = 20
UNSURE = {"borders": (1 / 6, 1 / 2, 0.8), "steepness": 20.0}


def radii(number: int) -> tuple[float, float]:
    """Radius of the LV in px at ED and ES of a patient."""
    return 8.0 + 0.2 * number, 4.0 + 0.2 * ((7 * number) % PATIENTS)


@pytest.fixture(scope="module")
def acdc(tmp_path_factory) -> Path:
    """Hearts of which the reader draws the LV up to a pixel smaller or larger than the image shows."""
    folder = tmp_path_factory.mktemp("acdc")
    rng = np.random.default_rng(3)
    for number in range(PATIENTS):
        patient = folder / f"patient{number + 1:03d}"
        patient.mkdir()
        (patient / "Info.cfg").write_text("ED: 1\nES: 3\nGroup: NOR\nNbFrame: 3\n")
        for frame, shown in zip((1, 3), radii(number), strict=True):
            stem = patient / f"{patient.name}_frame{frame:02d}"
            grey = 100 * GREY[heart_labels(shown, depth=3)] + rng.normal(0, 4, (3, 48, 48))
            write_stack(stem.with_name(f"{stem.name}.nii.gz"), grey.astype(np.float32))
            drawn = heart_labels(shown + rng.uniform(-1, 1), depth=3)
            write_stack(stem.with_name(f"{stem.name}_gt.nii.gz"), drawn)
    return folder


@pytest.fixture(scope="module")
def calibrated(acdc, tmp_path_factory) -> tuple[Path, Path]:
    """The bundle with its calibration stored, and the evaluation's folder."""
    cases = [f"patient{n + 1:03d}_{phase}" for n in range(PATIENTS) for phase in ("ED", "ES")]
    held_out = {0: tuple(cases[: len(cases) // 2]), 1: tuple(cases[len(cases) // 2 :])}
    folder = tmp_path_factory.mktemp("models") / "cine-bands"
    write_band_bundle(folder, members=(None, UNSURE), folds=(0, 1), held_out=held_out)
    out = tmp_path_factory.mktemp("evaluation")
    arguments = ["--model", str(folder), "--dataset", "acdc", "--data", str(acdc), "-o", str(out)]
    code = main(["evaluate", *arguments, "--cross-validated", "--store-calibration", "--device", "cpu", "-q"])
    assert code == ExitCode.DONE
    return folder, out


def test_both_are_stored_with_what_they_were_fitted_on(calibrated):
    folder, out = calibrated
    stored = load_bundle(folder).manifest.calibration
    assert stored["error_probability"]["fitted_on"]["frames"] == 2 * PATIENTS
    features = {term["feature"] for term in stored["error_probability"]["terms"]}
    assert {"log_scs", "log_entropy", "log_mutual_information", "log_variance"} <= features
    assert not any(feature.endswith("_2d") for feature in features if feature)
    for size in ("edv_ml", "esv_ml", "ef_percent", "lv_volume_ml", "rv_volume_ml"):
        assert stored["intervals"][size]["cases"] == PATIENTS * (2 if "volume" in size else 1)
    content = json.loads((out / "evaluation.json").read_text("utf-8"))
    assert 0.8 <= content["coverage"]["lv_volume_ml"]["coverage"] <= 1.0, "twice as many frames as patients"
    assert content["coverage"]["lv_volume_ml"]["crps"] < content["coverage"]["lv_volume_ml"]["crps_point"]
    assert content["pooled_ece"]["crop"] < 0.02
    page = (out / "evaluation.md").read_text("utf-8")
    assert "### Intervals of sizes" in page and "### Calibrated P(wrong)" in page
    assert "| P(wrong) |" in page and (out / "figures" / "reliability.png").is_file()


def test_a_case_carries_p_wrong_and_calibrated_intervals(calibrated, tmp_path):
    folder, _ = calibrated
    grey = film((10, 6), depth=3)  # as noisy as the others: unlike them it would have no interval
    grey += np.random.default_rng(5).normal(0, 4, grey.shape).astype(np.float32)
    source = write_film(tmp_path / "heart.nii.gz", grey)
    arguments = ["--model", str(folder), "--device", "cpu", "--folds", "0", "--es", "1"]
    assert main(["segment", str(source), "-o", str(tmp_path / "out"), *arguments]) == ExitCode.DONE
    case = read_case(tmp_path / "out" / "heart_ED")
    wrong = case.maps[MapName.ERROR_PROBABILITY]
    labels = heart_labels(10, depth=3)
    border = (labels == 3) & (np.roll(labels, 1, axis=2) == 2)
    inside = np.zeros_like(border)
    inside[:, 22:26, 26:30] = True
    assert (labels[inside] == 3).all()
    assert wrong[border].mean() > 5 * wrong[inside].mean(), "readers differ at the border of the cavity"
    sizes = case.measures["sizes"]
    for size, expected in (("edv_ml", lv_ml(10, 3)), ("ef_percent", 100 * (1 - lv_ml(6, 3) / lv_ml(10, 3)))):
        low, high = sizes[size]["interval"]
        assert sizes[size]["calibrated"] is True and low < expected < high
    assert sizes["lv_volume_ml"]["calibrated"] is True


def test_a_cine_bundle_is_calibrated_on_cases_that_no_fold_has_seen(acdc, tmp_path):
    write_band_bundle(tmp_path / "shipped", members=(None, UNSURE), folds=(0,), held_out={0: ("elsewhere",)})
    where = ["--model", str(tmp_path / "shipped"), "--dataset", "acdc", "--data", str(acdc)]
    assert main(["calibrate", *where, "-o", str(tmp_path / "ours"), "--device", "cpu"]) == ExitCode.DONE
    ours = load_bundle(tmp_path / "ours")
    for name in ("error_probability", "intervals"):
        assert ours.manifest.calibration[name]["fitted_on"]["frames"] == 2 * PATIENTS
    assert "intervals of sizes: 40 frames of ACDC, predicted unseen" in ours.model_card
    assert "are few" not in ours.model_card
    assert not load_bundle(tmp_path / "shipped").manifest.calibration


def test_a_bundle_that_gains_a_fold_keeps_the_frames_of_the_others(calibrated, acdc, tmp_path, monkeypatch):
    """Fold by fold: frames judged before are read again, those of the new fold alone are computed."""
    folder, _ = calibrated
    held_out = load_bundle(folder).manifest.held_out
    out, computed = tmp_path / "out", []
    from CardiacUQTraining.evaluation.cine import judge

    genuine = judge.judge_frame

    def counted(case, *rest):
        computed.append(case.id)
        return genuine(case, *rest)

    monkeypatch.setattr(judge, "judge_frame", counted)
    common = ["--dataset", "acdc", "--data", str(acdc), "-o", str(out), "--cross-validated", "--no-tta"]
    for folds in ((0,), (0, 1)):
        name = tmp_path / f"folds{len(folds)}"
        part = {fold: held_out[fold][:4] for fold in folds}
        write_band_bundle(name, members=(None, UNSURE), folds=folds, held_out=part)
        assert main(["evaluate", "--model", str(name), *common, "--device", "cpu", "-q"]) == ExitCode.DONE
    assert computed == [*held_out[0][:4], *held_out[1][:4]]
    assert f"{2 * PATIENTS - 8} frames are left out" in (out / "evaluation.md").read_text("utf-8")
