"""Frozen dataclasses as JSON and back, by their type annotations; unknown or missing entries are errors.

``Annotated[int, Between(0, 255)]`` bounds a number, ``Annotated[str, Matches(...)]`` a text. A dataclass with
``OPEN_ENDED = True`` lets entries pass that it does not know.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .safe_files import write_whole


class JsonMismatch(ValueError):
    """A value of a JSON document that does not fit its type; the message says where."""


@dataclasses.dataclass(frozen=True)
class Between:
    """Limits of a number, or of the number of entries of a list; both are allowed."""

    low: float = -math.inf
    high: float = math.inf

    def problem(self, value: Any) -> str:
        """What is wrong with ``value``; empty if nothing is."""
        what = f"{len(value)} entries" if isinstance(value, tuple | Mapping) else f"{value:g}"
        number = len(value) if isinstance(value, tuple | Mapping) else value
        if self.low <= number <= self.high:
            return ""
        return f"is {what}, allowed are {self.low:g} to {self.high:g}"


@dataclasses.dataclass(frozen=True)
class Matches:
    """A text that matches ``pattern`` as a whole; ``what`` says so to people."""

    pattern: str
    what: str

    def problem(self, value: Any) -> str:
        """What is wrong with ``value``; empty if nothing is."""
        return "" if re.fullmatch(self.pattern, value) else f"is {value[:80]!r}, not {self.what}"


Share = typing.Annotated[float, Between(0.0, 1.0)]
NonNegative = typing.Annotated[float, Between(0.0, 1e12)]
Count = typing.Annotated[int, Between(0, 2**31)]
Sha256 = typing.Annotated[str, Matches("(?:[0-9a-f]{64})?", "64 hexadecimal digits")]
Colour = typing.Annotated[str, Matches("#[0-9A-Fa-f]{6}", "#RRGGBB")]


def refuse_constant(name: str) -> float:
    """For ``json.loads(parse_constant=...)``: NaN and Infinity are no JSON."""
    raise ValueError(f"{name} is no JSON number")


def to_plain(value: Any) -> Any:
    """Dataclasses, enums, tuples, mappings and numpy values as JSON knows them; NaN and infinity as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return to_plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(content: Any, path: Path) -> None:
    """Write a document whole or not at all, as :func:`to_plain` spells it."""
    write_whole(path, json.dumps(to_plain(content), indent=1, allow_nan=False) + "\n")


def json_text(document: Any, indent: int) -> str:
    """The document as JSON that can be written as UTF-8: as it reads, or escaped where a name is no text."""
    plain = json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False)
    try:
        plain.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(document, indent=indent, allow_nan=False)
    return plain


def decode(value: Any, wanted: Any, where: str) -> Any:
    """``value`` of a JSON document as the Python type ``wanted``; raises JsonMismatch."""
    if wanted is Any:
        return value
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        return _decode_dataclass(value, wanted, where)
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is typing.Annotated:
        found = decode(value, arguments[0], where)
        if problem := next((p for limit in arguments[1:] if (p := limit.problem(found))), ""):
            raise JsonMismatch(f"{where} {problem}")
        return found
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return decode(value, next(a for a in arguments if a is not types.NoneType), where)
    if origin is tuple:
        items = _expect(value, list, where, "a list")
        if arguments[-1] is not Ellipsis and len(arguments) != len(items):
            raise JsonMismatch(f"{where} must have {len(arguments)} entries")
        item_types = arguments if arguments[-1] is not Ellipsis else arguments[:1] * len(items)
        return tuple(
            decode(item, item_type, f"{where}[{n}]")
            for n, (item, item_type) in enumerate(zip(items, item_types, strict=True))
        )
    if origin is not None and issubclass(origin, Mapping):
        items = _expect(value, dict, where, "an object")
        key_type, item_type = arguments
        return {
            _decode_key(key, key_type, where): decode(item, item_type, f"{where}.{key}")
            for key, item in items.items()
        }
    return _decode_scalar(value, wanted, where)


def _decode_dataclass(value: Any, wanted: type, where: str) -> Any:
    items = _expect(value, dict, where, "an object")
    hints = typing.get_type_hints(wanted, include_extras=True)
    fields = {f.name: f for f in dataclasses.fields(wanted)}
    if getattr(wanted, "OPEN_ENDED", False):
        items = {name: item for name, item in items.items() if name in fields}
    if unknown := sorted(items.keys() - fields.keys()):
        raise JsonMismatch(f'{where} has an unknown entry "{unknown[0]}"')
    required = {n for n, f in fields.items() if _has_no_default(f)}
    if missing := sorted(required - items.keys()):
        raise JsonMismatch(f'{where} lacks the entry "{missing[0]}"')
    return wanted(**{k: decode(v, hints[k], f"{where}.{k}") for k, v in items.items()})


def _has_no_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _decode_scalar(value: Any, wanted: type, where: str) -> Any:
    if issubclass(wanted, enum.Enum):
        try:
            return wanted(value)
        except ValueError:
            known = ", ".join(str(member.value) for member in wanted)
            raise JsonMismatch(f"{where} is {value!r}, known are {known}") from None
    if wanted is float and isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(value, where)
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    found = _expect(value, wanted, where, names.get(wanted, wanted.__name__))
    return _clean(found, where) if wanted is str else found


def _finite(value: float, where: str) -> float:
    """1e999 is a number in JSON, and so is one of a thousand digits."""
    try:
        if math.isfinite(found := float(value)):
            return found
    except OverflowError:
        pass
    raise JsonMismatch(f"{where} is no finite number")


def _clean(text: str, where: str) -> str:
    """No name of a file or person holds a zero byte, and no system takes one."""
    if "\0" in text:
        raise JsonMismatch(f"{where} holds a zero byte")
    return text


def _decode_key(key: str, wanted: type, where: str) -> Any:
    if wanted is int:
        try:
            return int(key)
        except ValueError:
            raise JsonMismatch(f"{where} has the entry {key!r} where a number is wanted") from None
    return key


def _expect(value: Any, wanted: type, where: str, name: str) -> Any:
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise JsonMismatch(f"{where} must be {name}")
    return value
