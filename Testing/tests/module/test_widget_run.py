"""Running, cancelling and closing, with real child processes and real networks (tiny, random weights)."""

from __future__ import annotations

import os


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _segment(host, widget) -> None:
    """Press Segment and wait for the final case."""
    widget.ui.segmentButton.click()
    assert widget.runs.run is not None, widget.ui.messageLabel.text
    host.wait(lambda: widget.runs.run is None)


def test_the_widget_opens_with_volume_and_model_chosen(host, module, load, phantom_file):
    volume = load(phantom_file)
    widget = host.open("CardiacUQ")
    assert widget.ui.inputSelector.currentNode() is volume
    assert widget.ui.modelSelector.currentText == "Random weights for tests"
    assert widget.ui.segmentButton.text == "Segment" and widget.ui.segmentButton.enabled
    assert "core" in widget.ui.deviceLabel.text and "about" in widget.ui.deviceLabel.text


def test_segmenting_shows_a_preview_and_then_the_case(host, widget, load, phantom_file):
    from CardiacUQScene import find_case

    volume = load(phantom_file)
    widget.ui.segmentButton.click()
    assert widget.ui.segmentButton.text == "Cancel"
    host.wait(lambda: find_case(volume) is not None)
    assert widget.ui.headlineLabel.text.startswith("Preview")
    assert find_case(volume).folder.name.endswith(".preview")
    host.wait(lambda: widget.runs.run is None)
    nodes = find_case(volume)
    assert nodes.folder.name == "LGE phantom" and (nodes.folder / "case.json").is_file()
    assert widget.review.session is not None
    assert widget.ui.measuresTable.mrmlTableNode() is nodes.measures
    assert widget.ui.messageLabel.text.startswith("Done in")
    left = sorted(path.name for path in nodes.folder.parent.iterdir())
    assert left == ["LGE phantom"], "only the case folder stays"
