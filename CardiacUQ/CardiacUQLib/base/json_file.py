"""JSON and other text files that come from outside: regular, of sensible size, and what they should be."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from .errors import InputError
from .json_codec import JsonMismatch, decode, refuse_constant

MOST_BYTES = 256 << 20


def read_text(path: Path, remedy: str, *, most: int = MOST_BYTES) -> str:
    """The text of a regular file, UTF-8; raises InputError for anything else, or more than ``most`` bytes."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as stream:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise InputError(path, "this is no regular file", remedy)
            if found.st_size > most:
                raise InputError(path, f"it has {found.st_size} bytes, at most {most} are read", remedy)
            return stream.read(most + 1).decode("utf-8")
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", "check its permissions") from None
    except ValueError as error:  # no UTF-8, or a zero byte in the name
        raise InputError(path, f"it cannot be read ({error})", remedy) from None


def read_object(path: Path, remedy: str) -> dict[str, Any]:
    """The JSON object in a file; raises InputError, one line with ``remedy``, for anything else."""
    return parse_object(read_text(path, remedy), path, remedy)


def parse_object(text: str, source: Path | str, remedy: str) -> dict[str, Any]:
    """The same for a text that ``source`` holds."""
    try:
        document = json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(source, f"this is not valid JSON ({error})", remedy) from None
    if not isinstance(document, dict):
        raise InputError(source, "this is no JSON object", remedy)
    return document


def decode_or_refuse(document: Any, wanted: Any, where: str, source: Path | str, remedy: str) -> Any:
    """:func:`decode`, with InputError that names ``source`` and the place in it."""
    try:
        return decode(document, wanted, where)
    except (JsonMismatch, RecursionError) as error:
        raise InputError(source, str(error), remedy) from None
