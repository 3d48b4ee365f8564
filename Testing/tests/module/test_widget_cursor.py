"""What is under the cursor, in words: class, maps, and the probabilities of all classes."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("without_torch")


@pytest.fixture
def case(case_folder, tmp_path):
    """A case folder of the test's own."""
    return shutil.copytree(case_folder, tmp_path / "phantom")


def test_the_cursor_is_put_into_words(host, module, case):
    crosshair = host.scene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    widget = host.open("CardiacUQ")
    widget.load_case(case)
    host.wait(lambda: not widget.busy)
    centre = widget.review.session.items[0].centre_ras
    crosshair.SetCursorPositionRAS(list(centre))
    words = widget.ui.cursorLabel.text
    assert "SCS" in words and words.endswith("; class probabilities were not stored")
    crosshair.SetCursorPositionRAS([1e5, 0.0, 0.0])
    assert widget.ui.cursorLabel.text == ""


def test_class_probabilities_are_told_at_the_cursor(host, module, phantom_file, tiny_bundle, tmp_path):
    from CardiacUQLib.bundles.bundle import load_bundle
    from CardiacUQLib.images.reading import read_volume
    from CardiacUQLib.studies.options import CaseOptions
    from CardiacUQLib.studies.scan import segment_to_folder

    options = CaseOptions("cpu", report=False, probabilities=True)
    result = segment_to_folder(read_volume(phantom_file), load_bundle(tiny_bundle), tmp_path / "c", options)
    crosshair = host.scene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    widget = host.open("CardiacUQ")
    widget.load_case(tmp_path / "c")
    host.wait(lambda: not widget.busy)
    z, y, x = (n // 2 for n in result.segmentation.shape)
    crosshair.SetCursorPositionRAS([float(v) for v in result.geometry.index_to_ras(np.array([x, y, z]))])
    chances = result.probabilities[:, z, y, x]
    best = int(chances.argmax())
    told = widget.ui.cursorLabel.text.rpartition("; ")[2]
    name, percent = told.partition(" %")[0].rsplit(" ", 1)
    assert name == result.classes[best].name and abs(int(percent) - 100 * chances[best]) <= 1, told
