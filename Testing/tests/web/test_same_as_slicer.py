"""The same decisions in browser and Slicer scene leave the same files; each resumes what the other began."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from serving import labels_on_disk, make_cohort, serving

pytest.importorskip("slicer", reason="slicer-core is not installed")
import sys

sys.path.append(str(Path(__file__).parents[1] / "scene"))
from scene_fixtures import load_volume

from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.report.publish import publish
from CardiacUQLib.review.decisions import apply_runs
from CardiacUQScene import ReviewSession, show_case
from CardiacUQScene.standalone import StandaloneScene
from CardiacUQTraining.cohort.renewal import read_rows

STORAGES = ("axial", "oblique", "sagittal")


def steps_for(items: int, strokes: list[list[tuple[int, int, int]]]) -> list[tuple]:
    """Every kind of decision, strokes, undo and redo."""
    return [
        ("take_2d", 0),
        ("assign", 1, 4),
        ("undo",),
        ("redo",),
        ("paint", 1, strokes[0]),
        ("paint", 1, strokes[1]),
        ("undo",),
        ("keep", 1),
        ("flag", min(2, items - 1), "ask Ann"),
    ]


def in_browser(out: Path, steps: list[tuple]) -> None:
    with serving(out) as server:
        server.enter()
        about = server.json("/api/cases/0")
        keys = [item["key"] for item in about["items"]]
        for revision, (action, *rest) in enumerate(steps):
            content: dict = {"revision": revision}
            if rest:
                content["item"] = keys[rest[0]]
            if len(rest) > 1:
                content[{"assign": "label", "paint": "runs", "flag": "note"}[action]] = rest[1]
            server.json(f"/api/cases/0/{action}", content)


def in_slicer(out: Path, steps: list[tuple]) -> None:
    folder = out / "one"
    case = read_case(folder)
    scene = StandaloneScene()
    try:
        nodes = show_case(case, load_volume(scene, case.input_path))
        session = ReviewSession(nodes, case, "Jane")
        for action, *rest in steps:
            if rest:
                session.jump(rest[0])
            if action == "paint":
                before = session.review.labels
                paint_in_scene(session, before, apply_runs(before, tuple(rest[1])))
                session.edited()
            elif action == "assign":
                session.assign(rest[1])
            elif action == "flag":
                session.flag(rest[1])
            else:
                getattr(session, action)()
        publish(session.review)
        session.close()
    finally:
        scene.close()


def paint_in_scene(session: ReviewSession, before: np.ndarray, after: np.ndarray) -> None:
    """Voxels into the segments of the node, as the Segment Editor would paint them."""
    from CardiacUQScene.grid import ijk_to_ras
    from CardiacUQScene.show import matching_order
    from CardiacUQScene.voxels import write_changes

    nodes = session.nodes
    turn = matching_order(session.review.case, nodes.volume).from_stored
    write_changes(nodes.segmentation, nodes.segments, turn(before), turn(after), ijk_to_ras(nodes.volume))


def without_times(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d\+00:00)?", "TIME", text)


@pytest.mark.parametrize("storage", STORAGES)
def test_the_same_decisions_leave_the_same_files(storage: str, tmp_path: Path) -> None:
    first = make_cohort(tmp_path / "a", {"one": storage}, report=True)
    second = tmp_path / "b" / "out"
    shutil.copytree(first, second)
    case = read_case(first / "one")
    flat = np.flatnonzero(case.storage.to_stored(inner_square(case)).ravel())
    strokes = [[(int(n), 1, 3) for n in flat], [(int(flat[0]), 1, 2), (int(flat[-1]), 1, 0)]]
    steps = steps_for(len(case.components), strokes)
    in_browser(first, steps)
    in_slicer(second, steps)
    for name in ("review.json", "measures.json", "measures_model.json", "report.html"):
        ours, theirs = (without_times((out / "one" / name).read_text("utf-8")) for out in (first, second))
        assert ours == theirs, name
    np.testing.assert_array_equal(labels_on_disk(first / "one"), labels_on_disk(second / "one"))
    rows = [next(row for row in read_rows(out) if row.name == "one") for out in (first, second)]
    assert rows[0] == rows[1] and rows[0].review.startswith("reviewed by Jane")


def inner_square(case) -> np.ndarray:
    marked = np.zeros(case.segmentation.shape, bool)
    z, y, x = (n // 2 for n in marked.shape)
    marked[z, y : y + 6, x : x + 5] = True
    return marked


def test_each_goes_on_where_the_other_stopped(tmp_path: Path) -> None:
    out = make_cohort(tmp_path, {"one": "oblique"})
    in_browser(out, [("take_2d", 0), ("flag", 1, "look")])
    case = read_case(out / "one")
    scene = StandaloneScene()
    nodes = show_case(case, load_volume(scene, case.input_path))
    session = ReviewSession(nodes, case, "Ann")
    assert session.progress_text().startswith("2 of 3 decided, 1 flagged")
    np.testing.assert_array_equal(session.review.labels, labels_on_disk(out / "one"))
    session.jump(2)
    session.keep()
    session.close()
    scene.close()
    with serving(out) as server:
        server.enter()
        about = server.json("/api/cases/0")
        assert about["state"]["progress"] == "done, 3 decisions, 1 flagged"
        assert about["state"]["last"]["reviewer"] == "Ann"
        answer = server.json("/api/cases/0/undo", {"revision": 3})
        assert answer["item"] == about["items"][2]["key"]
    events = json.loads((out / "one" / "review.json").read_text("utf-8"))["events"]
    assert [event["reviewer"] for event in events] == ["Jane", "Jane", "Ann", "Jane"]
