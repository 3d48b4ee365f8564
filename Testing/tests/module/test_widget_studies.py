"""Cine studies in the module, by a real child process with a bundle that solves them exactly."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import slicer

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(REPOSITORY / "Testing" / "tests" / part) for part in ("evaluation", "dicom")]

from cine_material import SPACING, film, heart_labels, lv_ml, write_band_bundle, write_stack  # noqa: E402
from test_widget_film import add_film  # noqa: E402

pytestmark = pytest.mark.timeout(600)
RADII = (10.0, 8.0, 5.0, 6.0, 9.0)
EF = 100 * (1 - lv_ml(5.0) / lv_ml(10.0))


@pytest.fixture(scope="module")
def bands(tmp_path_factory) -> Path:
    """The folder in which the only bundle lies."""
    folder = tmp_path_factory.mktemp("bands")
    write_band_bundle(folder / "bands")
    return folder


@pytest.fixture
def opened(host, module, bands, tmp_path, monkeypatch):
    """The widget with that bundle, its results in a folder of the test."""
    from CardiacUQWidgets import computer

    monkeypatch.setenv("CARDIACUQ_MODELS", str(bands))
    computer.set_results_folder(str(tmp_path / "results"))
    widget = host.open("CardiacUQ")
    widget.ui.flipsCheckBox.checked = False
    return widget


def segment(host, widget) -> None:
    """Press the button and wait for the end."""
    widget.ui.segmentButton.click()
    assert widget.runs.run is not None, widget.ui.messageLabel.text
    host.wait(lambda: not widget.busy, 300)
    assert widget.desk.nodes is not None, widget.ui.messageLabel.text


def ef_of(widget) -> float:
    """The ejection fraction in the headline, in percent."""
    words = widget.ui.headlineLabel.text
    assert "EF " in words, words
    return float(words.partition("EF ")[2].split()[0])


def pair_of(tmp_path: Path):
    """End-diastole and end-systole as two volumes of the scene."""
    from CardiacUQWidgets.case_opening import load_image

    frames = film(RADII)
    return [
        load_image(write_stack(tmp_path / f"{name}.nii.gz", frames[number]))
        for name, number in (("diastole", 0), ("systole", 2))
    ]


def test_both_phases_are_found_on_the_film_wherever_it_begins(host, opened):
    volume, browser = add_film(host, film(np.roll(RADII, -3)), SPACING)
    opened.ui.inputSelector.setCurrentNode(volume)
    host.app.processEvents()
    assert opened.ui.edSpin.text == opened.ui.esSpin.text == "found"
    segment(host, opened)
    assert (opened.ui.edSpin.value - 1, opened.ui.esSpin.value - 1) == (2, 4)
    assert opened.desk.nodes.name.endswith("_ED") and browser.GetSelectedItemNumber() == 2
    assert ef_of(opened) == pytest.approx(EF, abs=0.6)


def test_a_frame_chosen_by_hand_overrides_what_is_found(host, opened):
    volume, browser = add_film(host, film(np.roll(RADII, -3)), SPACING)
    ui = opened.ui
    ui.inputSelector.setCurrentNode(volume)
    host.app.processEvents()
    ui.edSpin.value = ui.esSpin.value = 2
    ui.segmentButton.click()
    assert opened.runs.run is None and "same frame" in ui.messageLabel.text
    ui.esSpin.value = 0
    segment(host, opened)
    assert (ui.edSpin.value, ui.esSpin.value) == (2, 5) and browser.GetSelectedItemNumber() == 1
    assert ef_of(opened) == pytest.approx(100 * (1 - lv_ml(5.0) / lv_ml(9.0)), abs=0.6)


def test_two_volumes_are_a_study(host, opened, tmp_path):
    diastole, systole = pair_of(tmp_path)
    ui = opened.ui
    ui.inputSelector.setCurrentNode(diastole)
    assert ui.pairFrame.visible and not ui.filmFrame.visible
    ui.pairSelector.setCurrentNode(systole)
    segment(host, opened)
    assert ef_of(opened) == pytest.approx(EF, abs=0.6)
    assert opened.desk.nodes.volume is diastole and opened.desk.nodes.name.endswith("_ED")
    assert len(slicer.util.getNodes("diastole*", useLists=True).get("diastole", [])) == 1, "no copy of it"
    ui.inputSelector.setCurrentNode(systole)
    host.wait(lambda: not opened.busy)
    assert opened.desk.nodes.name.endswith("_ES") and ef_of(opened) == pytest.approx(EF, abs=0.6)
    assert ui.pairSelector.currentNode() is None, "the chosen volume is no second phase of itself"


def test_a_review_of_one_phase_changes_the_ejection_fraction_of_both(host, opened, tmp_path):
    diastole, systole = pair_of(tmp_path)
    ui = opened.ui
    ui.inputSelector.setCurrentNode(diastole)
    ui.pairSelector.setCurrentNode(systole)
    segment(host, opened)
    folder = opened.desk.nodes.folder
    opened.review.press("E")
    opened.review.press("2")
    rim = (heart_labels(10.0) == 3) & (heart_labels(9.0) != 3)
    opened.review.editor.widget._stroke(rim)
    opened.review.press("E")
    corrected = pytest.approx(100 * (1 - lv_ml(5.0) / lv_ml(9.0)), abs=0.6)
    assert ef_of(opened) == corrected
    ui.inputSelector.setCurrentNode(systole)
    host.wait(lambda: not opened.busy, 60)
    assert opened.desk.nodes.name.endswith("_ES")
    assert ef_of(opened) == corrected, "the other phase knows it"
    summary = json.loads(folder.with_name(folder.name.removesuffix("_ED") + "_cine.json").read_text("utf-8"))
    assert summary["sizes"]["ef_percent"]["value"] == corrected


def test_a_folder_of_dicom_files_becomes_a_film(host, opened, tmp_path):
    from test_dicom_cine import PHASES, write_cine

    from CardiacUQLib.images.cine import read_cine
    from CardiacUQScene.film import frames_of
    from CardiacUQScene.grid import geometry_as_matrix

    write_cine(tmp_path / "cine")
    opened.films.load(tmp_path / "cine")
    host.wait(lambda: not opened.busy, 60)
    assert opened.films.film is not None and opened.films.film.frames == PHASES, opened.ui.messageLabel.text
    arrays, matrix = frames_of(opened.films.film)
    cine = read_cine(tmp_path / "cine")
    assert (arrays == cine.stored).all() and np.allclose(matrix, geometry_as_matrix(cine.geometry))
    assert opened.ui.inputSelector.currentNode() is opened.films.film.volume and opened.ui.filmFrame.visible
    (tmp_path / "empty").mkdir()
    opened.films.load(tmp_path / "empty")
    host.wait(lambda: not opened.busy, 60)
    assert str(tmp_path / "empty") in opened.ui.messageLabel.text, "what cannot be read is told"
