"""What cannot be used: a message that says what to do, and a scene in which nothing has changed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from desk_checks import change_record


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
    change_record(copy, input_path=str(tmp_path / "gone.nii.gz"))
    _load_refused(host, widget, copy, "other", "load the volume")


def test_a_damaged_review_is_reported_and_the_case_still_shown(host, widget, case_folder, tmp_path):
    copy = shutil.copytree(case_folder, tmp_path / "case")
    (copy / "review.json").write_text("{", encoding="utf-8")
    widget.runs.guarded(lambda: widget.load_case(copy))
    assert widget.review.session is None and widget.display.nodes is not None


@pytest.fixture
def requirements(module):
    return Path(module.__file__).parent / "Resources" / "requirements.txt"


@pytest.fixture
def extension(monkeypatch):
    """The PyTorch extension, whose answer a test can set; what it was asked is kept."""
    asked: list[dict] = []

    class PyTorchUtilsLogic:
        answer: object = types.ModuleType("torch")

        def installTorch(self, **options):
            asked.append(options)
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    there = types.ModuleType("PyTorchUtils")
    there.PyTorchUtilsLogic, there.asked = PyTorchUtilsLogic, asked
    monkeypatch.setitem(sys.modules, "PyTorchUtils", there)
    return there


def _without(monkeypatch, *names):
    """Let these packages be absent until they are installed; returns the set of those that are."""
    from CardiacUQWidgets import dependencies

    absent, real = set(names), importlib.util.find_spec
    monkeypatch.setattr(dependencies, "_is_met", lambda requirement: requirement.name not in absent)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in absent else real(name))
    return absent


def test_missing_packages_are_installed_through_slicer(requirements, extension, monkeypatch):
    """torch through its extension in the version that is needed, the rest through slicer.packaging."""
    import slicer.packaging as packaging

    from CardiacUQWidgets import dependencies

    absent = _without(monkeypatch, "torch", "safetensors")
    asked: list[tuple] = []

    def pip_ensure(requirements, *, requester):
        asked.append((requirements, requester))
        absent.clear()

    monkeypatch.setattr(packaging, "pip_ensure", pip_ensure)
    dependencies.install(requirements)
    assert extension.asked == [{"askConfirmation": True, "torchVersionRequirement": "!=2.9.*,>=2.4"}]
    assert asked == [(["safetensors>=0.4.5"], "CardiacUQ")]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("User declined package installation"), "declined"),
        (subprocess.CalledProcessError(1, "pip install"), "exit code 1"),
    ],
)
def test_an_installation_that_fails_is_one_line(requirements, monkeypatch, error, words):
    import slicer.packaging as packaging

    from CardiacUQLib.base.errors import UsageError
    from CardiacUQWidgets import dependencies

    def fail(*_, **__):
        raise error

    _without(monkeypatch, "safetensors")
    monkeypatch.setattr(packaging, "pip_ensure", fail)
    with pytest.raises(UsageError, match=words):
        dependencies.install(requirements)


@pytest.mark.parametrize(
    ("answer", "words"), [(None, "was not installed"), (TypeError("'NoneType'"), "module PyTorch Util")]
)
def test_a_refused_or_broken_torch_is_one_line(requirements, extension, monkeypatch, answer, words):
    from CardiacUQLib.base.errors import UsageError
    from CardiacUQWidgets import dependencies

    _without(monkeypatch, "torch")
    extension.PyTorchUtilsLogic.answer = answer
    with pytest.raises(UsageError, match=words):
        dependencies.install(requirements)


def test_a_torch_that_is_too_old_counts_as_missing(requirements, extension, monkeypatch):
    from CardiacUQLib.base.errors import UsageError
    from CardiacUQWidgets import dependencies

    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda n: "2.1.0" if n == "torch" else real(n))
    assert dependencies.missing(requirements) == ("torch",)
    with pytest.raises(UsageError, match="uninstall it"):
        dependencies.install(requirements)
    assert not extension.asked


def test_without_torch_the_module_opens_and_reviews(
    host, module, load, phantom_file, case_folder, monkeypatch
):
    """Segment then says how to get torch; reviewing needs none."""
    from CardiacUQWidgets import computer

    monkeypatch.setattr(computer, "has_torch", lambda: False)
    _without(monkeypatch, "torch", "safetensors", "PyTorchUtils")
    load(phantom_file)
    widget = host.open("CardiacUQ")
    assert "torch is not installed" in widget.ui.deviceLabel.text
    assert widget.runs.busy is False, "no probe without torch"
    _refused(host, widget, "extension PyTorch", "install")
    widget.load_case(case_folder)
    widget.review.press("N")
    assert "region 1 of" in widget.ui.cardLabel.text
