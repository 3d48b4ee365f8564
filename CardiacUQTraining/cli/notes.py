"""What was odd about an input, told on the terminal beside the result."""

from __future__ import annotations

import sys
from collections.abc import Iterable


def tell_notes(notes: Iterable[str]) -> None:
    """One line each on standard error, none twice."""
    for line in dict.fromkeys(notes):
        print(f"note: {line}", file=sys.stderr, flush=True)
