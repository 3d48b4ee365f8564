"""Stand-ins for the CTK and MRML widgets that the module's .ui file names.

Each declares the Qt properties, signals and invokable methods that the module may use; the dialect
of :mod:`host.pythonqt` hides everything else. They look plain but draw, so that pictures can be taken.
"""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from . import pythonqt
from .segment_editor import qMRMLSegmentEditorWidget
from .stored_property import stored

Property, Signal = QtCore.Property, QtCore.Signal


class ctkCollapsibleButton(QtWidgets.QWidget):
    """A section with a title bar; collapsing hides its children."""

    contentsCollapsed = Signal(bool)
    _BAR = 26

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setContentsMargins(0, self._BAR, 0, 2)

    def _read_collapsed(self) -> bool:
        return self.__dict__.get("_collapsed", False)

    def _write_collapsed(self, value: bool) -> None:
        if value == self._read_collapsed():
            return
        self.__dict__["_collapsed"] = value
        direct = QtCore.Qt.FindChildOption.FindDirectChildrenOnly
        children = self.findChildren(QtWidgets.QWidget, options=direct)
        if value:  # what was hidden on purpose stays hidden, as in CTK
            self.__dict__["_hidden"] = [child for child in children if child.isHidden()]
        for child in children:
            child.setVisible(not value and child not in self.__dict__.get("_hidden", []))
        self.setMaximumHeight(self._BAR + 2 if value else 16777215)
        self.contentsCollapsed.emit(value)

    collapsed = Property(bool, _read_collapsed, _write_collapsed)
    text = stored(str, "text", "")

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        child = event.child()
        if self._read_collapsed() and event.polished() and isinstance(child, QtWidgets.QWidget):
            child.setVisible(False)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        bar = QtCore.QRect(0, 0, QtWidgets.QWidget.width(self), self._BAR - 4)
        painter.fillRect(bar, QtWidgets.QWidget.palette(self).button())
        sign = "▸" if self._read_collapsed() else "▾"
        title = self.__dict__.get("_p_text", "")
        painter.drawText(bar.adjusted(8, 0, 0, 0), QtCore.Qt.AlignmentFlag.AlignVCenter, f"{sign}  {title}")
        painter.end()


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider with a number beside it."""

    valueChanged = Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.__dict__.update(_minimum=0.0, _maximum=99.0, _value=0.0, _decimals=2)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        slider.setRange(0, 1000)
        number = QtWidgets.QLabel("0.00")
        number.setMinimumWidth(42)
        layout.addWidget(slider, 1)
        layout.addWidget(number)
        slider.sliderMoved.connect(
            lambda at: self._write(self._low() + at / 1000 * (self._high() - self._low()))
        )
        self.__dict__.update(_slider=slider, _number=number)

    def _low(self) -> float:
        return self.__dict__["_minimum"]

    def _high(self) -> float:
        return self.__dict__["_maximum"]

    def _write(self, value: float) -> None:
        value = min(max(float(value), self._low()), self._high())
        changed = value != self.__dict__["_value"]
        self.__dict__["_value"] = value
        self._draw()
        if changed:
            self.valueChanged.emit(value)

    def _draw(self) -> None:
        span = (self._high() - self._low()) or 1.0
        self.__dict__["_slider"].setValue(round((self.__dict__["_value"] - self._low()) / span * 1000))
        self.__dict__["_number"].setText(f"{self.__dict__['_value']:.{self.__dict__['_decimals']}f}")

    def _set_limit(self, key: str, limit: float) -> None:
        self.__dict__[key] = float(limit)
        self._write(self.__dict__["_value"])

    def _set_decimals(self, count: int) -> None:
        self.__dict__["_decimals"] = int(count)
        self._draw()

    value = Property(float, lambda self: self.__dict__["_value"], _write)
    minimum = Property(float, _low, lambda self, limit: self._set_limit("_minimum", limit))
    maximum = Property(float, _high, lambda self, limit: self._set_limit("_maximum", limit))
    decimals = Property(int, lambda self: self.__dict__["_decimals"], _set_decimals)
    singleStep = stored(float, "singleStep", 1.0)
    pageStep = stored(float, "pageStep", 10.0)
    suffix = stored(str, "suffix", "")

    def setValue(self, value: float) -> None:
        self._write(value)


class ctkPathLineEdit(QtWidgets.QWidget):
    """A path with a browse button that does nothing here."""

    Dirs = 0x001
    currentPathChanged = Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        edit = QtWidgets.QLineEdit()
        layout.addWidget(edit, 1)
        layout.addWidget(QtWidgets.QToolButton(text="…"))
        edit.textChanged.connect(lambda path: self.currentPathChanged.emit(path))
        self.__dict__["_edit"] = edit

    currentPath = Property(
        str, lambda self: self.__dict__["_edit"].text(), lambda self, p: self.__dict__["_edit"].setText(p)
    )
    filters = stored(int, "filters", 0)


class qMRMLWidget(QtWidgets.QWidget):
    """The root of a .ui file: hands the scene to every MRML widget below it."""

    mrmlSceneChanged = Signal(object)

    def setMRMLScene(self, scene: Any) -> None:
        self.__dict__["_scene"] = scene
        for child in self.findChildren(QtWidgets.QWidget):
            if hasattr(type(child), "setMRMLScene"):
                child.setMRMLScene(scene)
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        return self.__dict__.get("_scene")


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The application's frame around a scripted module's widget."""

    isEntered = stored(bool, "isEntered", False)


class qMRMLSortFilterProxyModel(QtCore.QObject):
    """What filters the nodes of a selector: here by a list of nodes to hide."""

    changed = Signal()

    def _write(self, identifiers: list[str]) -> None:
        self.__dict__["_hidden"] = list(identifiers)
        self.changed.emit()

    hiddenNodeIDs = Property("QStringList", lambda self: self.__dict__.get("_hidden", []), _write)


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Chooses a node of the scene by class."""

    currentNodeChanged = Signal(object)
    nodeTypes = stored("QStringList", "nodeTypes", [])
    noneEnabled = stored(bool, "noneEnabled", False)
    addEnabled = stored(bool, "addEnabled", True)
    removeEnabled = stored(bool, "removeEnabled", True)
    renameEnabled = stored(bool, "renameEnabled", False)
    showHidden = stored(bool, "showHidden", False)
    showChildNodeTypes = stored(bool, "showChildNodeTypes", True)
    selectNodeUponCreation = stored(bool, "selectNodeUponCreation", True)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        combo = QtWidgets.QComboBox()
        layout.addWidget(combo)
        combo.activated.connect(lambda index: self.setCurrentNode(self._nodes()[index]))
        proxy = pythonqt.adapt(qMRMLSortFilterProxyModel)(self)
        proxy.__dict__["_hidden"] = []
        self.__dict__.update(_combo=combo, _current=None, _scene=None, _tags=[], _proxy=proxy)
        QtCore.QObject.__getattribute__(proxy, "changed").connect(self._follow)

    def sortFilterProxyModel(self) -> qMRMLSortFilterProxyModel:
        return self.__dict__["_proxy"]

    def setMRMLScene(self, scene: Any) -> None:
        import slicer

        old = self.__dict__["_scene"]
        for tag in self.__dict__["_tags"] if old else ():
            old.RemoveObserver(tag)
        self.__dict__["_scene"] = scene
        events = (
            slicer.vtkMRMLScene.NodeAddedEvent,
            slicer.vtkMRMLScene.NodeRemovedEvent,
            slicer.vtkMRMLScene.EndCloseEvent,
            slicer.vtkMRMLScene.EndImportEvent,
        )
        self.__dict__["_tags"] = [scene.AddObserver(e, lambda *_: self._follow()) for e in events if scene]
        self._follow()

    def currentNode(self) -> Any:
        return self.__dict__["_current"]

    def setCurrentNode(self, node: Any) -> None:
        if isinstance(node, str):
            node = self.__dict__["_scene"].GetNodeByID(node)
        if node is not self.__dict__["_current"]:
            self.__dict__["_current"] = node
            self._draw()
            self.currentNodeChanged.emit(node)

    def _identifier(self) -> str:
        return self.__dict__["_current"].GetID() if self.__dict__["_current"] else ""

    currentNodeID = Property(str, _identifier, setCurrentNode)

    def _nodes(self) -> list[Any]:
        scene = self.__dict__["_scene"]
        nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes() if scene else 0)]
        children = QtCore.QObject.property(self, "showChildNodeTypes")
        types = QtCore.QObject.property(self, "nodeTypes") or []
        return [
            node
            for node in nodes
            if not node.GetHideFromEditors()
            and node.GetID() not in self.__dict__["_proxy"].__dict__["_hidden"]
            and any(node.IsA(t) if children else node.GetClassName() == t for t in types)
        ]

    def _follow(self) -> None:
        """Drop a node that left the scene; take the first where none is not allowed."""
        nodes = self._nodes()
        if self.__dict__["_current"] not in nodes:
            none_allowed = QtCore.QObject.property(self, "noneEnabled")
            self.setCurrentNode(None if none_allowed or not nodes else nodes[0])
        self._draw()

    def _draw(self) -> None:
        combo, nodes = self.__dict__["_combo"], self._nodes()
        combo.clear()
        combo.addItems([node.GetName() for node in nodes])
        current = self.__dict__["_current"]
        combo.setCurrentIndex(nodes.index(current) if current in nodes else -1)


class qMRMLTableView(QtWidgets.QTableWidget):
    """Shows a table node."""

    def setMRMLScene(self, scene: Any) -> None:
        self.__dict__["_scene"] = scene

    def setMRMLTableNode(self, node: Any) -> None:
        self.__dict__["_node"] = node
        rows, columns = (node.GetNumberOfRows(), node.GetNumberOfColumns()) if node else (0, 0)
        self.setRowCount(rows)
        self.setColumnCount(columns)
        self.setHorizontalHeaderLabels([node.GetColumnName(c) for c in range(columns)])
        for row in range(rows):
            for column in range(columns):
                self.setItem(row, column, QtWidgets.QTableWidgetItem(node.GetCellText(row, column)))

    def mrmlTableNode(self) -> Any:
        return self.__dict__.get("_node")


_NODE_SIGNAL = {"currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged"}
_SCENE = frozenset({"setMRMLScene"})
_SELECTOR = _SCENE | {"currentNode", "setCurrentNode", "sortFilterProxyModel"}
_EDITOR = frozenset(name for name in vars(qMRMLSegmentEditorWidget) if not name.startswith("_"))


def make_widgets() -> dict[str, type]:
    """Every stand-in by name, in PythonQt's dialect and known to the .ui loader."""
    adapted = [
        pythonqt.adapt(ctkCollapsibleButton),
        pythonqt.adapt(ctkSliderWidget, frozenset({"setValue"}), {"valueChanged(double)": "valueChanged"}),
        pythonqt.adapt(ctkPathLineEdit),
        pythonqt.adapt(qMRMLWidget, _SCENE | {"mrmlScene"}),
        pythonqt.adapt(qSlicerScriptedLoadableModuleWidget, _SCENE | {"mrmlScene"}),
        pythonqt.adapt(
            qMRMLNodeComboBox,
            _SCENE | {"currentNode", "setCurrentNode", "sortFilterProxyModel"},
            _NODE_SIGNAL,
        ),
        pythonqt.adapt(qMRMLTableView, _SCENE | {"setMRMLTableNode", "mrmlTableNode"}),
        pythonqt.adapt(qMRMLSegmentEditorWidget, _EDITOR),
    ]
    for cls in adapted:
        pythonqt.register_ui_class(cls)
    return {cls.__name__: cls for cls in adapted}
