"""Signals that end a command: in good order while it works, not at all once its work is done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

_WATCHED = (signal.SIGINT, signal.SIGTERM)


def stop_on_signals() -> Callable[[], None]:
    """SIGINT and SIGTERM raise KeyboardInterrupt, once: the tidying up is not to be interrupted.

    Returns the way back to the handlers of before. Only the main thread may have any.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None

    def stop(number: int, frame: FrameType | None) -> None:
        ignore_signals()
        raise KeyboardInterrupt

    previous = [(name, signal.signal(name, stop)) for name in _WATCHED]

    def restore() -> None:
        for name, handler in previous:
            signal.signal(name, handler)

    return restore


def ignore_signals() -> None:
    """From here on the work is done: a signal that comes now changes nothing."""
    if threading.current_thread() is threading.main_thread():
        for name in _WATCHED:
            signal.signal(name, signal.SIG_IGN)
