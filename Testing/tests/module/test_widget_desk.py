"""One case on the desk, whatever is chosen, deleted or moved; a cohort one case after the other; licences."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import slicer
import vtk
from desk_checks import case_of_its_own, seen

pytestmark = pytest.mark.usefixtures("without_torch")


@pytest.fixture
def two(host, widget, case_folder, tmp_path):
    """The module with two cases in the scene, each on its own volume; the second is chosen."""
    volumes = []
    for name in ("first", "second"):
        folder = case_of_its_own(case_folder, tmp_path / name)
        widget.load_case(folder)
        volumes.append(widget.desk.volume)
    host.app.processEvents()
    return widget, volumes


def test_switching_back_and_forth_shows_the_chosen_case_and_nothing_else(host, two):
    widget, volumes = two
    widget.review.press("N")
    widget.review.press("D")
    for turn in range(20):
        volume = volumes[turn % 2]
        widget.ui.inputSelector.setCurrentNode(volume)
        host.wait(lambda: not widget.busy)
        seen(widget, volume)
    counts = [s.split()[0] for s in (widget.ui.progressLabel.text,)]
    assert counts == ["1"], "the decision belongs to the second case, which was chosen last"


def test_a_volume_without_a_case_is_seen_alone(host, two, load, phantom_file):
    from CardiacUQScene import all_cases

    widget, _volumes = two
    plain = load(phantom_file)
    widget.ui.inputSelector.setCurrentNode(plain)
    host.app.processEvents()
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        assert composite.GetBackgroundVolumeID() == plain.GetID()
        assert not composite.GetForegroundVolumeID()
    assert not any(nodes.segmentation.GetDisplayNode().GetVisibility() for nodes in all_cases())
    assert widget.ui.headlineLabel.text == "" and widget.review.session is None
    assert not widget.ui.resultFrame.isVisible()


def test_our_maps_are_no_input(host, two):
    from CardiacUQLib.base.errors import InputError
    from CardiacUQWidgets import inputfile

    widget, volumes = two
    combo = widget.ui.inputSelector._combo
    names = [combo.itemText(n) for n in range(combo.count())]
    assert sorted(names) == sorted(volume.GetName() for volume in volumes)
    with pytest.raises(InputError, match="made by CardiacUQ"):
        inputfile.check_volume(next(iter(widget.desk.nodes.maps.values())))


def test_a_label_volume_is_no_input(host, widget):
    from CardiacUQLib.base.errors import InputError
    from CardiacUQWidgets import inputfile

    labels = np.zeros((8, 96, 96), np.int16)
    labels[2:6, 30:60, 30:60] = 2
    node = slicer.util.addVolumeFromArray(labels)
    with pytest.raises(InputError, match="labels"):
        inputfile.check_volume(node)


@pytest.mark.parametrize("part", ["volume", "segmentation", "map", "corrections", "measures", "chart"])
def test_deleting_any_node_leaves_a_whole_case_or_none(host, two, part):
    from CardiacUQScene import all_cases

    widget, volumes = two
    widget.review.press("N")
    nodes = widget.desk.nodes
    node = next(iter(nodes.maps.values())) if part == "map" else getattr(nodes, part)
    host.scene.RemoveNode(node)
    host.wait(lambda: not widget.busy)
    host.app.processEvents()
    if part in ("volume", "segmentation"):
        assert len(all_cases()) == 1
        assert not slicer.util.getNodes("Region under review")
        names = [n.GetName() or "" for n in slicer.util.getNodesByClass("vtkMRMLNode")]
        assert not [name for name in names if name.startswith("second_image ")]
    else:
        assert len(all_cases()) == 2 and widget.review.session is not None
        for key in ("D", "P", "H", "H", "Z"):
            widget.review.keys.press(key)
        widget.ui.heatMapSelector.currentIndex = 2
        widget.ui.correctionsCheckBox.click()
        widget.ui.correctionsCheckBox.click()
    legends = slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode")
    assert all(legend.GetDisplayableNode() is not None for legend in legends)
    widget.ui.inputSelector.setCurrentNode(volumes[0])
    host.wait(lambda: not widget.busy)
    seen(widget, volumes[0])


def test_a_transform_moves_the_case_along_and_hardening_says_so(host, two):
    widget, volumes = two
    widget.review.press("N")
    nodes, volume = widget.desk.nodes, volumes[1]
    transform = host.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    turn = vtk.vtkTransform()
    turn.RotateY(30.0)
    transform.SetMatrixTransformToParent(turn.GetMatrix())
    volume.SetAndObserveTransformNodeID(transform.GetID())
    moved = [nodes.segmentation, nodes.corrections, *nodes.maps.values()]
    moved.append(slicer.util.getNode("Region under review"))
    assert {node.GetTransformNodeID() for node in moved} == {transform.GetID()}
    nodes.segmentation.SetAndObserveTransformNodeID(None)
    assert nodes.segmentation.GetTransformNodeID() == transform.GetID()
    assert "stay with their volume" in widget.ui.messageLabel.text
    widget.review.press("D")
    assert widget.review.session.progress().decided == 1
    volume.HardenTransform()
    assert widget.review.session is None and "moved or resampled" in widget.ui.headlineLabel.text


def test_forty_would_go_like_three(host, widget, tmp_path):
    """A cohort by keyboard: every case opens by itself and takes its volume along."""
    from review_cases import make_case

    made, out = make_case(tmp_path).folder, tmp_path / "out"
    for name in ("b", "a", "c"):
        case_of_its_own(made, out / name)
    (out / "cohort.csv").write_text("case,state\nb,done\nbroken,failed\na,done\nc,done\n", "utf-8")
    widget.queue.open(out / "cohort.csv")
    counts = []
    for number, name in enumerate(("b", "a", "c"), 1):
        host.wait(lambda: not widget.busy)
        assert widget.desk.nodes is not None, widget.ui.messageLabel.text
        assert widget.desk.nodes.name == name and f"Case {number} of 3: {name}" in widget.ui.queueLabel.text
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        assert len(volumes) == 2 + len(widget.desk.nodes.maps), "its image, maps and bull's-eyes"
        counts.append(host.scene.GetNumberOfNodes())
        widget.review.keys.press("N")
        for _ in widget.review.session.items:
            widget.review.keys.press("K")
        assert "next case (N)" in widget.ui.messageLabel.text
        widget.review.keys.press("N")
    host.wait(lambda: not widget.busy)
    assert "every case" in widget.ui.messageLabel.text
    assert len(set(counts)) == 1, "nothing of the cases before is left"
    stamps = [json.loads((out / n / "measures.json").read_text("utf-8"))["review"] for n in ("a", "b", "c")]
    assert all(stamp["decided"] == stamp["items"] for stamp in stamps)


def test_a_model_under_a_licence_of_its_own_is_accepted_once(host, module, load, phantom_file, monkeypatch):
    from CardiacUQLib.bundles import bundle as bundles

    load(phantom_file)
    widget = host.open("CardiacUQ")
    host.wait(lambda: not widget.busy)
    strict = replace(widget.models.bundle.manifest, licence="CC BY-NC-SA 4.0, research only")
    closed = replace(widget.models.bundle, manifest=strict)
    monkeypatch.setattr(widget.models, "_bundles", (closed,))
    assert isinstance(closed, bundles.Bundle)
    widget.ui.segmentButton.click()
    ui = widget.ui
    assert widget.runs.run is None and ui.licenceFrame.visible
    assert "CC BY-NC-SA 4.0" in ui.licenceLabel.text and "accept" in ui.messageLabel.text
    ui.licenceDeclineButton.click()
    assert not ui.licenceFrame.visible and widget.runs.run is None
    ui.segmentButton.click()
    ui.licenceAcceptButton.click()
    assert widget.runs.run is not None and not ui.licenceFrame.visible
    ui.segmentButton.click()
    host.wait(lambda: not widget.busy)
    ui.segmentButton.click()
    assert widget.runs.run is not None, "not asked again"


def test_a_model_folder_of_ones_own(host, widget, tiny_bundle, tmp_path):
    own = shutil.copytree(tiny_bundle, tmp_path / "my model")
    assert widget.models.add_folder(own)
    assert widget.models.bundle.folder == own
    (own / "manifest.json").write_text("{}", "utf-8")
    widget.models.refresh()
    assert "my model" in widget.ui.modelLabel.text, "an invalid one is named, not silently replaced"
    assert not widget.models.add_folder(tmp_path)
    assert "manifest.json" in widget.ui.messageLabel.text
    assert not widget.models.choose("gone")
    assert "gone" in widget.ui.modelLabel.text
