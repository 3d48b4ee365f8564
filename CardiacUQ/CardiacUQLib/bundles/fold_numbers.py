"""Fold numbers as people write them on command lines and in forms."""

from __future__ import annotations

from ..base.errors import UsageError


def parse_folds(text: str | None) -> tuple[int, ...] | None:
    """Folds of a text such as ``0,2``, ascending and each once; None, for all, if it is empty.

    Raises :class:`UsageError`, one line. Whether a bundle or a recipe has these folds is not asked here.

    >>> parse_folds("2,0")
    (0, 2)
    """
    if text is None or not text.strip():
        return None
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise UsageError(f"folds '{text}' are no list of numbers; write for example 0,1") from None
