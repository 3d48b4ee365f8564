"""Files of our own in folders that others may have prepared: never through a link, whole or not at all.

A file counts once it is on the disk: it is written beside its place under a name that nobody can guess,
flushed, renamed, and the rename flushed too. After a crash or a power cut the old or the new one is there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_FLUSHERS = 8
"""Files flushed at a time: the disk writes them in one go."""


def open_own(path: Path, flags: int) -> int:
    """``os.open`` for a state file of ours; raises OSError for a link, a pipe or a device in its place."""
    handle = os.open(path, flags | _NOFOLLOW, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "this is no regular file", str(path))
    return handle


def own_folder(path: Path) -> Path:
    """Make a folder of ours if it is not there; raises OSError for a link or a file in its place."""
    path.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        raise OSError(errno.ELOOP, "this is a link, not a folder", str(path))
    return path


def unused_name(path: Path, kind: str) -> Path:
    """A hidden name beside ``path`` that nobody can guess: ``.NAME.KIND-PID-RANDOM``."""
    return path.with_name(f".{path.name}.{kind}-{os.getpid()}-{secrets.token_hex(8)}")


@contextlib.contextmanager
def replacing(path: str | Path, *, suffix: str = "") -> Iterator[Path]:
    """Yield an empty file beside ``path`` that takes its place, flushed, when the block ends well.

    ``suffix`` ends its name, for writers that go by it. A link at ``path`` is replaced, its target is left
    alone. Raises OSError; ``path`` is then as before.
    """
    path = Path(path)
    beside = unused_name(path, "partial")
    beside = beside.with_name(beside.name + suffix)
    os.close(open_own(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    try:
        yield beside
        flush(beside)
        beside.replace(path)
        flush(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def write_whole(path: str | Path, content: str | bytes) -> Path:
    """Write a file whole or not at all, and onto the disk; returns the path. Raises OSError.

    Of a text, bytes of file names that are no text become "?".
    """
    with replacing(path) as beside:
        beside.write_bytes(content.encode("utf-8", "replace") if isinstance(content, str) else content)
    return Path(path)


def flush(path: Path) -> None:
    """Bring a file, or the names in a folder, onto the disk; raises OSError if the disk reports an error."""
    if os.name == "nt" and path.is_dir():  # Windows keeps its folders by itself
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EROFS):  # a place that cannot flush
            raise
    finally:
        os.close(handle)


def flush_tree(folder: Path) -> None:
    """:func:`flush` for everything in a folder and for the folder itself."""
    found = sorted(folder.rglob("*"))
    with ThreadPoolExecutor(_FLUSHERS) as pool:
        list(pool.map(flush, [path for path in found if path.is_file()]))
    for place in (*(path for path in found if path.is_dir()), folder):
        flush(place)
