"""Every failure a user can meet, each with the exit code of the command line.

An error is one line: which file, what is wrong with it, what would be right.
"""

from __future__ import annotations

import enum
from pathlib import Path


class ExitCode(enum.IntEnum):
    """Process exit codes of ``cardiacuq`` and of the child process inside Slicer."""

    DONE = 0
    USAGE = 2
    INPUT = 3
    MODEL = 4
    MEMORY = 5
    PARTIAL = 6
    EXPORT = 7
    CANCELLED = 130


class CardiacUQError(Exception):
    """Base of all expected failures; ``str(error)`` is the one line shown to the user."""

    exit_code = ExitCode.USAGE


class UsageError(CardiacUQError):
    """The options contradict each other or name something that does not exist."""

    exit_code = ExitCode.USAGE


class ConflictError(UsageError):
    """Someone else is writing to the same case, or has changed it since it was read."""


class InputError(CardiacUQError):
    """An image or label file cannot be used."""

    exit_code = ExitCode.INPUT

    def __init__(self, path: Path | str, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}; {remedy}")
        self.path = Path(path)
        self.problem = problem
        self.remedy = remedy


class NoHeartError(InputError):
    """Nothing like a heart was found in an image."""


class ModelError(CardiacUQError):
    """A model bundle is missing, damaged or of an unknown version."""

    exit_code = ExitCode.MODEL


class InsufficientMemoryError(CardiacUQError):
    """The machine has too little memory even for the smallest batch."""

    exit_code = ExitCode.MEMORY


class CancelledError(CardiacUQError):
    """The user cancelled; nothing was written."""

    exit_code = ExitCode.CANCELLED

    def __init__(self, message: str = "cancelled") -> None:
        super().__init__(message)
