"""What killed runs leave beside the folders they were making, and how it is put back or cleared."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from .case_lock import LOCK_FILE
from .claims import claim, clear_claims
from .errors import ConflictError
from .processes import process_lives

REVIEW_FILE = "review.json"
PARTIAL, REPLACED = "partial", "replaced"
_DEBRIS = re.compile(r"\.(?P<name>.+)\.(?P<kind>partial|replaced)-(?P<pid>\d+)(?:-(?P<token>[0-9a-f]{16}))?")
"""Without a token: left by a version that swapped one by one."""


def aside(target: Path, kind: str, token: str) -> Path:
    """The hidden name beside ``target`` of what is being made or was replaced."""
    return target.with_name(f".{target.name}.{kind}-{os.getpid()}-{token}")


def recover(parent: Path, names: Sequence[str] | None = None) -> int:
    """Put back or clear what killed runs left of ``names`` (default: all of ``parent``); how much it was.

    A swap that was not over is turned back whole. What a run that still lives is making stays.
    """
    found = [(path, match) for path in sorted(parent.iterdir()) if (match := _DEBRIS.fullmatch(path.name))]
    groups: dict[str, list[tuple[Path, re.Match[str]]]] = defaultdict(list)
    for path, match in found:
        groups[match["token"] or path.name].append((path, match))
    cleared = 0
    for group in groups.values():
        if names is None or any(match["name"] in names for _, match in group):
            cleared += _clear(parent, group)
    if names is None:
        clear_claims(parent)
    return cleared


def _clear(parent: Path, group: Sequence[tuple[Path, re.Match[str]]]) -> int:
    """Clear what shares a token, unless its run still lives."""
    with contextlib.ExitStack() as held:
        try:
            locked = [claim(parent, match["name"], held) for _, match in group]
        except ConflictError:
            return 0
        if not all(locked) and any(process_lives(int(match["pid"])) for _, match in group):
            return 0
        unfinished = any(match["kind"] == PARTIAL for _, match in group)
        for path, match in group:
            target = parent / match["name"]
            if match["kind"] == REPLACED:
                if unfinished:
                    removed(target)  # the new one of a group that is not complete
                if target.exists():
                    clear_replaced(path, target)
                else:
                    _unlock(path)
                    path.rename(target)
        for path, match in group:  # last: as long as one is there the swap is not over
            if match["kind"] == PARTIAL:
                removed(path)
    return len(group)


def clear_replaced(old: Path, target: Path) -> None:
    """Remove what was replaced, but keep what a reader has decided about beside the new one."""
    if (old / REVIEW_FILE).is_file():
        _unlock(old)
        old.rename(_free_name(target))
    else:
        removed(old)


def _unlock(old: Path) -> None:
    """Its lock was that of the run that moved it aside."""
    with contextlib.suppress(OSError):
        (old / LOCK_FILE).unlink(missing_ok=True)


def removed(path: Path) -> None:
    """Remove a file, a link or a folder, as far as that is possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _free_name(target: Path) -> Path:
    number = 1
    while (free := target.with_name(f"{target.name}.reviewed-{number}")).exists():
        number += 1
    return free
