"""Values of DICOM attributes, taken as they stand: a nonsense value is an absent one, never an exception."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "AT": "H"}
_MOST_NUMBERS = 1 << 12


def text(dataset: Dataset, keyword: str) -> str:
    """The value as one string, several values joined by a backslash; "" where there is none.

    Bytes of names and descriptions are decoded by the data set's character set, else as Latin-1.
    """
    raw = _value(dataset, keyword)
    if isinstance(raw, bytes):
        return _decoded(raw, dataset).strip(" \0")
    if raw is None:
        return ""
    if isinstance(raw, (list, tuple)) or type(raw).__name__ == "MultiValue":
        return "\\".join(str(one) for one in raw).strip(" \0")
    return str(raw).strip(" \0")


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """The values as numbers; () where there are none or one of them is no number."""
    from pydicom.datadict import dictionary_VR

    raw = _value(dataset, keyword)
    try:
        if isinstance(raw, bytes):
            code = _BINARY.get(dictionary_VR(keyword).split(" ")[0])
            if code is None:
                words = raw.decode("latin-1").strip(" \0")
                return tuple(float(word) for word in words.split("\\")[:_MOST_NUMBERS]) if words else ()
            count = len(raw) // struct.calcsize(code)
            order = "<" if _little_endian(dataset, keyword) else ">"
            return tuple(
                float(v) for v in struct.unpack_from(f"{order}{min(count, _MOST_NUMBERS)}{code}", raw)
            )
        if raw is None or raw == "":
            return ()
        several = isinstance(raw, (list, tuple)) or type(raw).__name__ == "MultiValue"
        items: Any = raw if several else (raw,)
        return tuple(float(one) for one in items)
    except (ValueError, TypeError, OverflowError, struct.error, KeyError):
        return ()


def number(dataset: Dataset, keyword: str) -> float | None:
    """The first value as a finite number, or None."""
    found = numbers(dataset, keyword)
    return found[0] if found and abs(found[0]) < float("inf") else None


def whole(dataset: Dataset, keyword: str, default: int) -> int:
    """The first value as a whole number, ``default`` where there is none."""
    found = number(dataset, keyword)
    return default if found is None or found != int(found) else int(found)


def item(dataset: Dataset | None, keyword: str) -> Dataset | None:
    """The first item of a sequence, None where there is none."""
    found = items(dataset, keyword)
    return found[0] if found else None


def items(dataset: Dataset | None, keyword: str) -> list[Dataset]:
    """The items of a sequence, [] where there are none."""
    if dataset is None or keyword not in dataset:
        return []
    try:
        value = dataset[keyword].value
    except Exception:  # whatever pydicom says of a damaged sequence, it has no items
        return []
    return list(value) if type(value).__name__ == "Sequence" else []


def _value(dataset: Dataset, keyword: str) -> Any:
    """The stored value; bytes where pydicom has not converted it yet."""
    if keyword not in dataset:
        return None
    try:
        return dataset.get_item(keyword).value
    except Exception:  # damaged elements raise many things
        return None


def _little_endian(dataset: Dataset, keyword: str) -> bool:
    return bool(getattr(dataset.get_item(keyword), "is_little_endian", True))


def _decoded(raw: bytes, dataset: Dataset) -> str:
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    declared = _value(dataset, "SpecificCharacterSet")
    if isinstance(declared, bytes):
        declared = declared.decode("latin-1").strip(" \0").split("\\")
    try:
        from pydicom.charset import convert_encodings, decode_bytes

        names = [declared] if isinstance(declared, str) else [str(one).strip() for one in declared or [""]]
        return decode_bytes(raw, convert_encodings(names), set(b"\\^=\r\n\t\f"))
    except Exception:  # an unknown or wrong character set
        return raw.decode("latin-1")
