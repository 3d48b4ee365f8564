"""The core of CardiacUQ: arrays in, arrays out; never imports slicer, qt or vtk.

    from CardiacUQLib import read_volume, load_bundle, segment
    result = segment(read_volume("lge.nii.gz"), load_bundle("lge-cascade"))

Importing the package loads nothing heavy: each name is fetched from its module when first used.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from . import errors
    from .bundle import load_bundle
    from .reading import read_volume
    from .result import Result
    from .segment import segment
    from .volume import Volume

__all__ = ["Result", "Volume", "__version__", "errors", "load_bundle", "read_volume", "segment"]

_HOME = {
    "Result": "result",
    "Volume": "volume",
    "load_bundle": "bundle",
    "read_volume": "reading",
    "segment": "segment",
}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return importlib.import_module(".errors", __name__)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Lets ``CardiacUQLib.segment`` be the function although its module has the same name.

    The import system stores a freshly imported submodule as an attribute of its package, which would
    hide the function from everyone after the first; the module stays in ``sys.modules``.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "segment" and isinstance(value, ModuleType):
            value = value.segment
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
