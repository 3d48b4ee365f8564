"""Run ``cardiacuq`` again and again in forked children, with limits, and say what became of each.

One process has everything loaded, so a run takes a fraction of a second; whatever a child does to itself
stays there.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from CardiacUQTraining.cli.app import main

LONGEST_S = 60
MOST_BYTES = 4 << 30
INTERNAL, SIGNALLED = 1, 128


@dataclass(frozen=True)
class Outcome:
    """``code`` is the exit code, or minus the signal that ended the process; times in s, memory in bytes."""

    code: int
    words: str
    complaints: str
    seconds: float
    peak_bytes: int

    def fault(self, allowed: Sequence[int]) -> str:
        """What a user should never see; empty if there is none. ``allowed`` are the exit codes that fit."""
        lines = [line for line in self.complaints.splitlines() if line.strip()]
        if self.code < 0:
            return f"died by signal {-self.code}"
        if self.seconds > LONGEST_S:
            return f"took {self.seconds:.0f} s"
        if self.peak_bytes > MOST_BYTES:
            return f"took {self.peak_bytes / 2**30:.1f} GB"
        if self.code == INTERNAL or "internal error" in self.complaints:
            return f"internal error: {self.complaints.strip()[-300:]}"
        if "Traceback" in self.complaints + self.words:
            return "a traceback"
        if self.code not in allowed:
            return f"exit {self.code}, allowed are {sorted(allowed)}: {self.complaints.strip()[-300:]}"
        if self.code and not any(line.startswith(("cardiacuq: ", "Usage:", "Error")) for line in lines):
            return f"exit {self.code} without a word"
        return ""


def run(arguments: Sequence[str | Path], folder: Path) -> Outcome:
    """Run ``cardiacuq`` with these arguments in a child; ``folder`` takes what it prints."""
    files = [folder / name for name in ("stdout.txt", "stderr.txt")]
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _become([str(argument) for argument in arguments], files)
    deadline = start + 2 * LONGEST_S
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)
    words, complaints = (path.read_text("utf-8", errors="replace") for path in files)
    code = os.waitstatus_to_exitcode(status)
    return Outcome(code, words, complaints, time.monotonic() - start, usage.ru_maxrss * 1024)


def _become(arguments: list[str], files: Sequence[Path]) -> None:
    """The child: limits, its own standard streams, the command, the end."""
    code = INTERNAL
    try:
        for number, path in enumerate(files, 1):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(handle, number)
        sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        here = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (here + MOST_BYTES, here + MOST_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_S, LONGEST_S))
        code = main(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
