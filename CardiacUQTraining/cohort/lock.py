"""One run per output folder: a lock file that says who holds it and that a dead run cannot keep."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from CardiacUQLib.base.errors import InputError, UsageError
from CardiacUQLib.base.json_file import read_object
from CardiacUQLib.base.processes import process_lives
from CardiacUQLib.base.safe_files import open_own, own_folder, unused_name, write_whole

from .case import STATE_FOLDER

LOCK_FILE = "lock"
HEARTBEAT_S = 20.0
STALE_S = 300.0
"""A lock of another machine that was not touched for this long counts as left behind."""


@contextlib.contextmanager
def locked(out: Path) -> Iterator[bool]:
    """Hold the folder ``out`` (made if absent); yields True if a lock of a dead run was taken over.

    The lock file names process, machine and start. It is stale if its process is gone from this machine
    or, for another machine, if its heartbeat has stopped. Raises UsageError, one line, if another run
    holds the folder or if it cannot be written.
    """
    state = out / STATE_FOLDER
    path = state / LOCK_FILE
    try:
        with _guard(state):
            taken_over = _take(path)
    except OSError as error:
        raise UsageError(
            f"{out}: the output folder cannot be written ({error.strerror}); choose another --output"
        ) from error
    stop = threading.Event()
    pulse = threading.Thread(target=_beat, args=(path, stop), name="lock heartbeat", daemon=True)
    pulse.start()
    try:
        yield taken_over
    finally:
        stop.set()
        pulse.join()
        with contextlib.suppress(OSError), _guard(state):
            path.unlink(missing_ok=True)
            _tidy(state)


def _tidy(state: Path) -> None:
    """Remove the folder of lock and tries unless it holds what a person or the next run wants to see."""
    if not any(path.is_file() and path.parent != state for path in state.rglob("*")):
        shutil.rmtree(state, ignore_errors=True)


def _take(path: Path) -> bool:
    """Write our lock; True if a stale one stood there. Raises UsageError if a live one does."""
    stale = False
    if path.exists():
        holder = _read(path)
        if _alive(path, holder):
            raise UsageError(
                f"{path.parents[1]}: another run (process {holder.get('pid', '?')} on "
                f"{holder.get('host', '?')}, started {holder.get('started', '?')}) works in this folder; "
                f"wait for its end or choose another --output (if it is gone, delete {path})"
            )
        path.unlink(missing_ok=True)
        stale = True
    mine = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "born": _birth(os.getpid()),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_whole(path, json.dumps(mine))
    return stale


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return read_object(path, "delete it if its run is gone")
    except InputError:
        return {}


def _alive(path: Path, holder: Mapping[str, Any]) -> bool:
    pid = holder.get("pid")
    if holder.get("host") != socket.gethostname() or not isinstance(pid, int):
        return _seconds_since_beat(path) < STALE_S
    return process_lives(pid) and holder.get("born") in ("", _birth(pid))


def _birth(pid: int) -> str:
    """Start of a process in clock ticks, which tells reused numbers apart; "" if unknown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _seconds_since_beat(path: Path) -> float:
    """Age of the heartbeat by the clock of the file system, which all machines share."""
    now = unused_name(path, "clock")
    try:
        os.close(open_own(now, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        return now.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return STALE_S
    finally:
        now.unlink(missing_ok=True)


def _beat(path: Path, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_S):
        with contextlib.suppress(OSError):
            os.utime(path)


@contextlib.contextmanager
def _guard(state: Path) -> Iterator[None]:
    """Let only one process of this machine at a time look at the lock, write it or tidy up."""
    try:
        import fcntl
    except ImportError:  # Windows: two runs would have to start within the same millisecond
        own_folder(state)
        yield
        return
    with contextlib.ExitStack() as opened:
        while True:
            own_folder(state)
            path = state / "guard"
            try:
                stream = opened.enter_context(os.fdopen(open_own(path, os.O_WRONLY | os.O_CREAT), "w"))
                fcntl.flock(stream, fcntl.LOCK_EX)
                if path.stat().st_ino == os.fstat(stream.fileno()).st_ino:
                    break
            except FileNotFoundError:  # the run before has just tidied the folder away
                continue
        yield
