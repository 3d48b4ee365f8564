"""Ways to break bytes, JSON and text, drawn from seeded random numbers."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    None, True, "", "x", -1, 0, 1, 255, 1.5, -0.5, 2**31, 2**63, 10**30, 1e308, -1e308, [], {}, [None], [[]],
    "url(https://example.org/x)", "=1+1", "../../x", "/", "a\u0000b", "\ud800", "<script>", "x" * 5000,
    [0, 0, 0], {"a": {"b": []}},
)  # fmt: skip
"""What is put into a JSON document in place of what should be there."""

NOT_JSON = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"1e999",
    b'{"a": NaN}',
    b"\xff\xfe{}",
    b"[" * 100_000,
    b'"' + b"x" * 9,
)


def truncated(path: Path, dice: random.Random) -> str:
    """Cut a file somewhere."""
    content = path.read_bytes()
    kept = dice.choice((0, 1, 10, len(content) // 2, len(content) - 1, dice.randrange(max(1, len(content)))))
    path.write_bytes(content[:kept])
    return f"cut to {kept} of {len(content)} bytes"


def flipped(path: Path, dice: random.Random, *, within: tuple[int, int] | None = None) -> str:
    """Change some bits of a file."""
    content = bytearray(path.read_bytes())
    first, last = within or (0, len(content))
    places = [
        dice.randrange(first, max(first + 1, min(last, len(content)))) for _ in range(dice.choice((1, 3)))
    ]
    for place in places:
        if place < len(content):
            content[place] ^= 1 << dice.randrange(8)
    path.write_bytes(content)
    return f"bits flipped at {places}"


def repacked(path: Path, change: Any) -> None:
    """Apply ``change`` to the unpacked content of a gzip file (a bytearray) and pack it again."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.compress(bytes(change(content) or content), 1, mtime=0))


def broken_json(path: Path, dice: random.Random) -> str:
    """Change, remove or add one entry of a JSON file, or make it no JSON at all."""
    if dice.random() < 0.1:
        path.write_bytes(dice.choice(NOT_JSON))
        return "no JSON"
    document = json.loads(path.read_text("utf-8"))
    what = broken_document(document, dice)
    path.write_text(json.dumps(document), "utf-8")
    return what


def broken_document(document: Any, dice: random.Random) -> str:
    """The same for a document in memory."""
    place = dice.choice(_places(document))
    holder = document
    for step in place[:-1]:
        holder = holder[step]
    key, way = place[-1], dice.random()
    where = ".".join(map(str, place))
    if way < 0.2:
        del holder[key]
        return f"{where} removed"
    if way < 0.3 and isinstance(holder, dict):
        holder["surprise"] = holder[key]
        return f"entry added beside {where}"
    value = dice.choice(ODD_VALUES)
    holder[key] = value
    return f"{where} = {str(value)[:40]!r}"


def _places(document: Any, above: tuple[Any, ...] = ()) -> Sequence[tuple[Any, ...]]:
    items = document.items() if isinstance(document, dict) else enumerate(document)
    found: list[tuple[Any, ...]] = []
    for key, value in items:
        found.append((*above, key))
        if isinstance(value, dict | list) and value and len(above) < 4:
            found += _places(value, (*above, key))
    return found


def broken_lines(path: Path, dice: random.Random, odd: Sequence[str]) -> str:
    """Replace, remove, double or spoil one line of a text file."""
    lines = path.read_text("latin-1").splitlines()
    number = dice.randrange(len(lines))
    way = dice.choice(("replaced", "removed", "doubled", "value"))
    if way == "removed":
        del lines[number]
    elif way == "doubled":
        lines.insert(number, lines[number])
    elif way == "replaced":
        lines[number] = dice.choice(odd)
    else:
        for sign in ("=", ":", ","):
            if sign in lines[number]:
                head, _, _ = lines[number].rpartition(sign)
                lines[number] = f"{head}{sign} {dice.choice(odd)}"
                break
    path.write_text("\n".join(lines) + "\n", "latin-1")
    return f"line {number} {way}: {lines[number - 1 if number else 0][:40]!r}"
