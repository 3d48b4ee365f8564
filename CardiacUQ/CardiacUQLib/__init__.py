"""The core of CardiacUQ: arrays in, arrays out; never imports slicer, qt or vtk.

    from CardiacUQLib import read_volume, load_bundle, segment
    result = segment(read_volume("lge.nii.gz"), load_bundle("lge-cascade"))
    result.save("out/lge")

Importing the package loads nothing heavy: each name is fetched from its module when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .base.version import __version__

if TYPE_CHECKING:
    from .base import errors
    from .bundles.bundle import load_bundle
    from .images.reading import read_volume
    from .images.volume import Volume
    from .inference.result import Result
    from .studies.shown import segment

__all__ = ["Result", "Volume", "__version__", "errors", "load_bundle", "read_volume", "segment"]

_HOME = {
    "Result": "inference.result",
    "Volume": "images.volume",
    "load_bundle": "bundles.bundle",
    "read_volume": "images.reading",
    "segment": "studies.shown",
}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return importlib.import_module(".base.errors", __name__)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
