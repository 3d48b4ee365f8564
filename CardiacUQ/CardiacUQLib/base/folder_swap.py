"""A folder that appears whole or not at all, and that replaces an older one without a gap for loss."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .case_lock import writing
from .errors import UsageError

REVIEW_FILE = "review.json"
_STALE_SECONDS = 3600.0


@contextmanager
def new_folder(parent: Path, name: str, *, overwrite: bool, marker: str) -> Iterator[Path]:
    """Yield a temporary sibling of ``parent/name`` that takes its place when the block ends well.

    ``marker`` is a file that every folder of this kind holds; a folder without it is never replaced.
    Raises UsageError for a bad name, an existing target, one that someone is writing to, or a place that
    cannot be written. Upon any exception, KeyboardInterrupt included, the temporary folder goes and the
    target is as before. An older folder with a review is kept as ``NAME.reviewed-1`` (or the next free
    number).
    """
    target = parent / name
    check_target(parent, name, overwrite=overwrite, marker=marker)
    partial = parent / f".{name}.partial-{os.getpid()}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(parent, name)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        yield partial
        _swap(partial, target)
    except OSError as error:
        reason = error.strerror or str(error).partition(";")[0]  # its own advice is given below
        raise UsageError(
            f"{target}: the folder could not be written ({reason}); free some space or choose another folder"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_target(parent: Path, name: str, *, overwrite: bool, marker: str) -> None:
    """Raise the UsageError that :func:`new_folder` would raise, before any work is done for nothing."""
    target = parent / name
    if not name or name in (".", "..") or Path(name).name != name or "\\" in name:
        raise UsageError(f"{name!r} is no folder name; give one without slashes")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UsageError(f"{target}: this is a file or a link; choose another name or folder")
    _check_place(parent, target)
    if not target.exists():
        return
    if not overwrite:
        raise UsageError(f"{target}: this case folder exists; use --overwrite or another output folder")
    if not (target / marker).is_file() and any(target.iterdir()):
        raise UsageError(f"{target}: this folder is no case folder and is not replaced; choose another name")
    _refuse_writer(target)


def _refuse_writer(target: Path) -> None:
    """Raise ConflictError while a reader decides about this case."""
    with contextlib.suppress(OSError), writing(target, "a new segmentation"):
        pass


def _check_place(parent: Path, target: Path) -> None:
    """The folder that is to hold the target, or the nearest one above that exists, can be written to."""
    place = next(folder for folder in (parent, *parent.absolute().parents) if folder.exists())
    if not place.is_dir():
        raise UsageError(
            f"{target}: the folder could not be written ({place} is a file); choose another folder"
        )
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(
            f"{target}: the folder could not be written ({place} is write-protected); choose another folder"
        )


def _swap(partial: Path, target: Path) -> None:
    """Rename ``partial`` to ``target``; an older target comes back if that fails."""
    if not target.exists():
        partial.rename(target)
        return
    old = target.with_name(f".{target.name}.replaced-{os.getpid()}")
    _refuse_writer(target)
    target.rename(old)
    try:
        partial.rename(target)
    except BaseException:
        old.rename(target)
        raise
    if (old / REVIEW_FILE).is_file():
        old.rename(_free_name(target))
    else:
        shutil.rmtree(old, ignore_errors=True)


def _free_name(target: Path) -> Path:
    number = 1
    while (free := target.with_name(f"{target.name}.reviewed-{number}")).exists():
        number += 1
    return free


def _remove_stale(parent: Path, name: str) -> None:
    """Temporary folders of this name that a killed process left behind an hour ago or longer."""
    for left in parent.iterdir():
        if left.name.startswith(f".{name}.partial-") and time.time() - left.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
