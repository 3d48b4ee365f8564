"""A declared Qt property of a stand-in."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore

Property = QtCore.Property


def stored(kind: Any, name: str, default: Any, signal: str = "") -> Property:
    """A declared Qt property kept in the object, so that values of a .ui file arrive."""

    def read(self: QtCore.QObject) -> Any:
        return self.__dict__.get("_p_" + name, default)

    def write(self: QtCore.QObject, value: Any) -> None:
        if value != read(self):
            self.__dict__["_p_" + name] = value
            if signal:
                getattr(self, signal).emit(value)

    return Property(kind, read, write)
