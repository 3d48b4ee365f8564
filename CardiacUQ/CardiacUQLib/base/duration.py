"""Lengths of time as people write and read them."""

from __future__ import annotations

import re

from .errors import UsageError

_FORM = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>[smh]?)$")
_SECONDS = {"s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}


def duration(seconds: float) -> str:
    """A time for people: "40 s", "12 min", "3 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def parse_duration(text: str | None, option: str = "--time-limit") -> float | None:
    """Seconds of ``90s``, ``9m`` or ``1.5h``; None stays None. Raises :class:`UsageError`."""
    if text is None:
        return None
    match = _FORM.match(text.strip())
    if match is None:
        raise UsageError(f"{option} {text}: not a duration; write for example 90s, 9m or 1.5h")
    return float(match["number"]) * _SECONDS[match["unit"]]
