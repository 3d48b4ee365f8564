"""``--quiet`` and ``--verbose`` for every subcommand that has none of its own."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from CardiacUQLib.base.duration import duration
from CardiacUQLib.base.version import __version__

QUIET, VERBOSE = "quiet", "verbose"
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print failures only.")]
_Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Also tell program, time and, of a failure, where it arose.")
]


def with_loudness(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with the two options, as far as it lacks them."""
    told = inspect.signature(command, eval_str=True)
    missing = {
        name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in ((QUIET, _Quiet), (VERBOSE, _Verbose))
        if name not in told.parameters
    }

    @functools.wraps(command)
    def run(*args: object, **kwargs: object) -> None:
        quiet = bool(kwargs.pop(QUIET)) if QUIET in missing and QUIET in kwargs else False
        verbose = bool(kwargs.pop(VERBOSE, False) if VERBOSE in missing else kwargs.get(VERBOSE, False))
        with _silence(quiet), _told(verbose):
            command(*args, **kwargs)

    run.__signature__ = told.replace(parameters=[*told.parameters.values(), *missing.values()])  # type: ignore[attr-defined]
    run.__annotations__ = {
        **command.__annotations__,
        **{name: one.annotation for name, one in missing.items()},
    }
    return run


@contextlib.contextmanager
def _silence(quiet: bool) -> Iterator[None]:
    if not quiet:
        yield
        return
    with contextlib.redirect_stdout(io.StringIO()):
        yield


@contextlib.contextmanager
def _told(verbose: bool) -> Iterator[None]:
    """Program and time on standard error, and the traceback of what goes wrong."""
    if not verbose:
        yield
        return
    began = time.monotonic()
    _say(f"cardiacuq {__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}")
    try:
        yield
    except typer.Exit:
        raise
    except Exception:
        traceback.print_exc(file=sys.stderr)
        raise
    finally:
        _say(f"took {duration(time.monotonic() - began)}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
