"""One writer per case folder: a review holds the lock while it decides, and the case stays in its place.

The system drops the lock when the process ends, however it ends. The file beside the results says in words
who holds it; a link in its place is refused.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from .errors import ConflictError
from .json_codec import decode
from .safe_files import open_own

LOCK_FILE = ".writer.lock"
_MOST_CHARACTERS = 10_000
_LOCKED_BYTE = 1 << 30
"""Far behind the text, which others must be able to read where locks are mandatory (Windows)."""


@dataclass(frozen=True)
class Holder:
    """Who writes to a case: process and machine, the name of the person or program, since when (UTC)."""

    pid: int
    host: str
    who: str
    since: str

    @property
    def is_this_process(self) -> bool:
        """True if it is us."""
        return (self.pid, self.host) == (os.getpid(), socket.gethostname())

    def in_words(self) -> str:
        """ "Jane (process 4711 on reading-room, since 2026-11-30T08:00:00+00:00)" """
        return f"{self.who} (process {self.pid} on {self.host}, since {self.since})"


class FileLock:
    """The right to write to ``subject``, by a file; kept until :meth:`release` or the process ends.

    Two locks of one process do not exclude each other: they are the same writer to everyone else.
    """

    def __init__(self, path: Path, who: str, subject: Path) -> None:
        self.path, self.who, self.subject = path, who, subject
        self._stream: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock or keep it; raises :class:`ConflictError` naming the holder, or OSError."""
        while self._stream is None or not _is_still(self.path, self._stream):
            self._close()
            stream = os.fdopen(open_own(self.path, os.O_RDWR | os.O_CREAT), "r+", encoding="utf-8")
            if _try_lock(stream):
                self._stream = stream
                continue
            stream.close()
            holder = _holder(self.path)
            if holder.is_this_process:
                return
            raise ConflictError(
                f"{self.subject}: {holder.in_words()} is writing to this case; wait until they leave it"
            )
        self._say_who()

    def release(self) -> None:
        """Give the lock back; nothing happens if it is not held."""
        if self._stream is None:
            return
        with contextlib.suppress(OSError):  # Windows keeps open files; what is left there does no harm
            if _is_still(self.path, self._stream):
                self.path.unlink()
        self._close()

    def _say_who(self) -> None:
        held = _holder(self.path)
        if self._stream is None or (held.is_this_process and held.who == self.who):
            return
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._stream.seek(0)
        self._stream.truncate(0)
        json.dump(asdict(Holder(os.getpid(), socket.gethostname(), self.who, now)), self._stream)
        self._stream.flush()

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class CaseLock(FileLock):
    """The right to write to one case folder."""

    def __init__(self, folder: Path, who: str) -> None:
        super().__init__(folder / LOCK_FILE, who, folder)


@contextlib.contextmanager
def writing(folder: Path, who: str) -> Iterator[None]:
    """Hold the lock of a case for the length of a block; raises as :meth:`CaseLock.acquire` does."""
    lock = CaseLock(folder, who)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def read_holder(folder: Path) -> Holder:
    """What the lock file of a case says; a holder called "someone" if it says nothing that can be read."""
    return _holder(folder / LOCK_FILE)


def _holder(path: Path) -> Holder:
    try:
        with os.fdopen(open_own(path, os.O_RDONLY), encoding="utf-8") as stream:
            return decode(json.loads(stream.read(_MOST_CHARACTERS)), Holder, "lock")
    except (OSError, ValueError, RecursionError):
        return Holder(0, "an unknown machine", "someone", "an unknown time")


def _try_lock(stream: IO[str]) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(stream.fileno(), _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_still(path: Path, stream: IO[str]) -> bool:
    """The file that is locked is the one that others would open."""
    try:
        return path.stat().st_ino == os.fstat(stream.fileno()).st_ino
    except FileNotFoundError:
        return False
