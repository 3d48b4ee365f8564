"""A case saved with its scene comes back whole, in a process that never saw it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk
from scene_fixtures import Shown
from vtk.util.numpy_support import vtk_to_numpy

import CardiacUQScene
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.review import CaseMaps
from CardiacUQScene import (
    CaseNodes,
    ReviewSession,
    add_insertion_markup,
    all_cases,
    heat_map,
    heat_map_choices,
    insertion_ras,
    scale_of,
    set_corrections,
    set_heat_map,
    show_case,
)
from CardiacUQScene.case_nodes import REVIEW_ATTRIBUTE
from CardiacUQScene.grid import ijk_to_ras
from CardiacUQScene.legends import legend_of
from CardiacUQScene.standalone import StandaloneScene
from CardiacUQScene.voxels import labels_of, volume_array

Make = Callable[..., Shown]


def describe(nodes: CaseNodes) -> dict[str, object]:
    """Everything a user would miss, as plain values."""
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    content = nodes.segmentation.GetSegmentation()
    moves = nodes.corrections.GetSegmentation()
    labels = labels_of(nodes.segmentation, nodes.segments, nodes.volume)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(nodes.scene)
    folder = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(nodes.segmentation))
    shown = heat_map(nodes)
    return {
        "volume": [int(volume_array(nodes.volume).sum()), np.round(ijk_to_ras(nodes.volume), 3).tolist()],
        "labels": np.bincount(labels.ravel(), minlength=5).tolist(),
        "moments": np.round(
            [labels[labels == n].size and np.argwhere(labels == n).mean(0).sum() for n in range(5)], 6
        ).tolist(),
        "segments": [
            [key, s.GetName(), s.GetLabelValue(), np.round(s.GetColor(), 3).tolist(), s.GetTerminology()]
            for key, s in ((key, content.GetSegment(key)) for key in content.GetSegmentIDs())
        ],
        "corrections": [
            [key, s.GetName(), np.round(s.GetColor(), 3).tolist(), logic.GetSegmentStatus(s)]
            for key, s in ((key, moves.GetSegment(key)) for key in moves.GetSegmentIDs())
        ],
        "maps": {
            name.value: [
                str(volume_array(node).dtype),
                float(volume_array(node).sum(dtype=np.float64)),
                round(node.GetDisplayNode().GetWindowLevelMax(), 4),
                round(node.GetDisplayNode().GetLowerThreshold(), 5),
                node.GetDisplayNode().GetColorNode().GetNumberOfColors(),
                legend_of(node).GetTitleText(),
                legend_of(node).GetVisibility(),
            ]
            for name, node in nodes.maps.items()
        },
        "heat": [shown.name.value, shown.opacity, round(shown.threshold, 5)],
        "choices": [name.value for name in heat_map_choices(nodes)],
        "scale": scale_of(nodes, MapName.SCS).highest,
        "display": [
            nodes.segmentation.GetDisplayNode().GetVisibility2DOutline(),
            nodes.segmentation.GetDisplayNode().GetOpacity2DFill(),
            nodes.corrections.GetDisplayNode().GetVisibility(),
            legend_of(nodes.corrections).GetVisibility(),
        ],
        "measures": [nodes.measures.GetNumberOfRows(), nodes.measures.GetCellText(0, 1)],
        "profile": [nodes.profile.GetNumberOfRows(), nodes.profile.GetCellText(0, 1)],
        "plot": [[s.GetName(), s.GetYColumnName()] for s in nodes.series] + [nodes.chart.GetTitle()],
        "reference": nodes.segmentation.GetNodeReference("referenceImageGeometryRef") is nodes.volume,
        "folder": [hierarchy.GetItemName(folder), hierarchy.GetNumberOfItemChildren(folder)],
        "case": [nodes.name, nodes.kind.value, [info.name for info in nodes.classes], str(nodes.folder)],
        "review": nodes.segmentation.GetAttribute(REVIEW_ATTRIBUTE),
        "bull's-eyes": [
            nodes.bullseyes.GetName(),
            list(nodes.bullseyes.GetImageData().GetDimensions()),
            nodes.bullseyes.GetImageData().GetNumberOfScalarComponents(),
            int(vtk_to_numpy(nodes.bullseyes.GetImageData().GetPointData().GetScalars()).sum(dtype=np.int64)),
            hierarchy.GetItemParent(hierarchy.GetItemByDataNode(nodes.bullseyes)) == folder,
        ],
        "first": [nodes.default_map, list(nodes.warnings)],
        "insertion": insertion_ras(nodes.volume) and np.round(insertion_ras(nodes.volume), 3).tolist(),
    }


READER = """
import json, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from CardiacUQScene import all_cases
from CardiacUQScene.standalone import StandaloneScene
from test_saving import describe
app = StandaloneScene()
app.load(Path(sys.argv[1]))
(nodes,) = all_cases(app.scene)
print("DESCRIPTION" + json.dumps(describe(nodes)))
"""


def read_elsewhere(path: Path) -> dict[str, object]:
    """What a fresh process finds in a saved scene."""
    package = str(Path(CardiacUQScene.__file__).parents[1])
    folders = [package, str(Path(__file__).parent), str(Path(__file__).parents[1] / "lib")]
    done = subprocess.run(
        [sys.executable, "-c", READER, str(path), *folders],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("DESCRIPTION"))
    return json.loads(line.removeprefix("DESCRIPTION"))


@pytest.mark.timeout(300)
def test_a_saved_review_is_intact_in_a_fresh_process(shown: Make, tmp_path: Path) -> None:
    made = shown("oblique")
    made.app.add_slice_view("Red")
    session = ReviewSession(show_case(made.case, made.volume), made.case, 'Jane; "O\'Neil" <顎>')
    set_heat_map(session.nodes, MapName.SCS, opacity=0.6, threshold=0.11)
    set_corrections(session.nodes, True)
    session.next()
    session.take_2d()
    session.next()
    session.flag('50 % "sure"; see: <Ann> & co')
    session.close()
    add_insertion_markup(made.volume).AddControlPointWorld(vtk.vtkVector3d(1.0, 2.0, 3.0))
    before = describe(session.nodes)
    made.app.save(tmp_path / "scene.mrb")
    after = read_elsewhere(tmp_path / "scene.mrb")
    for key, value in before.items():
        assert json.loads(json.dumps(value)) == after[key], key


def test_ten_round_trips_change_nothing_and_leak_no_node(shown: Make, tmp_path: Path) -> None:
    made = shown()
    session = ReviewSession(show_case(made.case, made.volume), made.case, "Jane", move_views=False)
    session.next()
    session.take_2d()
    session.close()
    first = describe(session.nodes)
    app, counts = made.app, []
    for turn in range(10):
        path = tmp_path / f"{turn}.mrb"
        app.save(path)
        if app is not made.app:
            app.close()
        app = StandaloneScene()
        app.load(path)
        counts.append(app.scene.GetNumberOfNodes())
    (nodes,) = all_cases(app.scene)
    assert describe(nodes) == first
    assert len(set(counts)) == 1
    app.close()


def test_a_review_goes_on_in_a_reloaded_scene(shown: Make, tmp_path: Path) -> None:
    made = shown("flipped")
    session = ReviewSession(show_case(made.case, made.volume), made.case, "Jane", move_views=False)
    session.next()
    session.take_2d()
    made.app.save(tmp_path / "scene.mrb")
    session.next()
    session.assign(4)  # after saving: only review.json knows
    labels = session.review.labels.copy()

    app = StandaloneScene()
    app.load(tmp_path / "scene.mrb")
    (nodes,) = all_cases(app.scene)
    again = ReviewSession(nodes, made.case, "Ann", move_views=False)
    assert np.array_equal(again.review.labels, labels)
    turn = labels_of(nodes.segmentation, nodes.segments, nodes.volume)
    assert (
        np.bincount(turn.ravel(), minlength=5).tolist() == np.bincount(labels.ravel(), minlength=5).tolist()
    )
    assert again.undo()
    assert again.undo()
    assert np.array_equal(again.review.labels, CaseMaps.of(made.case).segmentation)
    app.close()
