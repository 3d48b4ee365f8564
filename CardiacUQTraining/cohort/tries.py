"""How often a case was begun and not ended: the trace that a dying process leaves."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from CardiacUQLib.base.safe_files import open_own, own_folder

from .case import STATE_FOLDER

MOST_TRIES = 3
TRIES_FOLDER = "tries"


class Tries:
    """Counts the begun and not ended tries of one case in a file beside the case folders.

    The file is removed when a case ends, well or badly, so what remains are deaths of the process. It
    is read before anything is risked, by every engine and by the next run alike. A disk that is too
    full for one byte loses the count, nothing else.
    """

    def __init__(self, out: Path, name: str) -> None:
        self._path = out / STATE_FOLDER / TRIES_FOLDER / name

    def deaths(self) -> int:
        """How many tries did not end."""
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    def begin(self) -> None:
        """Count one try more."""
        with contextlib.suppress(OSError):
            own_folder(own_folder(self._path.parents[1]) / TRIES_FOLDER)
            with os.fdopen(open_own(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as stream:
                stream.write(b".")

    def end(self) -> None:
        """Forget the tries: the case has an outcome."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


class Places:
    """Room for a few cases in a process; one that may kill it gets the room for itself."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._taken = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def take(self, *, alone: bool) -> Iterator[None]:
        """Wait for a place, or for all of them if the case shall be ``alone``."""
        wanted = self._count if alone else 1
        with self._changed:
            self._changed.wait_for(lambda: self._taken + wanted <= self._count)
            self._taken += wanted
        try:
            yield
        finally:
            with self._changed:
                self._taken -= wanted
                self._changed.notify_all()
