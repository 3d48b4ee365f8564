"""Walking the queue through the widget: what each key changes, undone, saved, reopened."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import slicer
from desk_checks import change_record

pytestmark = pytest.mark.usefixtures("without_torch")


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
    from CardiacUQWidgets.parameters import HeatMapChoice

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
    reviewing.review.press("D")
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
    actions = {"K": "keep", "D": "take_2d", "L": "flag", "1": "assign", "4": "assign"}
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
    for key in "KDL1ZY":
        reviewing.review.press(key)
    assert (_labels(reviewing) == before).all() and not (case / "review.json").exists()


def test_the_keys_are_there_only_while_a_review_is_seen(host, widget, case):
    """And none of them is one of Slicer's own in the slice views."""
    assert widget.review.keys.bound == ()
    widget.load_case(case)
    keys = set(widget.review.keys.bound)
    assert keys == set("NPKDALZYEHX1234") and not keys & set("FBGTVRCW")
    visible = widget.ui.heatVisibleCheckBox.checked
    widget.review.keys.press("H")
    assert widget.ui.heatVisibleCheckBox.checked is not visible
    host.leave("CardiacUQ")
    assert widget.review.keys.bound == ()
    host.open("CardiacUQ")
    assert set(widget.review.keys.bound) == keys
    host.scene.Clear(0)
    assert widget.review.keys.bound == ()


def test_every_key_stands_on_its_button(reviewing):
    ui = reviewing.ui
    buttons = (ui.previousButton, ui.nextButton, ui.keepButton, ui.take2DButton, ui.flagButton)
    buttons += (ui.editButton, ui.undoButton, ui.redoButton, ui.exportButton)
    assert [b.text.split("(")[1][0] for b in buttons] == list("PNKDLEZYX")
    assert [getattr(ui, f"classButton{n}").text[0] for n in range(1, 5)] == list("1234")
    assert "(H)" in ui.heatVisibleCheckBox.text


def test_a_click_in_the_table_jumps(reviewing):
    last = reviewing.ui.regionTable.rowCount - 1
    reviewing.ui.regionTable.cellClicked.emit(last, 0)
    assert reviewing.review.session.index == last
    assert f"region {last + 1} of" in reviewing.ui.cardLabel.text
    assert reviewing.ui.regionTable.item(last, reviewing.ui.regionTable.columnCount - 1).text() == "here"


def _stroke(widget, count: int = 1) -> np.ndarray:
    """Paint ``count`` background voxels with the editor's class; returns their mask."""
    mask = np.zeros_like(_labels(widget), bool)
    mask[tuple(np.argwhere(_labels(widget) == 0)[:count].T)] = True
    widget.review.editor.widget._stroke(mask)
    return mask


def _events(case) -> list[dict]:
    return json.loads((case / "review.json").read_text("utf-8"))["events"]


def test_painting_becomes_a_decision_when_the_editor_is_closed(reviewing, case):
    from CardiacUQScene.case_nodes import segment_id

    reviewing.review.press("N")
    before, ui = _labels(reviewing), reviewing.ui
    nodes, session = reviewing.display.nodes, reviewing.review.session
    ui.editButton.click()
    editor = reviewing.review.editor.widget
    assert ui.editorFrame.visible and editor.segmentationNode() is nodes.segmentation
    item = session.items[0]
    assert editor.currentSegmentID() == segment_id(item.became or item.was)
    _stroke(reviewing)
    ui.editButton.click()
    assert not ui.editorFrame.visible and editor.segmentationNode() is None
    assert (_events(case)[-1]["action"], _events(case)[-1]["voxels_changed"]) == ("edited", 1)
    reviewing.review.press("Z")
    assert (_labels(reviewing) == before).all()


@pytest.mark.parametrize("key", ["K", "E", "N", "P"])
def test_no_key_takes_back_what_was_painted(reviewing, case, key):
    """51 voxels painted over the region itself: K accepts them, N and P move on with them, E ends."""
    reviewing.review.press("N")
    reviewing.review.press("N")
    session = reviewing.review.session
    region = session._order.from_stored(np.asarray(session.review.mask(session.index)))
    painted = 1 if session.items[session.index].became != 1 else 2
    reviewing.review.press("E")
    reviewing.review.press(str(painted))
    mask = np.zeros_like(region)
    mask[tuple(np.argwhere(region)[:51].T)] = True
    reviewing.review.editor.widget._stroke(mask)
    reviewing.review.press(key)
    assert (_labels(reviewing)[mask] == painted).all() and not reviewing.review.editor.is_open
    assert _events(case)[-1]["action"] == "edited"
    reviewing.ui.regionTable.cellClicked.emit(session.index, 0)
    reviewing.review.press("K")
    assert (_labels(reviewing)[mask] == painted).all(), "nor does a K that comes later"


def test_undo_and_redo_are_the_editors_own_while_it_is_open(reviewing):
    reviewing.review.press("N")
    reviewing.review.press("L")
    before = _labels(reviewing)
    reviewing.review.press("E")
    first, second = _stroke(reviewing), _stroke(reviewing, 3)
    painted = _labels(reviewing)
    reviewing.review.press("Z")
    assert (_labels(reviewing)[first] != 0).all() and not (_labels(reviewing) != 0)[second & ~first].any()
    reviewing.ui.redoButton.click()
    assert (_labels(reviewing) == painted).all()
    reviewing.review.press("Z")
    reviewing.review.press("Z")
    assert (_labels(reviewing) == before).all()
    assert reviewing.review.session.progress().flagged == 1, "the decision before was not touched"
    reviewing.review.press("E")
    reviewing.review.press("Z")
    assert reviewing.review.session.progress().flagged == 0, "now it is the review's undo again"


def test_the_class_painted_follows_the_region_and_the_digits(reviewing):
    from CardiacUQScene.case_nodes import segment_id

    reviewing.review.press("N")
    session = reviewing.review.session
    for index, item in enumerate(session.items):
        reviewing.ui.regionTable.cellClicked.emit(index, 0)
        reviewing.review.press("E")
        editor = reviewing.review.editor.widget
        assert editor.currentSegmentID() == segment_id(item.became or item.was)
        reviewing.review.press("2")
        assert editor.currentSegmentID() == segment_id(2)
    assert not session.review.decisions, "a digit gives no class while someone paints"
    reviewing.review.press("D")
    assert "painting" in reviewing.ui.messageLabel.text and not session.review.decisions


def test_painting_before_a_region_is_chosen_counts_at_once(reviewing, case):
    before = reviewing.ui.headlineLabel.text
    reviewing.review.press("E")
    reviewing.review.press("3")
    _stroke(reviewing, 400)
    reviewing.review.press("E")
    assert (_events(case)[-1]["action"], _events(case)[-1]["item"]) == ("edited", "")
    assert reviewing.ui.headlineLabel.text != before
    assert "Reviewed by Jane Doe" in reviewing.ui.stampLabel.text


def test_leaving_the_module_keeps_what_was_painted(host, reviewing, case):
    reviewing.review.press("N")
    reviewing.review.press("E")
    mask = _stroke(reviewing, 5)
    host.leave("CardiacUQ")
    assert _events(case)[-1]["voxels_changed"] == 5
    host.open("CardiacUQ")
    assert reviewing.review.session is not None and (_labels(reviewing)[mask] != 0).all()


def test_after_a_review_everything_agrees(host, reviewing, case):
    """Headline, table, measures.json and its stamp; the networks' own beside them."""
    own = json.loads((case / "measures.json").read_text("utf-8"))["headline"]
    for key in "NDDDD":
        reviewing.review.press(key)
    headline, stamp = reviewing.ui.headlineLabel.text, reviewing.ui.stampLabel.text
    assert own in stamp and "4 decisions" in stamp
    host.scene.Clear(0)
    host.wait(lambda: not reviewing.busy)
    now = json.loads((case / "measures.json").read_text("utf-8"))
    assert now["headline"] == headline != own
    assert (now["review"]["reviewers"], now["review"]["decisions"]) == (["Jane Doe"], 4)
    assert json.loads((case / "measures_model.json").read_text("utf-8"))["headline"] == own
    reviewing.load_case(case)
    assert (reviewing.ui.headlineLabel.text, reviewing.ui.stampLabel.text) == (headline, stamp)
    assert reviewing.review.session.index == reviewing.review.session.review.first_open(), "where it stopped"


def test_the_end_of_the_queue_says_what_is_left(reviewing):
    session = reviewing.review.session
    reviewing.review.press("N")
    for _ in session.items[:-1]:
        reviewing.review.press("K")
    reviewing.review.press("L")
    text = reviewing.ui.messageLabel.text
    assert text.startswith(f"Done, {len(session.items)} decisions, 1 flagged") and "Export (X)" in text
    reviewing.review.press("N")
    assert reviewing.ui.messageLabel.text == text, "there is no next case without a cohort"


def test_a_saved_scene_opens_where_the_review_was_left(host, reviewing, case, tmp_path):
    for key in ("N", "D", "L"):
        reviewing.review.press(key)
    reviewing.ui.heatOpacitySlider.value = 0.7
    labels, headline = _labels(reviewing), reviewing.ui.headlineLabel.text
    progress = reviewing.ui.progressLabel.text
    host.app.standalone.save(tmp_path / "scene.mrb")
    host.scene.Clear(0)
    assert reviewing.review.session is None and reviewing.ui.headlineLabel.text == ""
    host.app.standalone.load(tmp_path / "scene.mrb")
    host.open("CardiacUQ")
    host.wait(lambda: not reviewing.busy)
    assert reviewing.display.nodes is not None
    assert (_labels(reviewing) == labels).all()
    assert reviewing.ui.heatOpacitySlider.value == pytest.approx(0.7)
    assert (reviewing.ui.progressLabel.text, reviewing.ui.headlineLabel.text) == (progress, headline)
    reviewing.review.press("Z")
    assert "flagged" not in reviewing.ui.progressLabel.text


def test_a_crash_loses_no_decision(host, reviewing, case):
    """The scene is gone without having been saved; the case folder alone brings everything back."""
    for key in ("N", "D", "1"):
        reviewing.review.press(key)
    labels, progress = _labels(reviewing), reviewing.ui.progressLabel.text
    host.scene.Clear(0)
    reviewing.load_case(case)
    assert (_labels(reviewing) == labels).all() and reviewing.ui.progressLabel.text == progress


def test_the_export_is_a_training_case(reviewing, tmp_path, host, monkeypatch):
    import SimpleITK as sitk

    reviewing.review.press("N")
    reviewing.review.press("D")
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
    change_record(case, warnings=["this model finds no MVO"])
    widget.load_case(case)
    assert widget.ui.warningsLabel.text == "this model finds no MVO"
    host.scene.Clear(0)
    assert widget.ui.warningsLabel.text == ""


@pytest.mark.parametrize(
    ("word", "reason", "headline"),
    [
        ("trust", "predicted mean Dice 0.86 (0.79-0.91)", True),
        ("check", "apex unsure, predicted Dice of infarct 0.61 (0.48-0.72)", True),
        ("redo", "MVO may be missed, probability 0.67", True),
        ("redo", "unlike the training scans: looks like cine", False),
    ],
)
def test_the_verdict_stands_first_and_in_place_of_a_number_that_means_nothing(
    widget, case, word, reason, headline
):
    risk = {"risk": 0.5, "low_dice": 0.7} if headline else {"risk": None, "low_dice": None}
    change_record(case, verdict={"word": word, "reason": reason} | risk)
    widget.load_case(case)
    ui = widget.ui
    assert ui.verdictLabel.visible and ui.verdictLabel.text == f"{word.capitalize()}: {reason}"
    assert ui.headlineLabel.visible is headline and ui.verdictLabel.toolTip
    assert ui.verdictLabel.mapTo(widget.parent, ui.verdictLabel.rect.topLeft()).y() < (
        ui.reviewSection.mapTo(widget.parent, ui.reviewSection.rect.topLeft()).y()
    )


def _cell(table, measure: str) -> str:
    rows = {table.GetCellText(row, 0): table.GetCellText(row, 1) for row in range(table.GetNumberOfRows())}
    return rows.get(measure, "")


def test_marking_the_insertion_counts_aha_segments_from_it(host, reviewing):
    """One click beside the heart; a click in the middle of nowhere is refused and changes nothing."""
    import vtk

    ui, nodes, panel = reviewing.ui, reviewing.display.nodes, reviewing.insertion
    assert "not AHA" in ui.insertionLabel.text and "not AHA" in _cell(nodes.measures, "Segments")
    pixels = np.asarray(
        vtk.util.numpy_support.vtk_to_numpy(nodes.bullseyes.GetImageData().GetPointData().GetScalars())
    ).copy()
    ui.insertionButton.click()
    selection = host.app.applicationLogic().GetSelectionNode()
    markup = host.scene.GetNodeByID(selection.GetActivePlaceNodeID())
    before = [nodes.measures.GetCellText(0, 1), _cell(nodes.measures, "Segments")]

    markup.AddControlPointWorld(vtk.vtkVector3d(500.0, 0.0, 0.0))
    host.wait(lambda: not panel.busy, 60)
    assert "insertion" in ui.messageLabel.text and ";" in ui.messageLabel.text
    assert [nodes.measures.GetCellText(0, 1), _cell(nodes.measures, "Segments")] == before

    markup.SetNthControlPointPositionWorld(0, *_beside_the_heart(nodes))
    markup.InvokeEvent(markup.PointEndInteractionEvent)
    host.wait(lambda: not panel.busy, 60)
    assert _cell(nodes.measures, "Segments") == "AHA-17"
    assert "AHA" in ui.insertionLabel.text and ui.insertionRemoveButton.enabled
    now = vtk.util.numpy_support.vtk_to_numpy(nodes.bullseyes.GetImageData().GetPointData().GetScalars())
    assert (now != pixels).any()

    ui.insertionRemoveButton.click()
    host.wait(lambda: not panel.busy, 60)
    assert "not AHA" in _cell(nodes.measures, "Segments") and "not AHA" in ui.insertionLabel.text


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
    host.wait(lambda: not reviewing.busy and not panel.busy, 60)
    nodes = reviewing.display.nodes
    assert insertion_ras(nodes.volume) == pytest.approx(place, abs=1e-3)
    assert _cell(nodes.measures, "Segments") == "AHA-17"


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


def test_deleting_the_segmentation_closes_the_review(host, reviewing, case):
    reviewing.review.press("N")
    reviewing.review.press("L")
    nodes = reviewing.display.nodes
    host.scene.RemoveNode(nodes.segmentation)
    host.app.processEvents()
    assert reviewing.review.session is None and reviewing.display.nodes is None
    assert not reviewing.ui.reviewSection.enabled and reviewing.ui.headlineLabel.text == ""
    reviewing.load_case(case)
    assert "1 flagged" in reviewing.ui.progressLabel.text


def test_two_cases_in_one_scene_keep_their_reviews_apart(host, reviewing, load, tmp_path):
    from CardiacUQLib.phantom import lge_phantom, write

    reviewing.review.press("N")
    reviewing.review.press("L")
    first, progress = reviewing.ui.inputSelector.currentNode(), reviewing.ui.progressLabel.text
    image, _ = write(lge_phantom(3, shape=(5, 96, 96)), tmp_path, "second")
    reviewing.ui.inputSelector.setCurrentNode(load(image))
    assert reviewing.review.session is None and reviewing.ui.headlineLabel.text == ""
    reviewing.ui.inputSelector.setCurrentNode(first)
    host.wait(lambda: not reviewing.busy)
    assert reviewing.ui.progressLabel.text == progress
