"""The claim of a run on a name in an output folder: ``.NAME.claim``, locked as long as the run lives."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from .case_lock import FileLock
from .errors import ConflictError

_CLAIM = re.compile(r"\.(?P<name>.+)\.claim")


def claim(parent: Path, name: str, held: contextlib.ExitStack) -> bool:
    """Hold the name until ``held`` closes; False on a file system that knows no locks.

    Raises ConflictError naming the run that holds it.
    """
    lock = FileLock(parent / f".{name}.claim", "another run", parent / name)
    try:
        lock.acquire()
    except ConflictError:
        raise
    except OSError:
        return False
    held.callback(lock.release)
    return True


def clear_claims(parent: Path) -> None:
    """Remove the files of claims that nobody holds any more."""
    for path in sorted(parent.iterdir()):
        if (found := _CLAIM.fullmatch(path.name)) is not None:
            with contextlib.suppress(ConflictError), contextlib.ExitStack() as held:
                claim(parent, found["name"], held)
