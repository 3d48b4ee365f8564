"""What cannot be used: a message that says what to do, and a scene in which nothing has changed."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest


def _content(scene) -> dict[str, str]:
    nodes = (scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes()))
    return {n.GetID(): n.GetName() for n in nodes if not n.IsA("vtkMRMLScriptedModuleNode")}


def _refused(host, widget, *words: str) -> None:
    before = _content(host.scene)
    widget.ui.segmentButton.click()
    assert widget.runs.run is None
    text = widget.ui.messageLabel.text
    assert all(word in text for word in words), text
    assert ";" in text, "what is wrong; what to do"
    assert _content(host.scene) == before
    assert widget.ui.segmentButton.text == "Segment"


def test_no_volume(host, widget):
    _refused(host, widget, "none is chosen", "load")


def test_a_volume_of_two_slices(host, widget):
    import slicer

    volume = slicer.util.addVolumeFromArray(np.zeros((2, 64, 64), np.int16), name="localizer")
    widget.ui.inputSelector.setCurrentNode(volume)
    _refused(host, widget, "localizer", "64 x 64 x 2", "at least 3 slices")


def test_a_vector_volume(host, widget):
    import slicer

    volume = slicer.util.addVolumeFromArray(
        np.zeros((5, 64, 64, 3), np.uint8), name="screenshot", nodeClassName="vtkMRMLVectorVolumeNode"
    )
    assert widget.ui.inputSelector.currentNode() is not volume, "not even offered"
    widget.logic.getParameterNode().inputVolume = volume
    _refused(host, widget, "screenshot", "3 numbers per voxel", "grey-value")


def test_an_empty_volume(host, widget):
    volume = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing")
    widget.ui.inputSelector.setCurrentNode(volume)
    _refused(host, widget, "nothing", "no voxels", "load it again")


def test_no_bundle_at_all(host, module, load, phantom_file, tmp_path, monkeypatch):
    import CardiacUQLib.bundles.bundle as bundle

    monkeypatch.setattr(bundle, "bundle_folders", lambda: (tmp_path,))
    load(phantom_file)
    widget = host.open("CardiacUQ")
    assert widget.models.bundle is None
    widget.ui.segmentButton.click()
    assert "no model bundle" in widget.ui.messageLabel.text and widget.runs.run is None


def test_a_results_folder_that_cannot_be_made(host, widget, load, phantom_file, tmp_path):
    load(phantom_file)
    (tmp_path / "file").write_text("in the way")
    widget.ui.resultsPath.currentPath = str(tmp_path / "file" / "cases")
    before = _content(host.scene)
    widget.ui.segmentButton.click()
    assert widget.runs.run is None and "file" in widget.ui.messageLabel.text
    assert _content(host.scene) == before


def _load_refused(host, widget, folder: Path, *words: str) -> None:
    before = _content(host.scene)
    widget.runs.guarded(lambda: widget.load_case(folder))
    text = widget.ui.messageLabel.text
    assert all(word in text for word in words), text
    assert _content(host.scene) == before
    assert widget.review.session is None


def test_a_folder_that_is_no_case(host, widget, tmp_path):
    _load_refused(host, widget, tmp_path, "case.json", "give a folder")


def test_the_case_folder_of_another_volume(host, widget, load, case_folder, tmp_path):
    from CardiacUQLib.phantom import lge_phantom, write

    other, _ = write(lge_phantom(2, shape=(6, 128, 128)), tmp_path, "other")
    load(other)
    copy = shutil.copytree(case_folder, tmp_path / "moved")
    record = copy / "case.json"
    text = record.read_text("utf-8").replace("LGE phantom.nii.gz", "gone.nii.gz")
    record.write_text(text, encoding="utf-8")
    _load_refused(host, widget, copy, "other", "load the volume")


def test_a_damaged_review_is_reported_and_the_case_still_shown(host, widget, case_folder, tmp_path):
    copy = shutil.copytree(case_folder, tmp_path / "case")
    (copy / "review.json").write_text("{", encoding="utf-8")
    widget.runs.guarded(lambda: widget.load_case(copy))
    assert widget.review.session is None and widget.display.nodes is not None


def test_without_torch_the_module_opens_and_reviews(
    host, module, load, phantom_file, case_folder, monkeypatch
):
    """Segment then says how to get torch; reviewing needs none."""
    from CardiacUQWidgets import computer, dependencies

    monkeypatch.setattr(computer, "has_torch", lambda: False)
    monkeypatch.setattr(dependencies, "missing", lambda requirements: ("torch", "safetensors"))
    load(phantom_file)
    widget = host.open("CardiacUQ")
    assert "torch is not installed" in widget.ui.deviceLabel.text
    assert widget.runs.busy is False, "no probe without torch"
    _refused(host, widget, "extension PyTorch", "install")
    widget.load_case(case_folder)
    widget.review.press("N")
    assert "region 1 of" in widget.ui.cardLabel.text


def test_missing_packages_are_installed_through_slicer(host, module, monkeypatch):
    """torch through the PyTorch extension, the rest through slicer.packaging, which must leave ours alone."""
    import slicer.packaging as packaging

    from CardiacUQWidgets import dependencies

    requirements = Path(module.__file__).parent / "Resources" / "requirements.txt"
    installed: list[str] = []
    here = {"numpy"}
    monkeypatch.setattr(
        dependencies, "missing", lambda path: tuple(n for n in ("torch", "safetensors") if n not in here)
    )

    class PyTorchUtilsLogic:
        def installTorch(self, askConfirmation=False):
            assert askConfirmation
            installed.append("torch")
            here.add("torch")
            return types.ModuleType("torch")

    extension = types.ModuleType("PyTorchUtils")
    extension.PyTorchUtilsLogic = PyTorchUtilsLogic
    monkeypatch.setitem(sys.modules, "PyTorchUtils", extension)

    def pip_ensure(requirements, *, skip_packages, requester):
        installed.append((tuple(str(r).partition(">")[0] for r in requirements), requester))
        assert {"torch", "SimpleITK", "numpy"} <= set(skip_packages)
        here.add("safetensors")

    monkeypatch.setattr(packaging, "pip_ensure", pip_ensure)
    dependencies.install(requirements)
    assert installed == ["torch", (("safetensors",), "CardiacUQ")]


def test_a_refused_installation_says_what_still_works(host, module, monkeypatch):
    import slicer.packaging as packaging

    from CardiacUQLib.base.errors import UsageError
    from CardiacUQWidgets import dependencies

    def refuse(*_, **__):
        raise RuntimeError("declined")

    monkeypatch.setattr(dependencies, "missing", lambda path: ("safetensors",))
    monkeypatch.setattr(packaging, "pip_ensure", refuse)
    with pytest.raises(UsageError, match="declined"):
        dependencies.install(Path(module.__file__).parent / "Resources" / "requirements.txt")
