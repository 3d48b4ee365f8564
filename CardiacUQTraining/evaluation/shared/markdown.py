"""Figures as words: numbers with their spread, Markdown tables and the page around them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .statistics import Summary

PERCENT = 100.0
_NO_INTERVAL = re.compile(r" \[nan, nan\]")
_UNDEFINED = re.compile(r"^[+-]?nan( %)?( to [+-]?nan( %)?)?$")


@dataclass(frozen=True)
class Heading:
    """What the page says above its tables: ``command`` to repeat it, notes a reader must know."""

    title: str
    command: str
    model: str
    data: str
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, first column left, the others right aligned; a dash for what is not defined."""
    lines = [list(header), ["---"] + ["---:"] * (len(header) - 1), *(map(_told, row) for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _told(cell: str) -> str:
    """A cell as it is read: no "nan", and no interval that nobody could work out."""
    return _UNDEFINED.sub("–", _NO_INTERVAL.sub("", cell))


def spread(found: Summary | None, scale: float = 1.0, digits: int = 2) -> str:
    """``mean ± sd`` of a summary, or a dash."""
    if found is None or found.count == 0:
        return "–"
    if found.count == 1:  # one case has no spread
        return f"{found.mean * scale:.{digits}f}"
    return f"{found.mean * scale:.{digits}f} ± {found.sd * scale:.{digits}f}"


def interval(found: Summary | None, scale: float = 1.0, digits: int = 2) -> str:
    """``mean [low, high]`` with the bootstrap interval, or a dash."""
    if found is None or found.count == 0:
        return "–"
    low, high = found.low * scale, found.high * scale
    return f"{found.mean * scale:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def figures_section(paths: Sequence[Path]) -> str:
    """The pictures of the page."""
    return "## Figures\n\n" + "\n\n".join(
        f"![{path.stem.replace('_', ' ')}]({path.as_posix()})" for path in paths
    )


def page(heading: Heading, sections: Iterable[str]) -> str:
    """The whole Markdown page."""
    parts = [
        f"# {heading.title}",
        f"    {heading.command}",
        f"Model: {heading.model}  \nData: {heading.data}",
    ]
    if heading.notes:
        parts.append("\n".join(f"- {note}" for note in heading.notes))
    parts += [section for section in sections if section]
    if heading.failures:
        parts.append(
            "## Cases that could not be judged\n\n" + "\n".join(f"- {line}" for line in heading.failures)
        )
    return "\n\n".join(parts) + "\n"


def as_plain(value: Any) -> Any:
    """Dataclasses inside mappings and lists as plain JSON content."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    return value
