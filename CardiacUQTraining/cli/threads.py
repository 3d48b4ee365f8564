"""``--threads`` for every subcommand that runs networks and has no such option of its own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated

import typer

from CardiacUQLib.base.threads import use_threads

THREADS = "threads"
RUNS_NETWORKS = ("demo", "segment", "train", "calibrate", "evaluate")
"""Subcommands that compute with networks; a test holds the list to what they import."""

_Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0: as many as there are cores.")]


def with_threads(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with the option, unless it has it; what it says holds before torch loads."""
    told = inspect.signature(command, eval_str=True)
    if THREADS in told.parameters:
        return command

    @functools.wraps(command)
    def run(*args: object, threads: int = 0, **kwargs: object) -> None:
        use_threads(threads)
        command(*args, **kwargs)

    option = inspect.Parameter(THREADS, inspect.Parameter.KEYWORD_ONLY, default=0, annotation=_Threads)
    run.__signature__ = told.replace(parameters=[*told.parameters.values(), option])  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, THREADS: _Threads}
    return run
