"""A cine in the module: the film as a study, its results on their frames, the curve, this frame alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import slicer
from desk_checks import change_record

REPOSITORY = Path(__file__).resolve().parents[3]
FRAMES, SYSTOLE = 5, 3


def add_film(host, frames: np.ndarray, spacing=(1.56, 1.56, 10.0)):
    """A film in the scene as Slicer's Sequences load it: a sequence, a browser and the volume it replays."""
    scene = host.scene
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "film frames")
    sequence.SetIndexName("frame")
    for number, frame in enumerate(frames):
        node = slicer.vtkMRMLScalarVolumeNode()
        node.SetName("film")
        slicer.util.updateVolumeFromArray(node, np.asarray(frame, np.float32))
        node.SetSpacing(*spacing)
        sequence.SetDataNodeAtValue(node, str(number))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "film browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    host.app.applicationLogic().GetModuleLogic("Sequences").UpdateProxyNodesFromSequences(browser)
    return browser.GetProxyNode(sequence), browser


@pytest.fixture
def film(host, module, monkeypatch):
    """A film of five frames and the widget, with the bundles of the repository to choose from."""
    from CardiacUQLib.phantom import cine_phantom

    monkeypatch.setenv("CARDIACUQ_MODELS", str(REPOSITORY / "Resources" / "Models"))
    heart = cine_phantom(1, n_frames=FRAMES, shape=(8, 128, 128), crop_px=None)
    volume, browser = add_film(host, heart.frames)
    widget = host.open("CardiacUQ")
    widget.ui.inputSelector.setCurrentNode(volume)
    return widget, volume, browser


def make_study(case_folder: Path, tmp_path: Path) -> Path:
    """What a run of a film leaves: two case folders with their frames, and the summary."""
    import SimpleITK as sitk

    from CardiacUQLib.base.checksum import sha256_of

    for number, phase in enumerate(("ED", "ES")):
        folder = shutil.copytree(case_folder, tmp_path / "out" / f"film_{phase}")
        record = json.loads((folder / "case.json").read_text("utf-8"))
        own = folder / "image.nii.gz"
        sitk.WriteImage(sitk.ReadImage(record["input_path"]) + number + 1, str(own))
        change_record(folder, name=folder.name, input_path=str(own), input_sha256=sha256_of(own))
    summary = tmp_path / "out" / "film_cine.json"
    content = {
        "name": "film",
        "cases": {"ED": "film_ED", "ES": "film_ES"},
        "frames": {"ED": 0, "ES": SYSTOLE},
    }
    summary.write_text(json.dumps({**content, "cavity_ml": [120.0, 100.0, 80.0, 60.0, 90.0]}), "utf-8")
    return summary


@pytest.fixture
def study(case_folder, tmp_path) -> Path:
    return make_study(case_folder, tmp_path)


def test_a_film_is_recognised_and_asked_about(host, without_torch, film):
    widget, _volume, _browser = film
    ui = widget.ui
    assert widget.films.film.frames == FRAMES and ui.filmFrame.visible and ui.filmRadio.checked
    assert "cine" in widget.models.bundle.manifest.name
    asked = widget.films.asked()
    assert (asked.ed, asked.es) == (None, None), "both are found on the film"
    ui.edSpin.value, ui.esSpin.value = 2, 5
    asked = widget.films.asked()
    assert (asked.ed, asked.es) == (1, 4), "chosen by hand, counted from 1"
    ui.frameRadio.checked = True
    assert widget.films.asked() is None
    ui.modelSelector.currentIndex = [b.manifest.name for b in widget.models._bundles].index("lge-cascade")
    ui.modelSelector.activated.emit(ui.modelSelector.currentIndex)
    assert not ui.filmFrame.visible, "a model of late enhancement knows no film"


def test_results_stay_on_their_frames_while_the_film_is_browsed(host, without_torch, film, study):
    from CardiacUQScene import all_cases

    widget, volume, browser = film
    widget.runs.studied(study, volume)
    host.wait(lambda: not widget.busy)
    ed, es = (next(n for n in all_cases() if n.name == f"film_{phase}") for phase in ("ED", "ES"))
    assert widget.desk.nodes.segmentation is ed.segmentation and browser.GetSelectedItemNumber() == 0
    for index, nodes in ((SYSTOLE, es), (1, None), (0, ed), (SYSTOLE, es)):
        browser.SetSelectedItemNumber(index)
        host.wait(lambda: not widget.busy)
        shown = None if widget.desk.nodes is None else widget.desk.nodes.segmentation
        assert shown is (None if nodes is None else nodes.segmentation)
        seen = volume if nodes is None else nodes.volume
        composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
        assert {c.GetBackgroundVolumeID() for c in composites} == {seen.GetID()}
        for case in (ed, es):
            visible = bool(case.segmentation.GetDisplayNode().GetVisibility())
            assert visible is (nodes is not None and case.segmentation is nodes.segmentation)
    widget.ui.phaseHereButton.click()
    host.wait(lambda: not widget.busy)
    assert browser.GetSelectedItemNumber() == 0 and widget.desk.nodes.segmentation is ed.segmentation
    widget.ui.inputSelector.setCurrentNode(es.volume)
    assert browser.GetSelectedItemNumber() == SYSTOLE, "the film follows the phase that is chosen"


def test_the_cavity_is_drawn_over_time_with_both_phases_on_it(host, without_torch, film, study):
    widget, volume, _browser = film
    widget.runs.studied(study, volume)
    host.wait(lambda: not widget.busy)
    charts = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    chart = next(node for node in charts if node.GetName().endswith("cavity"))
    names = [chart.GetNthPlotSeriesNode(n).GetName() for n in range(chart.GetNumberOfPlotSeriesNodes())]
    assert names == ["LV cavity, ml", "ED", "ES"]
    table = chart.GetNthPlotSeriesNode(2).GetTableNode()
    assert (float(table.GetCellText(0, 0)), float(table.GetCellText(0, 1))) == (SYSTOLE + 1, 60.0)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_whole_film_is_segmented_as_a_study(host, film):
    """A real child with the shipped cine bundle, one fold: ES found on the film, EF in the headline."""
    widget, _volume, browser = film
    ui = widget.ui
    ui.foldsEdit.text, ui.flipsCheckBox.checked = "0", False
    if ui.licenceFrame.visible or widget.runs.run is None:
        ui.segmentButton.click()
        ui.licenceAcceptButton.click()
    assert widget.runs.run is not None, ui.messageLabel.text
    host.wait(lambda: not widget.busy, 1500)
    assert widget.desk.nodes is not None, ui.messageLabel.text
    assert widget.desk.nodes.name.endswith("_ED") and "EF" in ui.headlineLabel.text
    assert 0 < int(ui.esSpin.value) - 1 < FRAMES
    browser.SetSelectedItemNumber(int(ui.esSpin.value) - 1)
    host.wait(lambda: not widget.busy)
    assert widget.desk.nodes.name.endswith("_ES")
