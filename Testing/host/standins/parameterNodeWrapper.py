"""Stand-in for slicer.parameterNodeWrapper: typed parameters of a scripted module node, bound to widgets.

Covers bool, int, float, str, Enum (stored by name) and MRML nodes, and the same pairs of type and
widget as the original; like it, a slider needs a bounded number.
"""

from __future__ import annotations

import enum
import functools
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ctk
import qt
import slicer
import vtk

__all__ = ["WithinRange", "parameterNodeWrapper"]


@dataclass(frozen=True)
class WithinRange:
    """Annotation: the number must lie between the two, both included."""

    minimum: float
    maximum: float


class _Parameter:
    """One typed value of a scripted module node."""

    def __init__(self, name: str, annotated: Any, default: Any) -> None:
        self.name = name
        self.kind, *self.annotations = typing.get_args(annotated) or (annotated,)
        self.is_node = isinstance(self.kind, type) and issubclass(self.kind, slicer.vtkMRMLNode)
        self.default = default
        if default is None and not self.is_node:
            self.default = next(iter(self.kind)) if issubclass(self.kind, enum.Enum) else self.kind()

    @property
    def limits(self) -> WithinRange | None:
        return next((a for a in self.annotations if isinstance(a, WithinRange)), None)

    def read(self, node: Any) -> Any:
        if self.is_node:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        if not node.HasParameter(self.name):
            return self.default
        if issubclass(self.kind, enum.Enum):
            return self.kind[text]
        return text == "true" if self.kind is bool else self.kind(text)

    def write(self, node: Any, value: Any) -> None:
        if self.is_node:
            if value is not None and not isinstance(value, self.kind):
                raise TypeError(f"{self.name}: {value.GetClassName()} is no {self.kind.__name__}")
            node.SetNodeReferenceID(self.name, value.GetID() if value else None)
            return
        if not isinstance(value, (int, float) if self.kind is float else self.kind):
            raise TypeError(f"{self.name}: {value!r} is no {self.kind.__name__}")
        if self.limits and not self.limits.minimum <= value <= self.limits.maximum:
            raise ValueError(f"{self.name}: {value} is outside {self.limits}")
        if isinstance(value, enum.Enum):
            text = value.name
        else:
            text = str(value).lower() if self.kind is bool else str(value)
        node.SetParameter(self.name, text)


class _Connection:
    """Keeps one widget and one parameter equal."""

    def __init__(self, widget: Any, parameter: _Parameter) -> None:
        self.widget, self.parameter = widget, parameter
        self.signal, self.property = self._match()

    def _match(self) -> tuple[str, str]:
        kind, widget = self.parameter.kind, type(self.widget)
        if self.parameter.is_node and widget is slicer.qMRMLNodeComboBox:
            self.widget.nodeTypes = [kind.__name__]
            return "currentNodeChanged", ""
        if kind is bool and widget in (qt.QCheckBox, qt.QPushButton):
            return "toggled", "checked"
        if kind is str and widget is qt.QLineEdit:
            return "textChanged", "text"
        if isinstance(kind, type) and issubclass(kind, enum.Enum) and widget is qt.QComboBox:
            self.widget.clear()
            label = getattr(kind, "label", lambda member: member.name)
            self.widget.addItems([label(member) for member in kind])
            return "currentIndexChanged", "currentIndex"
        if kind in (float, int) and widget is ctk.ctkSliderWidget and self.parameter.limits:
            self.widget.minimum = self.parameter.limits.minimum
            self.widget.maximum = self.parameter.limits.maximum
            return "valueChanged", "value"
        raise RuntimeError(f"no connection between {self.parameter.name} ({kind}) and {widget.__name__}")

    def read(self) -> Any:
        if not self.property:
            return self.widget.currentNode()
        value = getattr(self.widget, self.property)
        return list(self.parameter.kind)[value] if self.property == "currentIndex" else value

    def write(self, value: Any) -> None:
        if not self.property:
            self.widget.setCurrentNode(value)
            return
        if self.property == "currentIndex":
            value = list(self.parameter.kind).index(value)
        if getattr(self.widget, self.property) != value:
            setattr(self.widget, self.property, value)

    def watch(self, changed: Callable[[], None]) -> None:
        self.changed = changed
        getattr(self.widget, self.signal).connect(self.changed)

    def release(self) -> None:
        getattr(self.widget, self.signal).disconnect(self.changed)


class _Wrapper:
    """Methods that the decorator adds to the described class."""

    def __init__(self, parameterNode: Any) -> None:
        self.parameterNode = parameterNode
        self._gui: dict[int, tuple[list[_Connection], int]] = {}
        self._busy = False
        for parameter in self.allParameters.values():
            if not parameter.is_node and not parameterNode.HasParameter(parameter.name):
                parameter.write(parameterNode, parameter.default)

    def connectGui(self, gui: Any) -> int:
        named = [w for w in vars(gui).values() if w.property("SlicerParameterName")]
        links = [_Connection(w, self.allParameters[w.property("SlicerParameterName")]) for w in named]
        for link in links:
            link.write(link.parameter.read(self.parameterNode))
            link.watch(functools.partial(self._from_widget, link))
        modified = vtk.vtkCommand.ModifiedEvent
        observer = self.parameterNode.AddObserver(modified, lambda *_: self._to_widgets(links))
        self._gui[observer] = (links, observer)
        return observer

    def disconnectGui(self, tag: int) -> None:
        links, observer = self._gui.pop(tag, ([], None))
        for link in links:
            link.release()
        if observer is not None:
            self.parameterNode.RemoveObserver(observer)

    def _from_widget(self, link: _Connection, *_: object) -> None:
        if not self._busy:
            link.parameter.write(self.parameterNode, link.read())

    def _to_widgets(self, links: list[_Connection]) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            for link in links:
                link.write(link.parameter.read(self.parameterNode))
        finally:
            self._busy = False

    def AddObserver(self, event: Any, callback: Any, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)


def parameterNodeWrapper(described: type) -> type:
    """Class decorator: every annotated member becomes a typed property kept in the parameter node."""
    parameters, body = {}, {}
    for name, annotated in typing.get_type_hints(described, include_extras=True).items():
        parameter = _Parameter(name, annotated, getattr(described, name, None))
        parameters[name] = parameter
        body[name] = property(
            lambda self, p=parameter: p.read(self.parameterNode),
            lambda self, value, p=parameter: p.write(self.parameterNode, value),
        )
    body |= {"allParameters": parameters, "__doc__": described.__doc__, "__module__": described.__module__}
    return type(described.__name__, (_Wrapper,), body)
