"""Loading torch without the collector walking through its parts again and again."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting_imports() -> Iterator[None]:
    """For the imports with which a program loads torch; where it is loaded already nothing happens.

    They make half a million objects that stay, and the collector would look at all of them whenever it runs:
    a twentieth of the time of a short command. It rests while they are made and leaves them alone from then
    on.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.collect()  # what is left alone shall hold no garbage
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
