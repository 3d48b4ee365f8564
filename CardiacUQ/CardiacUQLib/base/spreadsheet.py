"""Tables that people open in a spreadsheet: no text in them is a formula."""

from __future__ import annotations

from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "'")
"""What a cell begins with that a spreadsheet computes, in narrow and wide letters, and our own mark."""


def cell(value: Any) -> Any:
    """``value`` for a CSV; a text that would be computed gets an apostrophe before it. Numbers stay."""
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA) else value


def text_of(cell_text: str) -> str:
    """Inverse of :func:`cell` for text."""
    return cell_text[1:] if cell_text.startswith("'") else cell_text
