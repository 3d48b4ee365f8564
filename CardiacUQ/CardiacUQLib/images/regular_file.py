"""Opening foreign files: regular ones only, so that no named pipe or device can hold the program up."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from ..base.errors import InputError

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def open_regular(path: Path) -> BinaryIO:
    """The file, opened for reading bytes; raises InputError if it is missing, closed to us or no file."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(path, "there is no such file or folder", "check the path") from None
    except OSError as error:
        problem = f"the file cannot be opened ({error.strerror})"
        raise InputError(path, problem, "check its permissions") from None
    except ValueError:
        raise InputError(path, "this is no file name", "check the path") from None
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        raise InputError(path, f"this is {_KINDS.get(kind, 'no file')}", "give a regular file")
    return os.fdopen(descriptor, "rb")


def is_regular(path: Path) -> bool:
    """True for a regular file, or a link to one."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False
