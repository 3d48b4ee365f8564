"""Frozen dataclasses as JSON and back, by their type annotations; unknown or missing entries are errors."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


class JsonMismatch(ValueError):
    """A value of a JSON document that does not fit its type; the message says where."""


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
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    partial.write_text(json.dumps(to_plain(content), indent=1, allow_nan=False) + "\n", "utf-8")
    partial.replace(path)


def decode(value: Any, wanted: Any, where: str) -> Any:
    """``value`` of a JSON document as the Python type ``wanted``; raises JsonMismatch."""
    if wanted is Any:
        return value
    if dataclasses.is_dataclass(wanted):
        return _decode_dataclass(value, wanted, where)
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
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
    hints = typing.get_type_hints(wanted)
    fields = {f.name: f for f in dataclasses.fields(wanted)}
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
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    return _expect(value, wanted, where, names.get(wanted, wanted.__name__))


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
