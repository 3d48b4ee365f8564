"""A case in the scene: every node right, replaced without a trace, and all or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from review_cases import STORAGES, make_result, write_image
from scene_fixtures import Shown, load_volume

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.bundles.colours import heat_colours
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.measures.aha import NO_INSERTION
from CardiacUQLib.review import CaseMaps, Review
from CardiacUQScene import (
    all_cases,
    find_case,
    heat_map,
    heat_map_choices,
    remove_case,
    scale_of,
    set_corrections,
    set_heat_map,
    set_outlines_2d,
    set_surfaces_3d,
    show_case,
    toggle_heat_map,
    value_at,
)
from CardiacUQScene.colours import HEAT_COLOURS, heat_table
from CardiacUQScene.grid import as_vtk, ijk_to_ras
from CardiacUQScene.legends import legend_of
from CardiacUQScene.standalone import StandaloneScene
from CardiacUQScene.voxels import labels_of, segment_mask, volume_array

Make = Callable[..., Shown]


def node_ids(scene: slicer.vtkMRMLScene) -> list[str]:
    return [scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())]


def at_same_places(file: Path, array: np.ndarray, volume: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """True if the node's array (k, j, i) holds the file's value at every voxel's place in the patient."""
    image = sitk.ReadImage(str(file))
    kji = np.indices(array.shape).reshape(3, -1)
    ras = ijk_to_ras(volume) @ np.vstack([kji[::-1], np.ones(kji.shape[1])])
    places = (ras[:3] * [[-1.0], [-1.0], [1.0]]).T[::41]
    values = [image[image.TransformPhysicalPointToIndex(place.tolist())] for place in places]
    return np.allclose(values, array.reshape(-1)[::41], atol=1e-6)


@pytest.mark.parametrize("storage", STORAGES)
def test_every_map_lies_voxel_for_voxel_on_the_volume(shown: Make, storage: str) -> None:
    made = shown(storage)
    image, matrix = volume_array(made.volume).copy(), ijk_to_ras(made.volume)
    nodes = show_case(made.case, made.volume)
    labels = labels_of(nodes.segmentation, nodes.segments, made.volume)
    assert at_same_places(made.case.folder / "segmentation.nii.gz", labels, made.volume)
    for name, node in nodes.maps.items():
        assert at_same_places(made.case.folder / f"{name.value}.nii.gz", volume_array(node), made.volume)
        assert volume_array(node).dtype == np.float32
        assert np.array_equal(ijk_to_ras(node), matrix)
    codes = {f"CardiacUQ_{was}_{became}": was * 5 + became for was, became in [(2, 3), (3, 2), (0, 1)]}
    dcm = labels_of(nodes.corrections, codes, made.volume)
    assert at_same_places(made.case.folder / "dcm.nii.gz", dcm, made.volume)
    assert np.array_equal(volume_array(made.volume), image)
    assert np.array_equal(ijk_to_ras(made.volume), matrix)


def test_segments_carry_names_colours_and_codes_of_the_classes(shown: Make) -> None:
    made = shown()
    nodes = show_case(made.case, made.volume)
    content = nodes.segmentation.GetSegmentation()
    found = [content.GetSegment(key) for key in content.GetSegmentIDs()]
    assert [segment.GetName() for segment in found] == ["blood pool", "healthy myocardium", "infarct", "MVO"]
    for segment, info in zip(found, made.case.classes[1:], strict=True):
        red, green, blue = (round(255 * channel) for channel in segment.GetColor())
        assert f"#{red:02X}{green:02X}{blue:02X}" == info.colour
        tag = segment.GetTerminology()
        assert f"{info.code.scheme}^{info.code.value}^{info.code.meaning}" in tag
        assert tag.count("~") == 6
    display = nodes.segmentation.GetDisplayNode()
    assert display.GetVisibility2DOutline()
    assert display.GetOpacity2DFill() <= 0.25
    role = nodes.segmentation.GetReferenceImageGeometryReferenceRole()
    assert nodes.segmentation.GetNodeReference(role) is made.volume


def test_corrections_are_one_segment_per_transition_2d_label_first(shown: Make) -> None:
    made = shown()
    nodes = show_case(made.case, made.volume)
    content = nodes.corrections.GetSegmentation()
    found = {
        content.GetSegment(key).GetName(): content.GetSegment(key).GetColor()
        for key in content.GetSegmentIDs()
    }
    assert set(found) == {
        "healthy myocardium -> infarct", "infarct -> healthy myocardium", "background -> blood pool",
    }  # fmt: skip
    assert len(set(found.values())) == 3
    table = nodes.corrections.GetDisplayNode().GetColorNode()
    assert {table.GetColorName(n) for n in range(table.GetNumberOfColors())} == set(found)
    before = labels_of(nodes.segmentation, nodes.segments, made.volume)
    set_corrections(nodes, True)
    assert nodes.corrections.GetDisplayNode().GetVisibility()
    assert legend_of(nodes.corrections).GetVisibility()
    assert np.array_equal(labels_of(nodes.segmentation, nodes.segments, made.volume), before)
    infarct = segment_mask(nodes.segmentation, "CardiacUQ_3", made.volume)
    assert (segment_mask(nodes.corrections, "CardiacUQ_2_3", made.volume) & infarct).any()


def test_scales_are_those_of_the_method_and_never_of_the_case(shown: Make) -> None:
    made = shown()
    nodes = show_case(made.case, made.volume)
    highest = {
        MapName.SCS: 2 / 5,
        MapName.ERROR_PROBABILITY: 1.0,
        MapName.ENTROPY: math.log(5),
        MapName.VARIANCE: 0.16,
    }
    assert heat_map_choices(nodes)[:2] == (MapName.ERROR_PROBABILITY, MapName.SCS)
    for name, top in highest.items():
        display = nodes.maps[name].GetDisplayNode()
        assert scale_of(nodes, name).highest == pytest.approx(top)
        assert display.GetWindowLevelMin() == pytest.approx(0.0)
        assert display.GetWindowLevelMax() == pytest.approx(top)
        assert display.GetApplyThreshold()
        assert not display.GetAutoWindowLevel()
        assert legend_of(nodes.maps[name]).GetTitleText() == scale_of(nodes, name).title


def test_one_heat_map_at_a_time_with_opacity_threshold_and_legend(shown: Make) -> None:
    made = shown()
    composite = made.app.add_slice_view("Red").GetSliceCompositeNode()
    nodes = show_case(made.case, made.volume)
    assert composite.GetBackgroundVolumeID() == made.volume.GetID()
    assert heat_map(nodes).name == MapName.ERROR_PROBABILITY
    assert composite.GetForegroundOpacity() == pytest.approx(0.4)
    set_heat_map(nodes, MapName.SCS, opacity=0.7, threshold=0.123)
    assert composite.GetForegroundVolumeID() == nodes.maps[MapName.SCS].GetID()
    assert (heat_map(nodes).name, heat_map(nodes).opacity) == (MapName.SCS, 0.7)
    assert heat_map(nodes).threshold == pytest.approx(0.123)
    visible = [name for name, node in nodes.maps.items() if legend_of(node).GetVisibility()]
    assert visible == [MapName.SCS]
    toggle_heat_map(nodes)
    assert composite.GetForegroundVolumeID() is None
    assert not any(legend_of(node).GetVisibility() for node in nodes.maps.values())
    toggle_heat_map(nodes)
    assert heat_map(nodes).name == MapName.SCS
    assert composite.GetForegroundOpacity() == pytest.approx(0.7)


def test_a_foreground_of_the_users_own_is_left_alone(shown: Make) -> None:
    made = shown()
    composite = made.app.add_slice_view("Red").GetSliceCompositeNode()
    nodes = show_case(made.case, made.volume)
    own = made.app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "own")
    composite.SetForegroundVolumeID(own.GetID())
    set_heat_map(nodes, None)
    remove_case(nodes)
    assert composite.GetForegroundVolumeID() == own.GetID()


def test_tables_and_plot_hold_the_numbers(shown: Make) -> None:
    made = shown()
    nodes = show_case(made.case, made.volume)
    profile = CaseMaps.of(made.case).slice_profile(MapName.SCS)
    columns = [nodes.profile.GetColumnName(n) for n in range(nodes.profile.GetNumberOfColumns())]
    assert columns == ["slice", "SCS", "P(wrong)"]
    for row in range(nodes.profile.GetNumberOfRows()):
        number = float(nodes.profile.GetCellText(row, 0))
        assert float(nodes.profile.GetCellText(row, 1)) == pytest.approx(profile[int(number) - 1], rel=1e-4)
    assert [series.GetYColumnName() for series in nodes.series] == ["SCS", "P(wrong)"]
    drawn = [nodes.chart.GetNthPlotSeriesNode(n) for n in range(nodes.chart.GetNumberOfPlotSeriesNodes())]
    assert drawn == list(nodes.series)
    table = nodes.measures
    assert [table.GetColumnName(n) for n in range(4)] == ["measure", "value", "unit", "interval"]
    rows = [[table.GetCellText(n, c) for c in range(4)] for n in range(table.GetNumberOfRows())]
    mass = made.case.measures["sizes"]["lv_mass_g"]
    low, high = (round(v) for v in mass["interval"])
    assert ["LV mass", f"{mass['value']:.0f}", "g", f"{low} to {high} (passes)"] in rows
    notes = made.case.measures["notes"]
    assert NO_INSERTION in notes
    remarks = [row[1] for row in rows if row[0] == "Remark"]
    assert remarks == [note for note in notes if note != NO_INSERTION], (
        "what is always so is in the model card"
    )
    assert table.GetLocked()


def test_words_for_a_point(shown: Make) -> None:
    made = shown("oblique")
    nodes = show_case(made.case, made.volume)
    items = Review(CaseMaps.of(made.case), "Jane").items
    centre = next(item for item in items if item.became == 3).centre_ras
    words = value_at(nodes, centre)
    assert words.startswith("infarct (2D said healthy myocardium, 3D infarct), P(wrong) 0.")
    assert "SCS 0." in words
    assert value_at(nodes, (1e4, 0.0, 0.0)) == ""
    corner = tuple(float(v) for v in (ijk_to_ras(made.volume) @ [0, 0, 0, 1])[:3])
    assert value_at(nodes, corner).startswith("background, ")


def test_a_volume_under_a_transform_takes_its_results_along(shown: Make) -> None:
    made = shown()
    transform = made.app.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    shift = np.eye(4)
    shift[:3, 3] = (50.0, -20.0, 10.0)
    transform.SetMatrixTransformToParent(as_vtk(shift))
    made.volume.SetAndObserveTransformNodeID(transform.GetID())
    nodes = show_case(made.case, made.volume)
    inside = np.argwhere(labels_of(nodes.segmentation, nodes.segments, made.volume) == 3)[0]
    world = (ijk_to_ras(made.volume) @ [*inside[::-1], 1.0])[:3] + shift[:3, 3]
    assert value_at(nodes, tuple(world.tolist())).startswith("infarct")
    in_patient = (node for node in nodes.ours() if node is not nodes.bullseyes)
    ours = [node for node in in_patient if node.IsA("vtkMRMLTransformableNode")]
    assert {node.GetTransformNodeID() for node in ours} == {transform.GetID()}


# -- replacing and removing


def test_removing_leaves_no_node_and_no_folder_behind(shown: Make) -> None:
    made = shown()
    before = node_ids(made.app.scene)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(made.app.scene)
    items = hierarchy.GetNumberOfItems()
    case = CaseMaps.of(made.case)
    for turn in range(10):
        nodes = show_case(case, made.volume)
        set_surfaces_3d(nodes, turn == 0)
        assert hierarchy.GetNumberOfItems() > items
        remove_case(nodes)
        assert node_ids(made.app.scene) == before
        assert hierarchy.GetNumberOfItems() == items


def test_the_full_result_replaces_the_preview_and_keeps_the_look(shown: Make, tmp_path: Path) -> None:
    made = shown()
    composite = made.app.add_slice_view("Red").GetSliceCompositeNode()
    labels = write_image(tmp_path / "heart.nii.gz")
    preview = make_result(tmp_path / "heart.nii.gz", labels, corrected=False)
    first = show_case(preview, made.volume)
    assert first.corrections is None
    count = len(node_ids(made.app.scene))
    show_case(preview, made.volume)
    assert len(node_ids(made.app.scene)) == count
    nodes = find_case(made.volume)
    set_heat_map(nodes, MapName.SCS, opacity=0.55, threshold=0.2)
    set_outlines_2d(nodes, False)
    set_surfaces_3d(nodes, True)
    full = show_case(made.case, made.volume)
    assert len(all_cases(made.app.scene)) == 1
    assert full.corrections is not None
    assert (heat_map(full).name, heat_map(full).opacity) == (MapName.SCS, 0.55)
    assert heat_map(full).threshold == pytest.approx(0.2)
    assert composite.GetForegroundVolumeID() == full.maps[MapName.SCS].GetID()
    assert not full.segmentation.GetDisplayNode().GetVisibility2DOutline()
    assert full.segmentation.GetSegmentation().ContainsRepresentation("Closed surface")
    remove_case(full)
    remove_case(full)
    assert find_case(made.volume) is None


def test_two_volumes_two_cases_and_one_colour_table(shown: Make) -> None:
    made = shown()
    second = load_volume(made.app, made.case.input_path)
    one, two = show_case(made.case, made.volume), show_case(made.case, second)
    tables = {node.GetDisplayNode().GetColorNode() for nodes in (one, two) for node in nodes.maps.values()}
    assert len(tables) == 1
    remove_case(one)
    assert find_case(second).segmentation is two.segmentation
    assert all(node.GetDisplayNode().GetColorNode() in tables for node in two.maps.values())


# -- refusals


def _other_grid(made: Shown, tmp_path: Path) -> slicer.vtkMRMLScalarVolumeNode:
    image = sitk.ReadImage(str(made.case.input_path))
    image.SetOrigin((0.0, 0.0, 0.0))
    sitk.WriteImage(image, str(tmp_path / "moved.nii.gz"))
    return load_volume(made.app, tmp_path / "moved.nii.gz")


def _other_content(made: Shown, tmp_path: Path) -> slicer.vtkMRMLScalarVolumeNode:
    image = sitk.ReadImage(str(made.case.input_path)) + 1
    sitk.WriteImage(image, str(tmp_path / "brighter.nii.gz"))
    return load_volume(made.app, tmp_path / "brighter.nii.gz")


def _other_size(made: Shown, tmp_path: Path) -> slicer.vtkMRMLScalarVolumeNode:
    image = sitk.ReadImage(str(made.case.input_path))
    sitk.WriteImage(image[:, :, 1:], str(tmp_path / "fewer.nii.gz"))
    return load_volume(made.app, tmp_path / "fewer.nii.gz")


def _vectors(made: Shown, tmp_path: Path) -> slicer.vtkMRMLScalarVolumeNode:
    volume = made.app.scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "vectors")
    image = vtk.vtkImageData()
    image.SetDimensions(4, 4, 4)
    image.AllocateScalars(vtk.VTK_FLOAT, 3)
    volume.SetAndObserveImageData(image)
    return volume


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (_other_grid, "elsewhere in space"),
        (_other_content, "SHA-256 and voxels differ"),
        (_other_size, "its grid is 72 x 80 x 6"),
        (_vectors, "vector volume"),
        (
            lambda made, _: made.app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty"),
            "no volume is",
        ),
    ],
)
def test_a_case_of_another_volume_changes_nothing(
    shown: Make, tmp_path: Path, other: Callable, message: str
) -> None:
    made = shown()
    volume = other(made, tmp_path)
    before = node_ids(made.app.scene)
    with pytest.raises(InputError, match=message) as caught:
        show_case(made.case, volume)
    assert node_ids(made.app.scene) == before
    assert "\n" not in str(caught.value)
    assert find_case(made.volume) is None


def test_the_same_image_in_another_file_is_accepted(shown: Make, tmp_path: Path) -> None:
    made = shown()
    sitk.WriteImage(sitk.ReadImage(str(made.case.input_path)), str(tmp_path / "copy.nrrd"))
    assert show_case(made.case, load_volume(made.app, tmp_path / "copy.nrrd")).maps


@pytest.mark.parametrize("missing", ["segmentation.nii.gz", "scs.nii.gz", "components.csv", "case.json"])
def test_a_case_with_a_missing_file_changes_nothing(shown: Make, missing: str) -> None:
    made = shown()
    nodes = show_case(made.case, made.volume)
    before = node_ids(made.app.scene)
    (made.case.folder / missing).unlink()
    with pytest.raises(InputError, match=missing.split(".")[0]):
        show_case(read_case(made.case.folder), made.volume)
    assert node_ids(made.app.scene) == before
    assert find_case(made.volume).segmentation is nodes.segmentation


def test_a_truncated_map_changes_nothing(shown: Make) -> None:
    made = shown()
    before = node_ids(made.app.scene)
    path = made.case.folder / "scs.nii.gz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="scs"):
        show_case(made.case, made.volume)
    assert node_ids(made.app.scene) == before


def test_labels_of_another_grid_are_refused(shown: Make, tmp_path: Path) -> None:
    made = shown()
    labels = sitk.ReadImage(str(made.case.folder / "segmentation.nii.gz"))
    labels.SetOrigin((1.0, 2.0, 3.0))
    sitk.WriteImage(labels, str(made.case.folder / "segmentation.nii.gz"))
    before = node_ids(made.app.scene)
    with pytest.raises(InputError, match="segmentation"):
        show_case(read_case(made.case.folder), made.volume)
    assert node_ids(made.app.scene) == before


def test_a_failure_half_way_takes_everything_out_again(shown: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = shown()
    previous = show_case(made.case, made.volume)
    before = node_ids(made.app.scene)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(made.app.scene)
    items = hierarchy.GetNumberOfItems()

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("CardiacUQScene.show.tie", fail)
    with pytest.raises(MemoryError):
        show_case(made.case, made.volume)
    assert node_ids(made.app.scene) == before
    assert hierarchy.GetNumberOfItems() == items
    assert find_case(made.volume).segmentation is previous.segmentation


def test_labels_that_are_no_classes_are_refused(shown: Make) -> None:
    made = shown()
    case = CaseMaps.of(made.case)
    strange = case.segmentation.copy()
    strange[0, 0, 0] = 5
    with pytest.raises(InputError, match="no classes"):
        replace(case, segmentation=strange).check()


# -- colours


def test_the_scene_draws_an_uncertainty_in_the_colour_of_the_report(app: StandaloneScene) -> None:
    table = heat_table(app.scene)
    for share in (0.0, 0.25, 0.5, 1.0):
        scene = [0.0] * 4
        table.GetColor(round(share * (HEAT_COLOURS - 1)), scene)
        in_report = heat_colours(np.rint(np.array([share]) * 255) / 255)[0]
        assert np.allclose(np.array(scene[:3]) * 255, in_report, atol=0.51)


def test_the_heat_map_rises_evenly_in_lightness() -> None:
    colours = heat_colours(np.linspace(0.0, 1.0, HEAT_COLOURS)) / 255
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    dark = luminance < (6 / 29) ** 3  # CIE 15 makes lightness linear there
    lightness = np.where(dark, (29 / 3) ** 3 * luminance, 116 * np.cbrt(luminance) - 16)
    steps = np.diff(lightness)
    assert (steps > 0).all()
    assert steps.max() < 1.5 * steps.mean()


def test_a_scene_without_cases_has_none(app: StandaloneScene) -> None:
    assert all_cases(app.scene) == ()
