"""A child process that a GUI can start, watch without ever waiting for it, and end with all its children.

Standard library only: no Qt, no threads visible to the caller. The owner calls :meth:`ChildProcess.poll`
from a timer; everything that takes time (reading the pipe, waiting for the exit) happens elsewhere.
"""

from __future__ import annotations

import contextlib
import enum
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .base.errors import ExitCode

GRACE_SECONDS = 1.0
"""How long a cancelled child may tidy up before it is killed."""

LOG_LINES = 400
"""Number of output lines kept for the log and for the report of a crash."""

WAIT = "--wait"
"""Argument with which our own child loads torch and waits for the arguments of a run."""

_PROGRESS = re.compile(r"<filter-progress>\s*([0-9.eE+-]+)\s*</filter-progress>")
_DEVICES = re.compile(r"<filter-devices>(.*?)</filter-devices>")
_COMMENT = re.compile(r"<filter-comment>(.*?)</filter-comment>")


class State(enum.StrEnum):
    """Where a run stands; the last three are final."""

    IDLE = "idle"
    RUNNING = "running"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """True if nothing will change any more."""
        return self in (State.COMPLETED, State.CANCELLED, State.FAILED)


@dataclass(frozen=True)
class Update:
    """What one poll brought: the state, the finished share (0..1), its comment and new log lines."""

    state: State
    share: float
    comment: str
    lines: tuple[str, ...]


class ChildProcess:
    """One run of one command.

    States: idle -> running -> completed | failed, and running -> cancelling -> cancelled. A child that
    finishes its work although it was asked to stop still counts as cancelled.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | str | None = None,
        listens: bool = False,
    ) -> None:
        """``listens``: the child reads a line from its standard input, see :meth:`tell`."""
        self.command = tuple(str(part) for part in command)
        self.state = State.IDLE
        self.share = 0.0
        self.comment = ""
        self.devices = ""
        self.exit_code: int | None = None
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self._environment = utf8_environment(os.environ if environment is None else environment)
        self._folder = folder
        self._listens = listens
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[str] | None = None
        self._kill_at = 0.0
        self._pipe_closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the child, None before the start."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Launch the command in a process group of its own.

        Raises OSError if the program cannot be started and RuntimeError on a second start.
        """
        if self.state is not State.IDLE:
            raise RuntimeError("this run was started before; make a new one")
        self._process = subprocess.Popen(
            self.command,
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.PIPE if self._listens else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            **_own_group(),
        )
        self.state = State.RUNNING
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()

    def tell(self, line: str) -> bool:
        """Give a listening child its one line; False if it is gone."""
        process = self._process
        if self.state is not State.RUNNING or process is None or process.poll() is not None:
            return False
        try:
            assert process.stdin is not None, "this child does not listen"
            process.stdin.write(line + "\n")
            process.stdin.close()
        except OSError:
            return False
        return True

    def poll(self) -> Update:
        """Take in what the child has said since the last call; never waits."""
        fresh = self._drain()
        if self.state is State.CANCELLING and time.monotonic() >= self._kill_at:
            self._signal_group(hard=True)
        self._notice_exit()
        return Update(self.state, self.share, self.comment, fresh)

    def cancel(self) -> None:
        """Ask the child and its children to stop; :meth:`poll` kills them after the grace time."""
        if self.state is State.RUNNING:
            self.state = State.CANCELLING
            self._kill_at = time.monotonic() + GRACE_SECONDS
            self._signal_group(hard=False)

    def stop(self, wait_seconds: float = 2.0) -> None:
        """End the child and its children now, for scene close and exit; waits until they are gone."""
        if self._process is None or self.state.final:
            return
        self.state = State.CANCELLING
        self._signal_group(hard=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(wait_seconds)
        self._pipe_closed = True
        self._notice_exit()

    def failure(self) -> str:
        """One line that says why the run failed, from the child's own last words where it has any."""
        said = [line for line in self.log if line.strip() and not line.startswith("<filter-")]
        code = self.exit_code
        if code is not None and (code < 0 or code in (128 + 9, 128 + 11)):
            number = -code if code < 0 else code - 128
            cause = f"the computing process was ended by signal {number} ({_signal_name(number)})"
            hint = "; most likely the memory was full, so close other programs" if number == 9 else ""
            return cause + hint
        if said:
            return said[-1]
        return f"the computing process ended with exit code {code} and said nothing"

    def last_lines(self, count: int = 12) -> str:
        """The last lines of the log without the progress protocol."""
        said = [line for line in self.log if not line.startswith("<filter-")]
        return "\n".join(said[-count:])

    def _read(self, process: subprocess.Popen[str]) -> None:
        """Reader thread: whole lines into the queue, None at the end."""
        assert process.stdout is not None
        with process.stdout as stream:
            for line in stream:
                self._lines.put(line.rstrip("\r\n"))
        self._lines.put(None)

    def _drain(self) -> tuple[str, ...]:
        fresh: list[str] = []
        while True:
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                return tuple(fresh)
            if line is None:
                self._pipe_closed = True
                continue
            self.log.append(line)
            if not self._progress(line):
                fresh.append(line)

    def _progress(self, line: str) -> bool:
        """Read one line of the progress protocol; False if it is ordinary output."""
        shares, comments = _PROGRESS.findall(line), _COMMENT.findall(line)
        devices = _DEVICES.findall(line)
        if devices:
            self.devices = devices[-1]
        if shares:
            with contextlib.suppress(ValueError):
                self.share = min(max(float(shares[-1]), 0.0), 1.0)
        if comments:
            self.comment = comments[-1]
        return bool(shares or comments or devices)

    def _notice_exit(self) -> None:
        """Leave the running states once the child is gone and its last line was read."""
        if self._process is None or self.state.final:
            return
        code = self._process.poll()
        if code is None or not self._pipe_closed:
            return
        self.exit_code = code
        if self.state is State.CANCELLING or code == ExitCode.CANCELLED:
            self.state = State.CANCELLED
        else:
            self.state = State.COMPLETED if code == ExitCode.DONE else State.FAILED

    def _signal_group(self, *, hard: bool) -> None:
        """Signal the whole process group: the child may be a launcher that started the real program."""
        assert self._process is not None
        if sys.platform == "win32":
            # A console-less process group cannot be asked politely on Windows.
            command = ["taskkill", "/F", "/T", "/PID", str(self._process.pid)]
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **_own_group())
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL if hard else signal.SIGTERM)


def utf8_environment(base: Mapping[str, str]) -> dict[str, str]:
    """A copy of ``base`` in which Python speaks UTF-8 and does not hold lines back."""
    return {**base, "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}


def _own_group() -> dict[str, Any]:
    """Popen options that give the child its own process group and no console window."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
