"""The review in the scene: views, outlines and segments follow, painting is never lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from review_cases import STORAGES
from scene_fixtures import Shown, load_volume

from CardiacUQLib.base.errors import InputError, UsageError
from CardiacUQLib.review import Action, ItemStatus, labels_after, read_record
from CardiacUQScene import CaseNodes, ReviewSession, align_views, set_surfaces_3d, show_case
from CardiacUQScene.grid import as_array, ijk_to_ras
from CardiacUQScene.region_outline import REGION_NAME
from CardiacUQScene.views import heart_bounds
from CardiacUQScene.voxels import labelmap, labels_of, segment_mask

Make = Callable[..., Shown]


def node_labels(nodes: CaseNodes) -> np.ndarray:
    return labels_of(nodes.segmentation, nodes.segments, nodes.volume)


def in_step(session: ReviewSession) -> bool:
    """True if the segments hold exactly the labels of the review, compared place by place."""
    case, volume = session.review.case, session.nodes.volume
    node = node_labels(session.nodes)
    for label in range(1, 5):
        kji = np.argwhere(node == label)
        ours = np.argwhere(session.review.labels == label)
        if len(kji) != len(ours):
            return False
        if len(kji):
            ras = (ijk_to_ras(volume) @ np.hstack([kji[:, ::-1], np.ones((len(kji), 1))]).T)[:3].T
            expected = case.geometry.index_to_ras(ours[:, ::-1])
            if not np.allclose(_sorted(ras), _sorted(expected), atol=1e-2):
                return False
    return True


def _sorted(points: np.ndarray) -> np.ndarray:
    rounded = np.round(points, 1) + 0.0
    return points[np.lexsort(rounded.T)]


def paint(nodes: CaseNodes, segment: str, mask: np.ndarray, *, overwrite: bool = True) -> None:
    """A stroke of the Segment Editor, by its own logic."""
    editor = slicer.vtkSlicerSegmentEditorLogic()
    editor.SetMRMLScene(nodes.scene)
    settings = nodes.scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    settings.SetAndObserveSegmentationNode(nodes.segmentation)
    settings.SetAndObserveSourceVolumeNode(nodes.volume)
    settings.SetOverwriteMode(settings.OverwriteAllSegments if overwrite else settings.OverwriteNone)
    editor.SetSegmentEditorNode(settings)
    image = labelmap(mask, ijk_to_ras(nodes.volume))
    editor.ModifySegmentByLabelmap(
        nodes.segmentation, segment, image, editor.ModificationModeAdd, False, False
    )
    assert segment_mask(nodes.segmentation, segment, nodes.volume)[mask].all()
    editor.SetSegmentEditorNode(None)
    nodes.scene.RemoveNode(settings)


def begin(made: Shown, reviewer: str = "Jane", **options: object) -> ReviewSession:
    return ReviewSession(show_case(made.case, made.volume), made.case, reviewer, **options)


# -- moving


@pytest.mark.parametrize("storage", STORAGES)
def test_next_cuts_through_the_region_with_the_heart_in_the_middle(shown: Make, storage: str) -> None:
    made = shown(storage)
    views = [made.app.add_slice_view(name) for name in ("Red", "Green", "Yellow")]
    for view in views:
        view.ResizeSliceNode(400, 300)
    session = begin(made)
    align_views(session.nodes)
    assert session.next()
    centre = np.array(session.items[0].centre_ras)
    red = views[0].GetSliceNode()
    to_ras = as_array(red.GetSliceToRAS())
    heart = np.reshape(heart_bounds(session.nodes), (3, 2)).mean(axis=1)
    across = to_ras[:3, 2] / np.linalg.norm(to_ras[:3, 2])
    assert (to_ras[:3, 3] - centre) @ across == pytest.approx(0.0, abs=0.01), "the slice of the region"
    aside = to_ras[:3, 3] - heart
    assert np.allclose(aside - across * (aside @ across), 0.0, atol=0.01), "the heart in the middle of it"
    normal = ijk_to_ras(made.volume)[:3, :3]
    through = normal[:, np.argmax(np.linalg.norm(normal, axis=0))]
    assert abs(to_ras[:3, 2] @ through) == pytest.approx(np.linalg.norm(through), rel=1e-3)
    for view in views:
        width, height, _ = view.GetSliceNode().GetFieldOfView()
        assert width / height == pytest.approx(400 / 300)
    region = made.app.scene.GetFirstNodeByName(REGION_NAME)
    outlined = segment_mask(region, region.GetSegmentation().GetNthSegmentID(0), made.volume)
    assert np.count_nonzero(outlined) == session.items[0].voxels
    assert not region.GetSaveWithScene()


def test_the_queue_ends_on_both_sides(shown: Make) -> None:
    session = begin(shown())
    assert session.card_text() == "3 regions need a look"
    assert not session.previous()
    assert [session.next() for _ in range(4)] == [True, True, True, False]
    assert session.index == 2
    assert session.previous()
    assert not session.jump(7)
    assert session.index == 1


def test_a_decision_needs_a_region(shown: Make) -> None:
    session = begin(shown())
    for decide in (session.keep, session.take_2d, session.flag, session.edited, lambda: session.assign(3)):
        with pytest.raises(UsageError, match="first one"):
            decide()
    assert not session.can_undo


def test_closing_takes_only_the_outline_away(shown: Make) -> None:
    made = shown()
    session = begin(made)
    before = made.app.scene.GetNumberOfNodes()
    session.next()
    assert made.app.scene.GetNumberOfNodes() > before
    session.close()
    session.close()
    assert made.app.scene.GetNumberOfNodes() == before


def test_closing_the_scene_first_is_harmless(shown: Make) -> None:
    made = shown()
    session = begin(made)
    session.next()
    session.take_2d()
    made.app.scene.Clear(False)
    session.close()
    assert len(read_record(made.case.folder).events) == 1


# -- deciding


def cells(table: slicer.vtkMRMLTableNode) -> dict[str, tuple[str, str, str]]:
    """Value, unit and interval by the name of the measure."""
    rows = range(table.GetNumberOfRows())
    return {table.GetCellText(r, 0): tuple(table.GetCellText(r, c) for c in (1, 2, 3)) for r in rows}


def test_what_is_decided_is_tinted_in_the_colour_of_its_class(shown: Make) -> None:
    made = shown()
    session = begin(made)
    index = next(n for n, item in enumerate(session.items) if (item.was, item.became) == (2, 3))
    session.jump(index)
    session.take_2d()
    region = made.app.scene.GetFirstNodeByName("Region under review")
    tint = region.GetSegmentation().GetSegment("CardiacUQ_decided_2")
    assert tint.GetName() == "decided: healthy myocardium"
    mask = segment_mask(region, "CardiacUQ_decided_2", session.nodes.volume)
    assert mask.sum() == session.items[index].voxels
    assert not region.GetDisplayNode().GetSegmentVisibility2DOutline("CardiacUQ_decided_2")
    session.undo()
    assert region.GetSegmentation().GetSegment("CardiacUQ_decided_2") is None


@pytest.mark.parametrize("storage", STORAGES)
def test_segments_status_headline_and_table_follow_every_decision(shown: Make, storage: str) -> None:
    made = shown(storage)
    session = begin(made)
    calls: list[int] = []
    session.on_change.append(lambda: calls.append(session.index))
    untouched = session.headline()
    index = next(n for n, item in enumerate(session.items) if (item.was, item.became) == (2, 3))
    session.jump(index)
    before = node_labels(session.nodes)
    session.take_2d()
    assert in_step(session)
    after = node_labels(session.nodes)
    assert np.count_nonzero(before != after) == session.items[index].voxels
    assert set(before[before != after]) == {3}
    assert set(after[before != after]) == {2}
    assert session.headline() != untouched
    share = cells(session.nodes.measures)["Infarct share of LV mass"]
    assert session.headline().startswith(f"Infarct {share[0]} % of LV mass") and share[1] == "%"
    assert session.undo()
    assert np.array_equal(node_labels(session.nodes), before)
    assert session.headline() == untouched
    assert session.redo()
    assert np.array_equal(node_labels(session.nodes), after)
    assert calls == [index] * 4


def test_status_of_a_transition_is_that_of_its_regions(shown: Make) -> None:
    session = begin(shown())
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    content = session.nodes.corrections.GetSegmentation()

    def status(was: int, became: int) -> int:
        return logic.GetSegmentStatus(content.GetSegment(f"CardiacUQ_{was}_{became}"))

    index = next(n for n, item in enumerate(session.items) if item.became == 3)
    assert status(2, 3) == logic.NotStarted
    session.jump(index)
    assert status(2, 3) == logic.InProgress
    assert session.status(index) == ItemStatus.IN_PROGRESS
    session.flag("odd")
    assert status(2, 3) == logic.Flagged
    session.keep()
    assert status(2, 3) == logic.Completed
    session.undo()
    session.undo()
    assert status(2, 3) == logic.InProgress


def test_surfaces_follow_a_decision(shown: Make) -> None:
    session = begin(shown())
    set_surfaces_3d(session.nodes, True)
    index = next(n for n, item in enumerate(session.items) if (item.was, item.became) == (2, 3))

    def points(label: int) -> int:
        return session.nodes.segmentation.GetClosedSurfaceInternalRepresentation(
            f"CardiacUQ_{label}"
        ).GetNumberOfPoints()

    before = points(1), points(3)
    session.jump(index)
    session.take_2d()
    assert points(1) == before[0]
    assert points(3) < before[1]
    session.undo()
    assert points(3) == before[1]


def test_the_network_can_be_overruled_with_a_class_that_did_not_occur(shown: Make) -> None:
    made = shown()
    session = begin(made)
    session.next()
    session.assign(4)
    session.assign(0)
    session.assign(4)
    assert in_step(session)
    assert session.nodes.segmentation.GetSegmentation().GetNumberOfLayers() == 1


# -- painting by hand


def stroke(nodes: CaseNodes, k: int = 2) -> np.ndarray:
    mask = np.zeros(node_labels(nodes).shape, bool)
    mask[k, 30:34, 28:40] = True
    return mask


@pytest.mark.parametrize("overwrite", [True, False])
def test_painting_is_an_edit_that_can_be_undone(shown: Make, overwrite: bool) -> None:
    made = shown()
    session = begin(made)
    session.next()
    before = node_labels(session.nodes)
    mask = stroke(session.nodes)
    paint(session.nodes, "CardiacUQ_4", mask, overwrite=overwrite)
    decision = session.edited()
    assert decision.action == Action.EDITED
    assert decision.voxels_changed == np.count_nonzero(mask & (before != 4))
    assert (node_labels(session.nodes)[mask] == 4).all()
    assert in_step(session)
    assert session.undo()
    assert np.array_equal(node_labels(session.nodes), before)
    assert session.redo()
    assert (node_labels(session.nodes)[mask] == 4).all()


def test_painting_is_taken_before_the_next_decision_or_move(shown: Make) -> None:
    made = shown()
    session = begin(made)
    session.next()
    mask = stroke(session.nodes)
    paint(session.nodes, "CardiacUQ_3", mask)
    session.next()
    assert [decision.action for decision in session.review.decisions] == [Action.EDITED]
    paint(session.nodes, "CardiacUQ_1", mask)
    session.keep()
    assert [d.action for d in session.review.decisions] == [Action.EDITED, Action.EDITED], "K keeps paint"
    assert (node_labels(session.nodes)[mask] == 1).all()
    session.keep()
    assert [d.action for d in session.review.decisions][2:] == [Action.KEEP], "also when pressed again"
    assert (node_labels(session.nodes)[mask] == 1).all()
    assert in_step(session)
    while session.undo():
        assert in_step(session)
    assert np.array_equal(session.review.labels, session.review.case.segmentation)


def test_a_deleted_segment_counts_as_erased_and_comes_back(shown: Make) -> None:
    session = begin(shown())
    session.next()
    before = node_labels(session.nodes)
    session.nodes.segmentation.GetSegmentation().RemoveSegment("CardiacUQ_4")
    session.edited()
    assert not (session.review.labels == 4).any()
    content = session.nodes.segmentation.GetSegmentation()
    assert content.GetSegment("CardiacUQ_4").GetName() == "MVO"
    session.undo()
    assert np.array_equal(node_labels(session.nodes), before)


def test_a_segment_of_the_users_own_is_left_alone(shown: Make) -> None:
    made = shown()
    session = begin(made)
    session.next()
    content = session.nodes.segmentation.GetSegmentation()
    own = content.AddEmptySegment("own", "papillary", (0.1, 0.9, 0.1))
    mask = stroke(session.nodes)
    paint(session.nodes, own, mask, overwrite=False)
    session.take_2d()
    session.assign(4)
    session.undo()
    assert np.array_equal(segment_mask(session.nodes.segmentation, own, made.volume), mask)
    assert in_step(session)


# -- any sequence, checked against the plain review

MOVES = st.one_of(
    st.tuples(st.just("jump"), st.integers(0, 2)),
    st.tuples(st.sampled_from(["keep", "take_2d", "flag", "undo", "redo"])),
    st.tuples(st.just("assign"), st.integers(0, 4)),
    st.tuples(st.just("paint"), st.integers(1, 4), st.integers(1, 4)),
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(MOVES, min_size=1, max_size=8))
def test_scene_record_and_memory_never_part(shown: Make, moves: list[tuple], tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "case", ignore_errors=True)
    made = shown("flipped")
    session = begin(made, move_views=False)
    session.next()
    for name, *arguments in moves:
        if name == "paint":
            paint(session.nodes, f"CardiacUQ_{arguments[0]}", stroke(session.nodes, arguments[1]))
            session.edited()
        else:
            getattr(session, name)(*arguments)
        assert in_step(session)
    record = read_record(made.case.folder)
    events = record.events if record is not None else ()
    original = session.review.case.segmentation
    assert np.array_equal(labels_after(original, events), session.review.labels)
    while session.undo():
        assert in_step(session)
    assert np.array_equal(session.review.labels, original)
    session.close()
    made.app.scene.Clear(False)


# -- resuming


def test_after_a_crash_the_review_goes_on_where_it_stood(shown: Make) -> None:
    made = shown("oblique")
    session = begin(made)
    session.next()
    session.take_2d()
    paint(session.nodes, "CardiacUQ_4", stroke(session.nodes))
    session.next()
    session.flag("see Ann")
    labels, decisions = session.review.labels.copy(), session.review.decisions
    made.app.scene.Clear(False)  # nothing is said to the session: this is the crash

    volume = load_volume(made.app, made.case.input_path)
    again = ReviewSession(show_case(made.case, volume), made.case, "Ann")
    assert np.array_equal(again.review.labels, labels)
    assert again.review.decisions == decisions
    assert in_step(again)
    assert again.progress_text() == "2 of 3 decided, 1 flagged"
    while again.undo():
        assert in_step(again)


def test_painting_left_in_the_scene_is_taken_when_the_review_resumes(shown: Make) -> None:
    made = shown()
    session = begin(made)
    session.next()
    session.take_2d()
    mask = stroke(session.nodes)
    paint(session.nodes, "CardiacUQ_4", mask)  # and Slicer is closed without another key
    resumed = ReviewSession(session.nodes, made.case, "Jane")
    assert [d.action for d in resumed.review.decisions] == [Action.TAKE_2D, Action.EDITED]
    assert (node_labels(resumed.nodes)[mask] == 4).all()
    assert in_step(resumed)


def test_a_case_of_another_volume_or_a_damaged_record_is_refused(shown: Make) -> None:
    made = shown()
    nodes = show_case(made.case, made.volume)
    before = node_labels(nodes)
    (made.case.folder / "review.json").write_text("{")
    with pytest.raises(InputError, match=r"review\.json"):
        ReviewSession(nodes, made.case, "Jane")
    assert np.array_equal(node_labels(nodes), before)


def test_a_case_without_corrections_offers_slices(shown: Make) -> None:
    made = shown(corrected=False)
    session = begin(made)
    assert session.card_text() == "3 slices need a look"
    session.next()
    assert "uncertain" in session.card_text()
    session.keep()
    session.next()
    paint(session.nodes, "CardiacUQ_2", stroke(session.nodes))
    session.edited()
    session.next()
    session.flag()
    assert session.progress_text() == "done, 3 decisions, 1 flagged"
    assert in_step(session)


def test_export_from_the_scene_when_the_image_file_is_gone(shown: Make, tmp_path: Path) -> None:
    made = shown("left-handed")
    session = begin(made)
    session.next()
    session.take_2d()
    original = sitk.ReadImage(str(made.case.input_path))
    session._case = session.review.case = replace(session.review.case, input_path=None)
    written = session.export(tmp_path / "out")
    exported = sitk.ReadImage(str(written / "Images" / f"{written.name}.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(exported), sitk.GetArrayFromImage(original))
    assert np.allclose(exported.GetDirection(), original.GetDirection(), atol=1e-5)
    labels = sitk.ReadImage(str(written / "Contours" / f"{written.name}.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(labels), session.review.labels)
