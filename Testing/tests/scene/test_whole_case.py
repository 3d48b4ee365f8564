"""A case is whole or gone, alone in the views, and where its volume is, whatever is deleted or moved."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import slicer
import vtk
from scene_fixtures import Shown, load_volume

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.inference.result import MapName
from CardiacUQScene import (
    ReviewSession,
    add_insertion_markup,
    find_case,
    follow_transform,
    heat_map,
    is_ours,
    is_out_of_place,
    remove_case,
    set_corrections,
    set_heat_map,
    show_case,
    show_heart,
    show_only,
    tidy_cases,
)
from CardiacUQScene.legends import legend_of
from CardiacUQScene.voxels import labels_of

Make = Callable[..., Shown]


def content(scene: slicer.vtkMRMLScene) -> set[str]:
    return {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}


def with_views(made: Shown) -> list[slicer.vtkMRMLSliceCompositeNode]:
    for name in ("Red", "Green", "Yellow"):
        made.app.add_slice_view(name)
    scene = made.app.scene
    return [
        scene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode")
        for n in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode"))
    ]


def test_only_the_chosen_case_is_seen(shown: Make) -> None:
    made = shown()
    views = with_views(made)
    first = show_case(made.case, made.volume)
    set_corrections(first, True)
    other = load_volume(made.app, made.case.input_path)
    second = show_case(made.case, other)
    set_corrections(second, True)
    for volume, nodes, hidden in ((made.volume, first, second), (other, second, first)):
        show_only(volume, nodes)
        set_heat_map(nodes, MapName.SCS)
        assert {view.GetBackgroundVolumeID() for view in views} == {volume.GetID()}
        assert {view.GetForegroundVolumeID() for view in views} == {nodes.maps[MapName.SCS].GetID()}
        assert nodes.segmentation.GetDisplayNode().GetVisibility()
        assert not hidden.segmentation.GetDisplayNode().GetVisibility()
        assert not hidden.corrections.GetDisplayNode().GetVisibility()
        legends = [legend_of(node) for node in (hidden.corrections, *hidden.maps.values())]
        assert not any(legend.GetVisibility() for legend in legends)
        set_corrections(nodes, True)
    third = load_volume(made.app, made.case.input_path)
    show_only(third, None)
    assert {view.GetBackgroundVolumeID() for view in views} == {third.GetID()}
    assert not any(view.GetForegroundVolumeID() for view in views)
    assert not any(n.segmentation.GetDisplayNode().GetVisibility() for n in (first, second))


@pytest.mark.parametrize("deleted", ["volume", "segmentation"])
def test_without_volume_or_segmentation_nothing_of_the_case_is_left(shown: Make, deleted: str) -> None:
    made = shown()
    scene = made.app.scene
    views = with_views(made)
    before = content(scene)
    nodes = show_case(made.case, made.volume)
    session = ReviewSession(nodes, made.case)
    add_insertion_markup(made.volume)
    session.next()
    scene.RemoveNode(getattr(nodes, deleted))
    assert tidy_cases(scene)
    gone = content(scene) - before
    left = {scene.GetNodeByID(key).GetName() for key in gone}
    expected = set() if deleted == "volume" else {"heart anterior RV insertion"}
    display = {name for name in left if scene.GetFirstNodeByName(name).IsA("vtkMRMLMarkupsDisplayNode")}
    assert left - display == expected
    assert not any(view.GetForegroundVolumeID() for view in views)
    assert not tidy_cases(scene)


@pytest.mark.parametrize("part", ["map", "corrections", "measures", "profile", "chart", "bullseyes"])
def test_any_other_part_can_be_deleted_and_the_case_goes_on(shown: Make, part: str) -> None:
    made = shown()
    scene = made.app.scene
    views = with_views(made)
    before = content(scene)
    nodes = show_case(made.case, made.volume)
    session = ReviewSession(nodes, made.case)
    session.next()
    set_heat_map(nodes, MapName.SCS)
    node = nodes.maps[MapName.SCS] if part == "map" else getattr(nodes, part)
    scene.RemoveNode(node)
    tidy_cases(scene)
    again = find_case(made.volume)
    session.rebind(again)
    legends = scene.GetNodesByClass("vtkMRMLColorLegendDisplayNode")
    legends.UnRegister(None)
    owners = [legends.GetItemAsObject(n).GetDisplayableNode() for n in range(legends.GetNumberOfItems())]
    assert None not in owners
    if part == "map":
        assert MapName.SCS not in again.maps and heat_map(again).name is None
        assert not any(view.GetForegroundVolumeID() for view in views)
    session.take_2d()
    session.refresh_measures()
    assert session.undo()
    session.close()
    remove_case(again)
    assert content(scene) == before


def test_our_own_nodes_are_known_as_ours(shown: Make) -> None:
    made = shown()
    nodes = show_case(made.case, made.volume)
    assert all(is_ours(node) for node in nodes.ours() if node is not None)
    assert not is_ours(made.volume)


def _turned(degrees: float) -> vtk.vtkMatrix4x4:
    transform = vtk.vtkTransform()
    transform.RotateX(degrees)
    transform.Translate(5.0, -3.0, 20.0)
    return transform.GetMatrix()


def test_results_move_with_their_volume_and_views_stay_on_its_slices(shown: Make) -> None:
    made = shown("oblique")
    with_views(made)
    nodes = show_case(made.case, made.volume)
    session = ReviewSession(nodes, made.case)
    session.next()
    transform = made.app.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(_turned(25.0))
    made.volume.SetAndObserveTransformNodeID(transform.GetID())
    assert follow_transform(nodes) and not follow_transform(nodes)
    session.follow_transform()
    region = made.app.scene.GetFirstNodeByName("Region under review")
    moved = [nodes.segmentation, nodes.corrections, *nodes.maps.values(), region]
    assert {node.GetTransformNodeID() for node in moved} == {transform.GetID()}
    assert not is_out_of_place(nodes)
    session.take_2d()
    show_heart(nodes)
    red = next(
        made.app.scene.GetNthNodeByClass(n, "vtkMRMLSliceNode")
        for n in range(3)
        if made.app.scene.GetNthNodeByClass(n, "vtkMRMLSliceNode").GetLayoutName() == "Red"
    )
    frame = red.GetSliceToRAS()
    normal = np.array([frame.GetElement(row, 2) for row in range(3)])
    origin, tip = [0.0] * 3, [0.0] * 3
    matrix = vtk.vtkMatrix4x4()
    made.volume.GetIJKToRASMatrix(matrix)
    made.volume.TransformPointToWorld([0.0, 0.0, 0.0], origin)
    made.volume.TransformPointToWorld([matrix.GetElement(row, 2) for row in range(3)], tip)
    through = np.array(tip) - np.array(origin)
    through /= np.linalg.norm(through)
    assert abs(normal @ through) == pytest.approx(1.0, abs=1e-6)


def test_a_volume_that_was_moved_for_good_loses_no_label(shown: Make) -> None:
    """The grids differ: nothing is taken for painting, and a decision is refused with what to do."""
    made = shown()
    nodes = show_case(made.case, made.volume)
    session = ReviewSession(nodes, made.case)
    session.next()
    session.take_2d()
    labels = session.review.labels.copy()
    made.volume.SetOrigin(50.0, 60.0, 70.0)
    assert is_out_of_place(nodes)
    with pytest.raises(InputError, match="moved or resampled"):
        session.keep()
    session.next()
    session.close()
    assert len(session.review.decisions) == 1 and (session.review.labels == labels).all()
    made.volume.SetOrigin(*np.array(nodes.grid[1])[:3, 3])
    again = ReviewSession(nodes, read_case(made.case.folder))
    found = labels_of(nodes.segmentation, nodes.segments, nodes.volume)
    assert (again.review.labels == again._order.to_stored(found)).all()


def test_what_a_scene_has_kept_is_still_one_case(shown: Make, tmp_path) -> None:
    made = shown()
    nodes = show_case(made.case, made.volume)
    made.app.save(tmp_path / "scene.mrb")
    made.app.scene.Clear(False)
    made.app.load(tmp_path / "scene.mrb")
    scene = made.app.scene
    volume = scene.GetFirstNodeByName("heart")
    again = find_case(volume)
    assert again.grid[0] == nodes.grid[0] and np.allclose(again.grid[1], nodes.grid[1])
    assert not is_out_of_place(again) and not tidy_cases(scene)
    scene.RemoveNode(volume)
    tidy_cases(scene)
    names = [scene.GetNthNode(n).GetName() for n in range(scene.GetNumberOfNodes())]
    assert not [name for name in names if name and name.startswith("heart ")]
