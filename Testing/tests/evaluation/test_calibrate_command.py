"""`cardiacuq calibrate`: one's own cases change what a bundle says of itself, in a new bundle."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import SimpleITK as sitk
import yaml

from CardiacUQLib import phantom
from CardiacUQLib.bundles.bundle import load_bundle
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.evaluation.shared.predict import PassOptions, SeenInTrainingError, permitted_folds
from CardiacUQTraining.export.model_card import model_card


@pytest.fixture(scope="module")
def own_cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five phantoms under other label values, one of them for the test; no fold has ever seen any."""
    folder = tmp_path_factory.mktemp("own")
    rows = []
    for seed in range(5):
        image, labels = phantom.write(phantom.lge_phantom(seed), folder / f"p{seed}", "scan")
        rows.append({"image": str(image.relative_to(folder)), "label": str(labels.relative_to(folder))})
        stored = sitk.ReadImage(str(labels))
        sitk.WriteImage(stored * 10, str(labels))
    rows[-1]["split"] = "test"
    names = {0: "background", 10: "LV", 20: "myocardium", 30: "scar", 40: "MVO"}
    (folder / "cases.yaml").write_text(yaml.safe_dump({"labels": names, "cases": rows}), "utf-8")
    return folder / "cases.yaml"


def digest(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.is_file()}


@pytest.fixture(scope="module")
def calibrated(bundle, own_cases, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site") / "site-bundle"
    before = digest(bundle.folder)
    code = main(["calibrate", "--model", str(bundle.folder), "--data", str(own_cases), "-o", str(out)])
    assert code == 0
    assert digest(bundle.folder) == before, "the shipped bundle stays as it is"
    return out


def test_the_new_bundle_has_the_fit_and_says_on_what(bundle, calibrated):
    new = load_bundle(calibrated)
    assert new.manifest.name == "site-bundle"
    assert [w.sha256 for w in new.manifest.weights] == [w.sha256 for w in bundle.manifest.weights]
    fit = new.manifest.calibration["error_probability"]
    assert fit["fitted_on"]["cases"] == 4, "the case of the test has no part in it"
    assert fit["fitted_on"]["dataset"] == "table"
    assert "intervals" not in new.manifest.calibration, "four cases are too few for them"
    card = new.model_card
    assert card == model_card(new.manifest)
    assert "## Calibration\n\n- P(wrong): 4 cases of own cases, predicted unseen" in card
    assert "4 cases are few" in card
    assert (calibrated.with_name("site-bundle-figures") / "evaluation.md").is_file()


def test_it_is_used_by_segment(calibrated, own_cases, tmp_path):
    scan = own_cases.parent / "p4" / "scan.nii.gz"
    code = main(["segment", str(scan), "--model", str(calibrated), "-o", str(tmp_path), "--no-report", "-q"])
    assert code == 0
    assert list(tmp_path.rglob("*error_probability*"))


def test_nothing_is_begun_where_nothing_can_be_written(bundle, own_cases, tmp_path, capsys):
    arguments = ["calibrate", "--model", str(bundle.folder), "--data", str(own_cases)]
    (tmp_path / "there").mkdir()
    assert main([*arguments, "-o", str(tmp_path / "there")]) == 2
    assert "exists already" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main([*arguments, "-o", str(tmp_path / "file" / "new")]) == 2
    assert "is a file" in capsys.readouterr().err
    assert main([*arguments[:3], "--data", str(tmp_path / "none.yaml"), "-o", str(tmp_path / "new")]) == 2
    assert not list(tmp_path.glob(".new*")) and not (tmp_path / "new").exists()


def test_a_case_of_the_training_is_judged_by_the_fold_that_did_not_see_it(bundle):
    held, unlisted = bundle.manifest.held_out[0][0], "somebody"
    foreign = PassOptions(cross_validated=True, foreign=True)
    assert permitted_folds(bundle.manifest, held, foreign) == (0,)
    assert permitted_folds(bundle.manifest, unlisted, foreign) == (0, 1)
    with pytest.raises(SeenInTrainingError):
        permitted_folds(bundle.manifest, unlisted, PassOptions(cross_validated=True))
    assert str(foreign) == str(PassOptions(cross_validated=True)), "kept figures of old stay valid"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_cases_suffice_for_everything(bundle, tmp_path):
    out = tmp_path / "whole"
    asked = ["--dataset", "phantom", "-o", str(out), "--figures", str(tmp_path / "pages")]
    assert main(["calibrate", "--model", str(bundle.folder), *asked]) == 0
    new = load_bundle(out)
    fits = new.manifest.calibration
    for name in ("error_probability", "verdict", "predicted_dice", "presence", "likeness", "intervals"):
        assert fits[name]["fitted_on"]["cases"] == 20, name
    assert "are few" not in new.model_card
    assert "- intervals of sizes: 20 cases of LGE phantoms, predicted unseen" in new.model_card
    assert (tmp_path / "pages" / "evaluation.md").is_file()
