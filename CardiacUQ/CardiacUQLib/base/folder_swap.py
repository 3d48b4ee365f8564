"""Folders that appear whole or not at all, one or several at once, and replace older ones without loss.

Every new one is made beside its place as ``.NAME.partial-PID-TOKEN``; an older one is moved aside as
``.NAME.replaced-PID-TOKEN``. What belongs together shares the token: as long as a partial of the token is
there, the swap is not over, and the next run into the place turns it back.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .case_lock import CaseLock, writing
from .claims import claim
from .errors import UsageError
from .leftovers import PARTIAL, REPLACED, aside, clear_replaced, recover, removed
from .safe_files import flush, flush_tree
from .writable import check_writable

__all__ = ["check_target", "claimed", "new_folder", "new_folders", "recover"]


@contextmanager
def new_folders(
    parent: Path, names: Sequence[str], *, files: Sequence[str] = (), overwrite: bool, marker: str
) -> Iterator[tuple[Path, ...]]:
    """Yield a temporary folder for every name and a path for every one of ``files``, in that order.

    All take their places together when the block ends well. ``marker`` is a file that every folder of this
    kind holds; a folder without it is never replaced. Raises UsageError for a bad name, an existing target,
    one that someone is writing to, or a place that cannot be written. Upon any exception, KeyboardInterrupt
    included, what was made goes and the targets are as before. An older folder with a review is kept as
    ``NAME.reviewed-1`` (or the next free number).
    """
    targets = [parent / name for name in (*names, *files)]
    token = secrets.token_hex(8)
    partials = [aside(target, PARTIAL, token) for target in targets]
    with claimed(parent, names, files=files, overwrite=overwrite, marker=marker):
        try:
            for partial in partials[: len(names)]:
                partial.mkdir()
            yield tuple(partials)
            for partial in partials:
                (flush_tree if partial.is_dir() else flush)(partial)
            _swap(partials, targets, token)
        except OSError as error:
            reason = error.strerror or str(error).partition(";")[0]  # its own advice is given below
            where = f"{targets[0]}: the folder could not be written ({reason})"
            raise UsageError(f"{where}; free some space or choose another folder") from error
        finally:
            for partial in partials:
                removed(partial)


@contextmanager
def new_folder(parent: Path, name: str, *, overwrite: bool, marker: str) -> Iterator[Path]:
    """:func:`new_folders` for a single one."""
    with new_folders(parent, [name], overwrite=overwrite, marker=marker) as (folder,):
        yield folder


@contextmanager
def claimed(
    parent: Path, names: Sequence[str], *, files: Sequence[str] = (), overwrite: bool, marker: str
) -> Iterator[None]:
    """Be the one run that makes these folders and files, from here to the end of the block; may be nested.

    Raises what :func:`check_target` raises, and ConflictError naming the other run. What killed runs left
    of these names is put back or cleared first.
    """
    _check(parent, names, files, overwrite, marker)
    made = not parent.exists()
    with contextlib.ExitStack() as held:
        if made:
            held.callback(_remove_empty, parent)
        try:
            parent.mkdir(parents=True, exist_ok=True)
            for name in sorted((*names, *files)):
                claim(parent, name, held)
            recover(parent, (*names, *files))
        except OSError as error:
            problem = f"{parent}: the folder could not be written ({error.strerror})"
            raise UsageError(f"{problem}; choose another folder") from error
        _check(parent, names, files, overwrite, marker)  # another run may just have ended
        yield


def _remove_empty(folder: Path) -> None:
    """Made in vain if nothing could be written."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def check_target(parent: Path, name: str, *, overwrite: bool, marker: str) -> None:
    """Raise the UsageError that :func:`new_folder` would raise, before any work is done for nothing."""
    target = parent / name
    if not name or name in (".", "..") or Path(name).name != name or "\\" in name or "\0" in name:
        raise UsageError(f"{name!r} is no folder name; give one without slashes")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UsageError(f"{target}: this is a file or a link; choose another name or folder")
    check_writable(parent, target)
    if not target.exists():
        return
    if not overwrite:
        raise UsageError(f"{target}: this case folder exists; use --overwrite or another output folder")
    if not (target / marker).is_file() and any(target.iterdir()):
        raise UsageError(f"{target}: this folder is no case folder and is not replaced; choose another name")
    with contextlib.suppress(OSError), writing(target, "a new segmentation"):
        pass  # raises ConflictError while a reader decides about this case


def _check(parent: Path, names: Sequence[str], files: Sequence[str], overwrite: bool, marker: str) -> None:
    for name in names:
        check_target(parent, name, overwrite=overwrite, marker=marker)
    for path in (parent / name for name in files):
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise UsageError(f"{path}: this is a folder or a link; choose another name or folder")
        if path.exists() and not overwrite:
            raise UsageError(f"{path}: this exists; use --overwrite or another --output")


def _swap(partials: Sequence[Path], targets: Sequence[Path], token: str) -> None:
    """Rename all partials to their targets; older targets come back if anything fails."""
    older = {target: aside(target, REPLACED, token) for target in targets if target.exists()}
    stood: list[Path] = []
    with contextlib.ExitStack() as locks:
        for target in older:
            if target.is_dir():
                _hold(target, locks)
        try:
            for target, old in older.items():
                target.rename(old)
            for partial, target in zip(partials, targets, strict=True):
                partial.rename(target)
                stood.append(target)
            flush(targets[0].parent)
        except BaseException:
            for target in stood:
                removed(target)
            for target, old in older.items():
                if old.exists():
                    old.rename(target)
            raise
    for target, old in older.items():
        clear_replaced(old, target)


def _hold(target: Path, locks: contextlib.ExitStack) -> None:
    """Keep readers from deciding about a case that is about to go; raises ConflictError if one does."""
    lock = CaseLock(target, "a new segmentation")
    with contextlib.suppress(OSError):
        lock.acquire()
        locks.callback(lock.release)
        if os.name == "nt":  # a folder with an open file in it cannot be renamed there
            lock.release()
