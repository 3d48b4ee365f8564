"""The words of a command arrive: a stderr that nothing mutes, a stdout whose failure is noticed."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

_STDERR = 2


class Watched(io.TextIOBase):
    """A stream that goes on when it cannot be written any more, and remembers why.

    ``stream`` None stands for a standard output that was closed before the program began.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.problem = ""

    def write(self, text: str) -> int:
        """Write what can be written."""
        if self._stream is None:
            self.problem = self.problem or "it is closed"
        elif not self.problem:
            self._attempt(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        if self._stream is not None and not self.problem:
            self._attempt(self._stream.flush)

    def isatty(self) -> bool:
        """True on a terminal."""
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _attempt(self, action: Any, *arguments: str) -> None:
        try:
            action(*arguments)
        except (OSError, ValueError) as error:  # a full device, a reader that went, a closed file
            self.problem = getattr(error, "strerror", None) or str(error)


@contextlib.contextmanager
def lasting_streams() -> Iterator[Watched]:
    """Watch standard output, and give Python's standard error a descriptor of its own.

    The C++ libraries under SimpleITK print to descriptor 2, which is muted while they read a file, in any
    thread; what this program has to say does not go that way.
    """
    out, err = sys.stdout, sys.stderr
    watched = Watched(out)
    own = _own_stderr()
    sys.stdout = watched
    if own is not None:
        sys.stderr = own
    try:
        yield watched
        watched.flush()
    finally:
        sys.stdout, sys.stderr = out, err
        if own is not None:
            own.close()
        if watched.problem and out is not None:
            _silence(out)


def _own_stderr() -> TextIO | None:
    """A copy of standard error; None where it is no longer the process's own, as under a test."""
    try:
        if sys.stderr is None or sys.stderr.fileno() != _STDERR:
            return None
        return os.fdopen(
            os.dup(_STDERR), "w", buffering=1, encoding=sys.stderr.encoding, errors=sys.stderr.errors
        )
    except (OSError, ValueError):
        return None


def _silence(stream: TextIO) -> None:
    """What is left in the buffer must not raise again when the interpreter ends."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
