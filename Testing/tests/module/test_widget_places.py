"""Places worth a look in the panel: few, best first, the rest folded; one key accepts what is proposed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from review_cases import INFARCT, MVO, MYOCARDIUM, make_placed

pytestmark = pytest.mark.usefixtures("without_torch")


@pytest.fixture
def folder(tmp_path):
    """A case whose best place proposes an MVO in two slices."""
    from CardiacUQLib.cases.writing import write_case

    return write_case(make_placed(tmp_path), tmp_path / "cases")


@pytest.fixture
def panel(host, widget, folder):
    """The widget with the case open."""
    widget.load_case(folder)
    return widget


def labels(widget) -> np.ndarray:
    """The corrected labels as the segmentation node has them."""
    from CardiacUQScene.voxels import labels_of

    nodes = widget.display.nodes
    return labels_of(nodes.segmentation, nodes.segments, nodes.volume)


def texts(widget, row: int) -> list[str]:
    """The cells of a row."""
    table = widget.ui.regionTable
    return [item.text() for n in range(table.columnCount) if (item := table.item(row, n)) is not None]


def test_the_places_are_listed_and_the_rest_is_one_line(panel):
    table, session = panel.ui.regionTable, panel.review.session
    further = len(session.items) - 3
    assert further > 0 and table.rowCount == 4
    assert texts(panel, 0)[0] == "possible MVO" and texts(panel, 0)[2] == "0.133"
    assert texts(panel, 1)[0] == "myocardium \u2192 infarct"
    assert texts(panel, 2)[0] == "infarct, or rather MVO?"
    assert texts(panel, 3) == [
        f"\u25b8 {further} further region{'s' * (further > 1)}, worth less than 0.015 Dice each"
    ]
    assert panel.ui.lookLabel.text == "3 regions need a look"
    table.cellClicked.emit(3, 0)
    assert table.rowCount == 4 + further and texts(panel, 3)[0].startswith("\u25be")
    table.cellClicked.emit(4, 0)
    assert session.index == 3 and "further region 1 of" in panel.ui.cardLabel.text
    assert texts(panel, 4)[-1] == "here"
    panel.review.press("N")
    assert session.index == 0, "the key goes to what is worth a look"
    table.cellClicked.emit(3, 0)
    assert table.rowCount == 4


def test_one_key_accepts_the_proposed_outline(panel, folder):
    ui, session = panel.ui, panel.review.session
    before = labels(panel)
    panel.review.press("A")
    assert (labels(panel) == before).all(), "no region is chosen yet"
    panel.review.press("N")
    assert ui.acceptButton.text == "Accept MVO (A)" and ui.acceptButton.enabled
    outline = session.review.mask(0)
    ui.acceptButton.click()
    after = labels(panel)
    assert (after[outline] == MVO).all() and (after != before).sum() == outline.sum() == 24
    (event,) = json.loads((folder / "review.json").read_text("utf-8"))["events"]
    assert (event["action"], event["item"], event["label"]) == ("accept", "place 1", MVO)
    assert session.index == 1 and not ui.acceptButton.enabled
    panel.review.press("A")
    assert len(session.review.decisions) == 1, "what proposes nothing is left as it is"
    panel.review.press("Z")
    assert (labels(panel) == before).all() and session.index == 0
    panel.review.press("Y")
    assert (labels(panel) == after).all()
    assert texts(panel, 0)[-1] in ("decided", "here")


def test_a_class_key_changes_what_the_words_are_about(panel):
    session = panel.review.session
    for _ in range(2):
        panel.review.press("N")
    item, before = session.items[1], labels(panel)
    assert session.index == 1
    panel.review.press("2")
    changed = labels(panel) != before
    assert changed.sum() == item.voxels and (before[changed] == INFARCT).all()
    assert (labels(panel)[changed] == MYOCARDIUM).all()


def test_a_case_that_proposes_nothing_has_no_such_button(host, widget, case_folder):
    widget.load_case(case_folder)
    widget.review.press("N")
    assert not widget.ui.acceptButton.isVisibleTo(widget.ui.reviewSection)
