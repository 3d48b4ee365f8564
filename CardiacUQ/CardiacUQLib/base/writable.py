"""Is there a place for the results? Asked before the work, not after it."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import UsageError


def check_writable(folder: Path, target: Path | None = None) -> None:
    """Raise UsageError unless ``folder`` is one, or can be made, and can be written to.

    ``target`` is what the message names, the folder itself if it is not given.
    """
    named = folder if target is None else target
    place = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not place.is_dir():
        raise UsageError(
            f"{named}: the folder could not be written ({place} is a file); choose another folder"
        )
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(
            f"{named}: the folder could not be written ({place} is write-protected); choose another folder"
        )


def check_file_writable(path: Path) -> None:
    """Raise UsageError unless a file can be written, or replaced, at ``path``."""
    if path.is_dir():
        raise UsageError(f"{path}: this is a folder; give the name of a file")
    check_writable(path.absolute().parent, path)
