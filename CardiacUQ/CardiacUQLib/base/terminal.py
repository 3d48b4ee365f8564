"""Texts on a terminal, or in a file, whose encoding lacks some of their characters."""

from __future__ import annotations

import contextlib
import io
import sys


def show_what_the_terminal_can() -> None:
    """Let standard output and error show "?" for what they cannot show, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(ValueError, OSError):
                stream.reconfigure(errors="replace")
