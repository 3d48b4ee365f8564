"""Places worth a look in the browser: proposals accepted by one key, the rest folded behind one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from review_cases import INFARCT, MVO, make_placed
from serving import Served, change_case, enter, labels_on_disk, serving

from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.cases.writing import write_case
from CardiacUQLib.review import Action, CaseMaps, Review, read_record


@pytest.fixture
def placed(tmp_path: Path) -> Path:
    """A case with a missed MVO as its first place; rotated storage, so that orders cannot be mixed up."""
    return write_case(make_placed(tmp_path, "sagittal"), tmp_path / "out", name="heart")


def ask(server: Served, action: str, item: str, revision: int):
    return server.ask("POST", f"/api/cases/0/{action}", {"revision": revision, "item": item})


def test_a_proposal_is_accepted_by_one_request_and_elsewhere_refused(placed: Path) -> None:
    before = labels_on_disk(placed)
    with serving(placed) as server:
        server.enter()
        case = server.json("/api/cases/0")
        assert [item["proposed"] for item in case["items"][:3]] == [MVO, None, None]
        assert case["listed"] == 3 < len(case["items"]) == len(case["state"]["statuses"])
        status, _, content = ask(server, "accept", case["items"][1]["key"], 0)
        assert status == 400 and b"nothing is proposed here" in content
        np.testing.assert_array_equal(labels_on_disk(placed), before)
        answer = server.json("/api/cases/0/accept", {"revision": 0, "item": "place 1"})
        assert answer["state"]["statuses"][0] == "Completed" and answer["state"]["decided"] == 1
        after = labels_on_disk(placed)
        assert (after != before).sum() == 24 and (after[after != before] == MVO).all()
        record = read_record(placed)
        assert record is not None and record.events[-1].decision.action is Action.ACCEPT
        server.json("/api/cases/0/undo", {"revision": 1})
        np.testing.assert_array_equal(labels_on_disk(placed), before)


def test_one_key_accepts_and_the_rest_is_one_line(browser, placed: Path) -> None:
    case = read_case(placed)
    shape, before = case.read_stored("segmentation").shape, labels_on_disk(placed)
    with serving(placed) as server:
        enter(browser, server)
        assert browser.text("card-title") == "Region 1 of 3"
        assert "possible MVO, 1 ml, probability 0.35" in browser.text("card-text")
        assert browser.text("accept-name") == "MVO"
        browser.press("a")
        assert browser.text("card-title") == "Region 2 of 3", "it goes on at once"
        browser.settled()
        after = labels_on_disk(placed)
        assert (after != before).sum() == 24 and (after[after != before] == MVO).all()
        shown = np.array(browser.js("return Array.from(review.case.labels)"), np.uint8).reshape(shape)
        np.testing.assert_array_equal(shown, after)
        browser.press("a")  # nothing is proposed at the second place
        assert "nothing is proposed here" in browser.text("message")
        np.testing.assert_array_equal(labels_on_disk(placed), after)
        browser.press("z")
        browser.settled()
        np.testing.assert_array_equal(labels_on_disk(placed), before)
        browser.press("Z")
        browser.settled()
        browser.press("n", "k", "k")
        browser.settled()
        assert browser.text("progress").startswith("done") and "Next case: C" in browser.text("message")
        entries = "return [...document.querySelectorAll('#regions li')].filter((e) => !e.hidden).length"
        assert browser.js(entries) == 3 + 1 and "further region" in browser.text("further")
        browser.element("#further").click()
        rest = browser.js("return review.case.items.length") - 3
        assert browser.js(entries) == 3 + 1 + rest
        browser.js("document.querySelector('#regions li:last-child button').click()")
        assert browser.text("card-title") == f"Further region {rest} of {rest}"
        browser.press("k")
        browser.settled()
        assert browser.complaints() == []
    review = Review(CaseMaps.of(read_case(placed)), "Slicer")
    assert review.progress().done and review.decisions[0].label == MVO != INFARCT


def test_a_scan_that_does_not_belong_shows_no_number_first_and_no_interval(placed: Path) -> None:
    unlike = {"word": "redo", "reason": "unlike the training scans: noise", "risk": None, "low_dice": None}
    change_case(placed, verdict=unlike)
    with serving(placed) as server:
        server.enter()
        (listed,) = server.json("/api/cohort")["cases"]
        assert listed["verdict"]["advice"].startswith("First make sure that this image")
        state = server.json("/api/cases/0")["state"]
        assert state["headline"] == "Do this image and this model belong together?"
        assert state["sizes"] and not any(size["interval"] for size in state["sizes"])
        answer = server.json("/api/cases/0/accept", {"revision": 0, "item": "place 1"})
        assert "Infarct" in answer["state"]["headline"], "what a reader has corrected is the reader's"
        assert not any(size["interval"] for size in answer["state"]["sizes"])
