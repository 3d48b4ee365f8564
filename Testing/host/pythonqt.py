"""PySide6 classes that speak PythonQt's dialect, and refuse what PythonQt would refuse or quietly lose.

In Slicer's Python a Qt property is an attribute (``label.text``), a signal is named by its C++ signature
(``button.connect("clicked(bool)", f)``), and an attribute that is no property cannot be assigned. Plain
PySide6 accepts ``button.enabled = False`` and does nothing; here it works, and a misspelt name raises.
"""

from __future__ import annotations

import ctypes
import inspect
import logging
import sys
import types
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

errors: list[BaseException] = []
"""Exceptions that left a slot; PythonQt prints them and goes on, the tests want to see them."""

_kept: list[QtCore.QObject] = []
_VIRTUAL_GETTERS = frozenset({"sizeHint", "minimumSizeHint"})
_UI_CLASSES: dict[str, type] = {}


class DialectError(AttributeError):
    """The module under test used an object in a way that PythonQt does not know."""


class _Method:
    """A bound method that can only be called: testing its truth means the brackets were forgotten."""

    def __init__(self, function: Callable[..., Any], owner: QtCore.QObject, name: str) -> None:
        self._function, self._owner, self._name = function, owner, name

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._function(*arguments, **options)

    def _misread(self, *_: object) -> Any:
        raise DialectError(f"{type(self._owner).__name__}.{self._name} is a method: call it with ()")

    __bool__ = __eq__ = __lt__ = __gt__ = __str__ = __format__ = __int__ = __float__ = __iter__ = _misread
    __hash__ = object.__hash__


class _Signal:
    """``object.signal`` with connect, disconnect and emit; slots get as many arguments as they take."""

    def __init__(self, owner: QtCore.QObject, name: str, signal: QtCore.SignalInstance) -> None:
        self._owner, self._name, self._signal = owner, name, signal

    def connect(self, function: Callable[..., Any]) -> None:
        signal = _overload(self._signal, ["bool"] if self._name in ("clicked", "triggered") else [])
        _link(self._owner, self._name, (function,), signal, 99, function)

    def disconnect(self, function: Callable[..., Any] | None = None) -> None:
        if not _unlink(self._owner, self._name, (function,) if function else ()):
            raise DialectError(f"{type(self._owner).__name__}.{self._name}: {function} was not connected")

    def emit(self, *arguments: Any) -> None:
        self._signal.emit(*arguments)


def adapt(cls: type, invokable: frozenset[str] = frozenset(), signals: dict[str, str] | None = None) -> type:
    """A subclass of a QObject class in PythonQt's dialect.

    ``invokable`` names the Python methods of a stand-in that exist in C++ as slots or Q_INVOKABLE, and
    ``signals`` maps C++ signatures of a stand-in to its Python signals. Everything else of a stand-in
    is invisible to the module under test.
    """
    meta = cls.staticMetaObject
    properties = {}
    for index in range(meta.propertyCount()):
        if meta.property(index).name() not in _VIRTUAL_GETTERS:
            properties[meta.property(index).name()] = meta.property(index).isWritable()
    body = {
        "__module__": "qt",
        "__getattribute__": _get,
        "__setattr__": _set,
        "_properties": {**properties, "name": True},
        "_invokable": invokable,
        "_named_signals": signals or {},
        "_stand_in": not cls.__module__.startswith("PySide6"),
    }
    return type(cls.__name__, (cls,), body)


def _get(self: QtCore.QObject, name: str) -> Any:
    if name.startswith("_"):
        return object.__getattribute__(self, name)
    cls = type(self)
    if name in cls._properties:
        return QtCore.QObject.property(self, "objectName" if name == "name" else name)
    extra = _EXTRA.get(name)
    if extra is not None:
        return types.MethodType(extra, self)
    value = object.__getattribute__(self, name)
    if isinstance(value, QtCore.SignalInstance):
        return _Signal(self, name, value)
    if isinstance(value, types.MethodType):
        # Qt itself asks for overridden virtual methods by this way, so events must pass through.
        if name.lower().endswith("event") or name in _VIRTUAL_GETTERS:
            return value
        if cls._stand_in and name not in cls._invokable:
            raise DialectError(f"{cls.__name__}.{name}: not visible from Python in Slicer")
        return _Method(value, self, name)
    if isinstance(value, types.BuiltinMethodType):
        return value if name in _VIRTUAL_GETTERS else _Method(value, self, name)
    return value


def _set(self: QtCore.QObject, name: str, value: Any) -> None:
    if name.startswith("_"):
        self.__dict__[name] = value
        return
    writable = type(self)._properties.get(name)
    if writable is None and isinstance(value, QtCore.QObject) and QtCore.QObject.objectName(value) == name:
        self.__dict__[name] = value  # PySide6's .ui loader; PythonQt finds children by name too
        return
    if writable is None:
        raise DialectError(f"{type(self).__name__} has no property {name!r}")
    if not writable:
        raise DialectError(f"{type(self).__name__}.{name} is read-only")
    if isinstance(value, tuple):
        value = list(value)  # PythonQt takes any sequence for a list of strings
    if not QtCore.QObject.setProperty(self, "objectName" if name == "name" else name, value):
        raise DialectError(f"{type(self).__name__}.{name} does not take {value!r}")


def _connect(self: QtCore.QObject, signature: str, *target: Any) -> bool:
    if not target or len(target) > 2 or (len(target) == 1 and not callable(target[0])):
        raise DialectError(f"connect({signature!r}, ...) wants a callable, or an object and a slot")
    function = target[0] if len(target) == 1 else getattr(target[0], target[1].partition("(")[0])
    name = _signal_name(self, signature)
    kinds = [a.strip() for a in signature.partition("(")[2].rstrip(")").split(",") if a.strip()]
    signal = _overload(object.__getattribute__(self, name), kinds)
    _link(self, signature, target, signal, len(kinds), function)
    return True


def _overload(signal: QtCore.SignalInstance, kinds: list[str]) -> QtCore.SignalInstance:
    """The overload with these C++ argument types: PySide6 hands ``*arguments`` none of the optional ones."""
    types_ = {"bool": bool, "int": int, "double": float, "QString": str}
    if not kinds or not set(kinds) <= set(types_):
        return signal
    key = tuple(types_[kind] for kind in kinds)
    try:
        return signal[key if len(key) > 1 else key[0]]
    except (IndexError, KeyError, TypeError):
        return signal  # there is only one


def _disconnect(self: QtCore.QObject, signature: str | None = None, *target: Any) -> bool:
    return _unlink(self, signature, target)


def _signal_name(self: QtCore.QObject, signature: str) -> str:
    """Python name of the signal with this C++ signature; raises if the class has no such signal."""
    normal = bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()
    named = type(self)._named_signals
    if normal in named:
        return named[normal]
    if self.metaObject().indexOfSignal(normal) < 0:
        raise DialectError(f"{type(self).__name__} has no signal {signature}")
    return normal.partition("(")[0]


def _link(
    owner: QtCore.QObject,
    key: str,
    target: tuple[Any, ...],
    signal: QtCore.SignalInstance,
    count: int,
    function: Callable[..., Any],
) -> None:
    limit = min(count, _accepts(function))

    def slot(*arguments: Any) -> None:
        try:
            function(*arguments[:limit])
        except Exception:
            errors.append(sys.exc_info()[1])
            logging.exception("a slot failed")

    signal.connect(slot)
    owner.__dict__.setdefault("_links", []).append((key, target, signal, slot))


def _unlink(owner: QtCore.QObject, key: str | None, target: tuple[Any, ...]) -> bool:
    links = owner.__dict__.get("_links", [])
    hits = [link for link in links if key in (None, link[0]) and target in ((), link[1])]
    for link in hits:
        link[2].disconnect(link[3])
        links.remove(link)
    return bool(hits)


def _accepts(function: Callable[..., Any]) -> int:
    """Number of positional arguments a slot takes."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return 99
    if any(p.kind == p.VAR_POSITIONAL for p in parameters):
        return 99
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


_EXTRA = {
    "connect": _connect,
    "disconnect": _disconnect,
    "className": lambda self: type(self).__name__,
    "delete": lambda self: QtCore.QObject.deleteLater(self),
}

_ADAPTED = (
    QtWidgets.QWidget,
    QtWidgets.QLayout,
    QtWidgets.QButtonGroup,
    QtGui.QAction,
    QtGui.QShortcut,
    QtCore.QTimer,
)


def make_qt() -> types.ModuleType:
    """The flat module ``qt``: QtCore, QtGui and QtWidgets in one name space, adapted."""
    qt = types.ModuleType("qt")
    for source in (QtCore, QtGui, QtWidgets):
        for name in dir(source):
            if not name.startswith("_"):
                setattr(qt, name, _adapted(getattr(source, name)))
    for cls in (QtCore.QEventLoop, QtWidgets.QDialog, QtWidgets.QApplication, QtWidgets.QMenu):
        if not hasattr(cls, "exec_"):
            cls.exec_ = cls.exec

    class QUiLoader(QtUiTools.QUiLoader):
        """Builds the adapted classes; an unknown class in a .ui file is an error."""

        def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> Any:
            cls = _UI_CLASSES.get(class_name) or getattr(qt, class_name, None)
            if cls is None:
                raise DialectError(f"{class_name} in the .ui file: no such widget class in the host")
            widget = cls(parent) if parent is not None else cls()
            widget.setObjectName(name)
            _kept.append(widget)
            return widget

    qt.QUiLoader = QUiLoader
    return qt


def register_ui_class(cls: type) -> None:
    """Let .ui files name this stand-in."""
    _UI_CLASSES[cls.__name__] = cls


def _adapted(value: Any) -> Any:
    if inspect.isclass(value) and issubclass(value, _ADAPTED):
        return adapt(value)
    return value


_KNOWN_NOISE = ("propagateSizeHints", "mrmlSceneChanged(vtkMRMLScene*)", "(sender name:", "(receiver name:")
"""Said about being off-screen, and about the scene connections that the stand-ins make themselves."""


def hold_none() -> None:
    """Give None more references than any test can lose.

    PySide6 counts on None being immortal, as it is from Python 3.12 on: under 3.11 every call of a method
    without a result takes a reference away, and after some thousand of them the interpreter aborts.
    """
    if sys.version_info < (3, 12) and sys.getrefcount(None) < _MANY:
        ctypes.c_ssize_t.from_address(id(None)).value += _MANY


_MANY = 1 << 40


def quiet_qt() -> None:
    """Pass Qt's messages on, except those that are known and mean nothing here."""

    def handle(kind: QtCore.QtMsgType, context: QtCore.QMessageLogContext, text: str) -> None:
        if not any(noise in text for noise in _KNOWN_NOISE):
            print(text, file=sys.stderr)

    QtCore.qInstallMessageHandler(handle)


def release() -> None:
    """Let go of the widgets that .ui files made."""
    _kept.clear()
    errors.clear()
