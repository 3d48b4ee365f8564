"""The switch of the contour bands, and the one for scans in which nothing like a heart is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from review_cases import make_banded

REPOSITORY = Path(__file__).resolve().parents[3]


def bands_of(widget) -> slicer.vtkMRMLSegmentationNode:
    return widget.desk.nodes.bands


@pytest.mark.usefixtures("without_torch")
def test_the_switch_draws_the_bands_and_says_what_they_hold(host, widget, case_folder, tmp_path):
    widget.load_case(make_banded(tmp_path).folder)
    host.wait(lambda: not widget.busy)
    ui = widget.ui
    ui.displaySection.collapsed = False
    assert ui.bandsCheckBox.enabled and not ui.bandsCheckBox.checked and ui.bandsLabel.text == ""
    assert not bands_of(widget).GetDisplayNode().GetVisibility()
    ui.bandsCheckBox.click()
    assert bands_of(widget).GetDisplayNode().GetVisibility()
    assert "it held 91 % in unseen cases" in ui.bandsLabel.text
    with_bands = widget.desk.nodes
    # a case without any: the switch stays as it is but has nothing to show, and says why
    widget.load_case(case_folder)
    host.wait(lambda: not widget.busy)
    assert bands_of(widget) is None and not ui.bandsCheckBox.enabled and ui.bandsLabel.text == ""
    assert "no contour bands" in ui.bandsCheckBox.toolTip
    assert not with_bands.bands.GetDisplayNode().GetVisibility()
    # and back: drawn again, as the switch says
    ui.inputSelector.setCurrentNode(with_bands.volume)
    host.wait(lambda: not widget.busy)
    assert bands_of(widget).GetDisplayNode().GetVisibility() and ui.bandsLabel.text
    ui.bandsCheckBox.click()
    assert not bands_of(widget).GetDisplayNode().GetVisibility() and ui.bandsLabel.text == ""
    # deleted by hand: the case goes on without them
    host.scene.RemoveNode(bands_of(widget))
    host.wait(lambda: not widget.busy)
    host.app.processEvents()
    assert bands_of(widget) is None and not ui.bandsCheckBox.enabled
    assert widget.review.session is not None


@pytest.mark.timeout(600)
def test_a_scan_without_a_heart_is_refused_unless_asked_for(host, module, load, tmp_path, monkeypatch):
    from CardiacUQLib.bundles import bundle

    monkeypatch.setattr(bundle, "bundle_folders", lambda: (REPOSITORY / "Resources" / "Models",))
    noise = sitk.GetImageFromArray(np.random.default_rng(0).normal(300, 40, (4, 64, 64)).astype(np.float32))
    noise.SetSpacing((2.0, 2.0, 10.0))
    sitk.WriteImage(noise, str(tmp_path / "lge_noise.nii.gz"))
    load(tmp_path / "lge_noise.nii.gz")
    widget = host.open("CardiacUQ")
    ui = widget.ui
    assert "lge" in widget.models.bundle.manifest.name.lower()
    ui.foldsEdit.text = "0"
    widget._parameters.folds, ui.flipsCheckBox.checked = "0", False
    ui.segmentButton.click()
    assert "licence" in ui.messageLabel.text
    ui.licenceAcceptButton.click()  # and the run begins
    host.wait(lambda: not widget.busy, 300)
    assert "nothing like a heart was found" in ui.messageLabel.text
    assert "'even without a heart' under Advanced" in ui.messageLabel.text
    assert ui.keepUnlikeCheckBox.text == "even without a heart"
    assert widget.desk.nodes is None
    ui.keepUnlikeCheckBox.click()
    ui.segmentButton.click()
    host.wait(lambda: not widget.busy, 300)
    assert widget.desk.nodes is not None, ui.messageLabel.text
    assert widget.desk.nodes.verdict.word == "redo"
