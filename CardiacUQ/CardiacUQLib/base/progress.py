"""Telling a caller how far a run is, and letting them stop it between two passes."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from .errors import CancelledError

ProgressCallback = Callable[[float, str], None]
"""Called with the finished share (0..1) and a short comment."""


class CancelToken:
    """Shared between the one who may cancel and the loop that checks."""

    def __init__(self) -> None:
        self._event = Event()

    def cancel(self) -> None:
        """Ask the run to stop at its next check."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """True once :meth:`cancel` was called."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise :class:`CancelledError` if the run shall stop."""
        if self.cancelled:
            raise CancelledError


def portion(progress: ProgressCallback, start: float, end: float, prefix: str = "") -> ProgressCallback:
    """A callback whose 0..1 is ``start``..``end`` of ``progress``, its comments after ``prefix``."""
    return lambda share, comment: progress(start + share * (end - start), prefix + comment)


def ignore_progress(share: float, comment: str) -> None:
    """The callback of those who do not care."""


def print_filter_progress(share: float, comment: str) -> None:
    """Slicer's line protocol on standard output, flushed so that a reader sees it at once."""
    print(f"<filter-comment>{comment}</filter-comment>", flush=True)
    print(f"<filter-progress>{share:.3f}</filter-progress>", flush=True)
