"""The host must refuse what PythonQt refuses or quietly loses, or the widget tests would prove nothing."""

from __future__ import annotations

import enum
import sys
from typing import Annotated

import pytest


@pytest.fixture
def qt(host):
    return host.qt


@pytest.fixture
def raises(host):
    from host.pythonqt import DialectError

    return lambda: pytest.raises(DialectError)


def test_properties_are_attributes(qt):
    button = qt.QPushButton("Go")
    assert button.text == "Go" and button.enabled is True
    button.enabled = False
    button.text = "Stop"
    assert not button.isEnabled() and button.text == "Stop"
    button.name = "goButton"
    assert button.objectName == "goButton"


def test_a_property_cannot_be_called(qt):
    with pytest.raises(TypeError):
        qt.QLabel("a").text()


def test_an_unknown_property_is_refused_instead_of_lost(qt, raises):
    with raises():
        qt.QPushButton().enabeld = False


def test_a_read_only_property_and_a_wrong_value_are_refused(qt, raises):
    with raises():
        qt.QComboBox().count = 3
    with raises():
        qt.QCheckBox().checked = object()


def test_a_method_read_as_an_attribute_is_refused(qt, raises):
    box = qt.QCheckBox()
    with raises():
        bool(box.isChecked)
    with raises():
        _ = box.isChecked == True  # noqa: E712
    assert box.isChecked() is False


def test_signals_are_named_by_their_signature(qt, raises):
    button, seen = qt.QPushButton(), []
    button.connect("clicked(bool)", lambda checked: seen.append(checked))
    button.click()
    assert seen == [False]
    with raises():
        button.connect("clicked(int)", seen.append)
    with raises():
        button.connect("pushed()", seen.append)
    with raises():
        button.connect("clicked(bool)")


def test_a_slot_gets_as_many_arguments_as_it_takes(qt):
    button, seen = qt.QPushButton(), []
    button.connect("clicked(bool)", lambda: seen.append("none"))
    button.clicked.connect(lambda: seen.append("none"))
    button.click()
    assert seen == ["none", "none"]


def test_disconnecting_what_was_never_connected_is_refused(qt, raises):
    button = qt.QPushButton()
    with raises():
        button.clicked.disconnect(print)


def test_hidden_parts_of_a_stand_in_are_not_visible(host, raises):
    import ctk
    import slicer

    selector = slicer.qMRMLNodeComboBox()
    assert selector.currentNode() is None
    with raises():
        bool(selector.currentNode)
    with raises():
        ctk.ctkPathLineEdit().mousePressedHere = 1
    with raises():
        ctk.ctkRangeWidget()


def test_an_exception_in_a_slot_is_kept_for_the_test(qt):
    from host import pythonqt

    button = qt.QPushButton()
    button.connect("clicked(bool)", lambda: 1 / 0)
    button.click()
    assert isinstance(pythonqt.errors.pop(), ZeroDivisionError)


class Mode(enum.Enum):
    SLOW = 1
    FAST = 2

    def label(self) -> str:
        return self.name.lower()


def test_the_parameter_node_binds_widgets_both_ways(host, qt):
    """The same for the stand-in and, with SLICER_SOURCE_DIR, for Slicer's own wrapper."""
    import ctk
    import slicer
    from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

    class Parameters:
        opacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
        shown: bool = True
        mode: Mode = Mode.FAST
        name: str = "a"

    Parameters.__annotations__ = {
        "opacity": Annotated[float, WithinRange(0.0, 1.0)],
        "shown": bool,
        "mode": Mode,
        "name": str,
    }
    wrapped = parameterNodeWrapper(Parameters)
    widgets = {
        "opacity": ctk.ctkSliderWidget(),
        "shown": qt.QCheckBox(),
        "mode": qt.QComboBox(),
        "name": qt.QLineEdit(),
    }
    gui = type("", (), {})()
    for name, widget in widgets.items():
        widget.setProperty("SlicerParameterName", name)
        setattr(gui, name, widget)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    parameters = wrapped(node)
    tag = parameters.connectGui(gui)
    assert (gui.opacity.value, gui.shown.checked, gui.mode.currentText, gui.name.text) == (
        0.5,
        True,
        "fast",
        "a",
    )
    parameters.opacity, parameters.mode = 0.25, Mode.SLOW
    assert (gui.opacity.value, gui.mode.currentText) == (0.25, "slow")
    gui.shown.click()
    gui.name.text = "b"
    gui.mode.currentIndex = 1
    assert (parameters.shown, parameters.name, parameters.mode) == (False, "b", Mode.FAST)
    with pytest.raises(ValueError):
        parameters.opacity = 2.0
    parameters.disconnectGui(tag)
    gui.name.text = "c"
    assert parameters.name == "b"
    assert wrapped(node).mode is Mode.FAST, "kept in the node"


def test_which_classes_are_under_test_is_said(host):
    """With SLICER_SOURCE_DIR these are Slicer's own files."""
    import slicer.ScriptedLoadableModule as base
    from host.application import slicer_source

    source = slicer_source()
    if source is None:
        assert "standins" in base.__file__
    else:
        assert base.__file__.startswith(str(source))


def test_calls_without_a_result_do_not_use_up_none(qt):
    """PySide6 takes a reference to None away with each; under Python 3.11 that ends in an abort."""
    timer = qt.QTimer()
    for _ in range(5000):
        timer.stop()
    assert sys.getrefcount(None) > 1 << 20
