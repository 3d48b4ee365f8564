"""How a slice is called: counted from 1 in slice order wherever a person reads it.

Screen, page, CSV, warnings and Slicer's tables say the same number for the same slice. Arrays and JSON, which
programs read, count from 0.
"""

from __future__ import annotations

from collections.abc import Iterable


def slice_number(index: int) -> int:
    """The number of the slice at this index of an array (z, y, x) in slice order."""
    return int(index) + 1


def slice_index(number: int) -> int:
    """The index of the slice with this number."""
    return int(number) - 1


def slice_range(first: int, last: int, dash: str = "-") -> str:
    """ "3" or "3-5" for the slices from index ``first`` to ``last``."""
    start, end = slice_number(first), slice_number(last)
    return f"{start}" if start == end else f"{start}{dash}{end}"


def slices_text(indices: Iterable[int], most: int | None = None) -> str:
    """ "slice 3" or "slices 1, 2, 5 ..." for indices; at most ``most`` of them are named."""
    numbers = [slice_number(index) for index in indices]
    shown = ", ".join(map(str, numbers[:most])) + (" ..." if most and len(numbers) > most else "")
    return f"slice{'s' * (len(numbers) != 1)} {shown}"
