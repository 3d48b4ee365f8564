"""Walking the queue through the widget: what each key changes, undone, saved, reopened."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import slicer


@pytest.fixture
def case(case_folder, tmp_path):
    """A case folder that the test may write into."""
    return shutil.copytree(case_folder, tmp_path / "phantom")


@pytest.fixture
def reviewing(host, widget, case):
    """The widget with the case open."""
    widget.ui.reviewerEdit.text = "Jane Doe"
    widget.load_case(case)
    return widget


def _labels(widget) -> np.ndarray:
    """The corrected labels as the segmentation node has them."""
    from CardiacUQScene.voxels import labels_of

    nodes = widget.display.nodes
    return labels_of(nodes.segmentation, nodes.segments, nodes.volume)


def place_of(name) -> int:
    """Where the selector has a map."""
    from CardiacUQWidgets.display_panel import HeatMapChoice

    return [choice.value for choice in HeatMapChoice].index(name)


def test_a_case_folder_brings_its_own_image(host, reviewing, phantom_file):
    volume = reviewing.ui.inputSelector.currentNode()
    assert volume.GetStorageNode().GetFileName() == str(phantom_file)
    assert "need" in reviewing.ui.lookLabel.text and reviewing.ui.headlineLabel.text
    assert reviewing.ui.regionTable.rowCount == len(reviewing.review.session.items)
    assert "Case phantom" in reviewing.ui.messageLabel.text


def test_taking_the_2d_label_changes_that_region_only_and_undo_brings_it_back(reviewing):
    before, session = _labels(reviewing), reviewing.review.session
    reviewing.review.press("N")
    item = session.items[0]
    region = np.asarray(session.review.mask(0))
    reviewing.review.press("T")
    after = _labels(reviewing)
    changed = before != after
    assert changed.sum() == item.voxels and (changed == region).all()
    assert (after[changed] == item.was).all() and (before[changed] == item.became).all()
    assert session.index == 1, "the queue has moved on"
    assert "1 of" in reviewing.ui.progressLabel.text and reviewing.ui.undoButton.enabled
    assert not reviewing.ui.redoButton.enabled
    reviewing.review.press("Z")
    assert (_labels(reviewing) == before).all()
    assert reviewing.ui.redoButton.enabled
    reviewing.ui.redoButton.click()
    assert (_labels(reviewing) == after).all()


def test_every_key_decides(reviewing, case):
    actions = {"K": "keep", "T": "take_2d", "F": "flag", "1": "assign", "4": "assign"}
    reviewing.review.press("N")
    for key in actions:
        reviewing.review.press(key)
    events = json.loads((case / "review.json").read_text("utf-8"))["events"]
    assert [event["action"] for event in events] == list(actions.values())
    assert [event["label"] for event in events[-2:]] == [1, 4]
    assert {event["reviewer"] for event in events} == {"Jane Doe"}
    assert "flagged" in reviewing.ui.progressLabel.text


def test_keys_before_the_first_region_change_nothing(reviewing, case):
    before = _labels(reviewing)
    for key in "KTF1Z":
        reviewing.review.press(key)
    assert (_labels(reviewing) == before).all() and not (case / "review.json").exists()


def test_the_shortcuts_are_there_only_while_the_module_is_open(host, reviewing):
    keys = {shortcut.key.toString() for shortcut in reviewing.review._shortcuts}
    assert keys == set("NPKTFZEH1234")
    visible = reviewing.ui.heatVisibleCheckBox.checked
    heat = next(s for s in reviewing.review._shortcuts if s.key.toString() == "H")
    heat.activated.emit()
    assert reviewing.ui.heatVisibleCheckBox.checked is not visible
    host.leave("CardiacUQ")
    assert reviewing.review._shortcuts == []


def test_a_click_in_the_table_jumps(reviewing):
    last = reviewing.ui.regionTable.rowCount - 1
    reviewing.ui.regionTable.cellClicked.emit(last, 0)
    assert reviewing.review.session.index == last
    assert f"region {last + 1} of" in reviewing.ui.cardLabel.text
    assert reviewing.ui.regionTable.item(last, 3).text() == "here"


def test_painting_becomes_a_decision_when_the_editor_is_closed(reviewing, case):
    from CardiacUQScene.case_nodes import segment_id

    reviewing.review.press("N")
    before, ui = _labels(reviewing), reviewing.ui
    nodes, session = reviewing.display.nodes, reviewing.review.session
    ui.editButton.click()
    editor = reviewing.review._editor
    assert ui.editorFrame.visible and editor.segmentationNode() is nodes.segmentation
    assert editor.currentSegmentID() == segment_id(session.items[0].became)
    spot = tuple(np.argwhere(before == 0)[0])
    mask = (before == 3).astype(np.uint8)
    mask[spot] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, nodes.segmentation, segment_id(3), nodes.volume)
    ui.editButton.click()
    assert not ui.editorFrame.visible and editor.segmentationNode() is None
    event = json.loads((case / "review.json").read_text("utf-8"))["events"][-1]
    assert (event["action"], event["voxels_changed"]) == ("edited", 1)
    reviewing.review.press("Z")
    assert (_labels(reviewing) == before).all()


def test_a_saved_scene_opens_where_the_review_was_left(host, reviewing, case, tmp_path):
    for key in ("N", "T", "F"):
        reviewing.review.press(key)
    reviewing.ui.heatOpacitySlider.value = 0.7
    labels, headline = _labels(reviewing), reviewing.ui.headlineLabel.text
    progress = reviewing.ui.progressLabel.text
    host.app.standalone.save(tmp_path / "scene.mrb")
    host.scene.Clear(0)
    assert reviewing.review.session is None and reviewing.ui.headlineLabel.text == ""
    host.app.standalone.load(tmp_path / "scene.mrb")
    host.open("CardiacUQ")
    assert reviewing.display.nodes is not None
    assert (_labels(reviewing) == labels).all()
    assert reviewing.ui.heatOpacitySlider.value == pytest.approx(0.7)
    assert (reviewing.ui.progressLabel.text, reviewing.ui.headlineLabel.text) == (progress, headline)
    reviewing.review.press("Z")
    assert "flagged" not in reviewing.ui.progressLabel.text


def test_a_crash_loses_no_decision(host, reviewing, case):
    """The scene is gone without having been saved; the case folder alone brings everything back."""
    for key in ("N", "T", "1"):
        reviewing.review.press(key)
    labels, progress = _labels(reviewing), reviewing.ui.progressLabel.text
    host.scene.Clear(0)
    reviewing.load_case(case)
    assert (_labels(reviewing) == labels).all() and reviewing.ui.progressLabel.text == progress


def test_the_export_is_a_training_case(reviewing, tmp_path, host, monkeypatch):
    import SimpleITK as sitk

    reviewing.review.press("N")
    reviewing.review.press("T")
    target = tmp_path / "training"
    target.mkdir()
    dialog = host.qt.QFileDialog
    monkeypatch.setattr(dialog, "getExistingDirectory", staticmethod(lambda *_: str(target)))
    reviewing.ui.exportButton.click()
    assert "training case" in reviewing.ui.messageLabel.text
    labels = next(target.rglob("Contours/*.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(labels))), _labels(reviewing))


def test_display_controls_reach_the_scene(reviewing):
    from CardiacUQLib.bundles.map_catalogue import MapName
    from CardiacUQScene import heat_map, scale_of

    ui, nodes = reviewing.ui, reviewing.display.nodes
    assert heat_map(nodes).name is MapName.SCS and ui.heatMapSelector.currentText.endswith("(SCS)")
    ui.heatMapSelector.currentIndex = 0
    assert heat_map(nodes).name is MapName.SCS and "SCS is shown instead" in ui.cursorLabel.text
    ui.heatMapSelector.currentIndex = place_of(MapName.ENTROPY)
    ui.heatOpacitySlider.value, ui.heatThresholdSlider.value = 0.8, 0.25
    shown = heat_map(nodes)
    assert (shown.name, shown.opacity) == (MapName.ENTROPY, pytest.approx(0.8))
    highest = scale_of(nodes, MapName.ENTROPY).highest
    assert shown.threshold == pytest.approx(0.25 * highest)
    ui.heatVisibleCheckBox.click()
    assert heat_map(nodes).name is None
    display = nodes.segmentation.GetDisplayNode()
    ui.outlines2DCheckBox.click()
    assert not display.GetVisibility2DOutline()
    ui.surfaces3DCheckBox.click()
    assert display.GetVisibility3D()


def test_a_heat_map_that_the_user_has_chosen_stays_for_the_next_case(reviewing, case):
    from CardiacUQLib.bundles.map_catalogue import MapName
    from CardiacUQScene import heat_map

    selector = reviewing.ui.heatMapSelector
    selector.currentIndex = place_of(MapName.ENTROPY)
    selector.activated.emit(selector.currentIndex)
    reviewing.load_case(case)
    assert heat_map(reviewing.display.nodes).name is MapName.ENTROPY


def test_the_limits_of_the_model_stand_under_the_headline(host, widget, case):
    from CardiacUQLib.cases.seal import SEAL, document_seal

    text = (case / "case.json").read_text("utf-8")
    record = json.loads(text)
    record["warnings"] = ["this model finds no MVO"]
    record[SEAL] = document_seal(record)
    (case / "case.json").write_text(json.dumps(record), "utf-8")
    widget.load_case(case)
    assert widget.ui.warningsLabel.text == "this model finds no MVO"
    host.scene.Clear(0)
    assert widget.ui.warningsLabel.text == ""


def _cell(table, measure: str) -> str:
    rows = {table.GetCellText(row, 0): table.GetCellText(row, 1) for row in range(table.GetNumberOfRows())}
    return rows.get(measure, "")


def test_marking_the_insertion_counts_aha_segments_from_it(host, reviewing):
    """One click beside the heart; a click in the middle of nowhere is refused and changes nothing."""
    import vtk

    ui, nodes, panel = reviewing.ui, reviewing.display.nodes, reviewing.insertion
    assert "not AHA" in ui.insertionLabel.text and "not AHA" in _cell(nodes.measures, "segments model")
    pixels = np.asarray(
        vtk.util.numpy_support.vtk_to_numpy(nodes.bullseyes.GetImageData().GetPointData().GetScalars())
    ).copy()
    ui.insertionButton.click()
    selection = host.app.applicationLogic().GetSelectionNode()
    markup = host.scene.GetNodeByID(selection.GetActivePlaceNodeID())
    before = [nodes.measures.GetCellText(0, 1), _cell(nodes.measures, "segments model")]

    markup.AddControlPointWorld(vtk.vtkVector3d(500.0, 0.0, 0.0))
    host.wait(lambda: not panel.busy, 60)
    assert "insertion" in ui.messageLabel.text and ";" in ui.messageLabel.text
    assert [nodes.measures.GetCellText(0, 1), _cell(nodes.measures, "segments model")] == before

    markup.SetNthControlPointPositionWorld(0, *_beside_the_heart(nodes))
    markup.InvokeEvent(markup.PointEndInteractionEvent)
    host.wait(lambda: not panel.busy, 60)
    assert _cell(nodes.measures, "segments model") == "AHA-17"
    assert "AHA" in ui.insertionLabel.text and ui.insertionRemoveButton.enabled
    now = vtk.util.numpy_support.vtk_to_numpy(nodes.bullseyes.GetImageData().GetPointData().GetScalars())
    assert (now != pixels).any()

    ui.insertionRemoveButton.click()
    host.wait(lambda: not panel.busy, 60)
    assert "not AHA" in _cell(nodes.measures, "segments model") and "not AHA" in ui.insertionLabel.text


def _beside_the_heart(nodes) -> tuple[float, float, float]:
    """A point just outside the wall in the slice with the most wall, world RAS."""
    from CardiacUQScene.grid import ijk_to_ras
    from CardiacUQScene.voxels import labels_of

    labels = labels_of(nodes.segmentation, nodes.segments, nodes.volume)
    heart = labels > 0
    k = int(heart.sum(axis=(1, 2)).argmax())
    j, i = (int(v) for v in np.argwhere(heart[k]).mean(axis=0))
    while heart[k, j, i:].any():
        i += 1
    return tuple((ijk_to_ras(nodes.volume) @ [i, j, k, 1.0])[:3].tolist())


def test_the_mark_goes_to_the_child_and_is_found_in_a_saved_scene(host, reviewing, tmp_path):
    from CardiacUQScene import insertion_ras

    panel, nodes = reviewing.insertion, reviewing.display.nodes
    place = _beside_the_heart(nodes)
    reviewing.ui.insertionButton.click()
    import vtk

    from CardiacUQScene import insertion_markup

    insertion_markup(nodes.volume).AddControlPointWorld(vtk.vtkVector3d(*place))
    host.wait(lambda: not panel.busy, 60)
    _volume, options, _passes = reviewing._prepare_run()
    assert options.rv_insertion_ras == pytest.approx(place, abs=1e-3)
    host.app.standalone.save(tmp_path / "scene.mrb")
    host.scene.Clear(0)
    host.app.standalone.load(tmp_path / "scene.mrb")
    host.open("CardiacUQ")
    host.wait(lambda: not panel.busy, 60)
    nodes = reviewing.display.nodes
    assert insertion_ras(nodes.volume) == pytest.approx(place, abs=1e-3)
    assert _cell(nodes.measures, "segments model") == "AHA-17"


def test_the_bulls_eyes_come_and_go_in_the_yellow_view(host, reviewing):
    nodes = reviewing.display.nodes
    composite = next(
        n for n in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode") if n.GetLayoutName() == "Yellow"
    )
    reviewing.ui.bullseyesButton.click()
    assert composite.GetBackgroundVolumeID() == nodes.bullseyes.GetID()
    reviewing.ui.heatOpacitySlider.value = 0.7
    assert composite.GetForegroundVolumeID() is None, "nothing lies over the picture"
    reviewing.ui.bullseyesButton.click()
    assert composite.GetBackgroundVolumeID() == nodes.volume.GetID()
    assert composite.GetForegroundVolumeID() in {node.GetID() for node in nodes.maps.values()}


def test_the_cursor_is_put_into_words(host, module, case):
    crosshair = host.scene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    widget = host.open("CardiacUQ")
    widget.load_case(case)
    crosshair.SetCursorPositionRAS(list(widget.review.session.items[0].centre_ras))
    assert "SCS" in widget.ui.cursorLabel.text
    crosshair.SetCursorPositionRAS([1e5, 0.0, 0.0])
    assert widget.ui.cursorLabel.text == ""


def test_deleting_the_segmentation_closes_the_review(host, reviewing, case):
    reviewing.review.press("N")
    reviewing.review.press("F")
    nodes = reviewing.display.nodes
    host.scene.RemoveNode(nodes.segmentation)
    assert reviewing.review.session is None and reviewing.display.nodes is None
    assert not reviewing.ui.reviewSection.enabled and reviewing.ui.headlineLabel.text == ""
    reviewing.load_case(case)
    assert "1 flagged" in reviewing.ui.progressLabel.text


def test_two_cases_in_one_scene_keep_their_reviews_apart(host, reviewing, load, tmp_path):
    from CardiacUQLib.phantom import lge_phantom, write

    reviewing.review.press("N")
    reviewing.review.press("F")
    first, progress = reviewing.ui.inputSelector.currentNode(), reviewing.ui.progressLabel.text
    image, _ = write(lge_phantom(3, shape=(5, 96, 96)), tmp_path, "second")
    reviewing.ui.inputSelector.setCurrentNode(load(image))
    assert reviewing.review.session is None and reviewing.ui.headlineLabel.text == ""
    reviewing.ui.inputSelector.setCurrentNode(first)
    assert reviewing.ui.progressLabel.text == progress
