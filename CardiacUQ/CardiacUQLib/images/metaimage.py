"""MetaImage headers (.mha, .mhd) as a :class:`StoredGrid`, read as text before anything else sees the file.

Keys as in MetaIO's documentation: rows of TransformMatrix are the directions of the axes in LPS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from .regular_file import open_regular
from .stored_grid import COPY_AGAIN, Axis, Encoding, Part, StoredGrid, geometry_from

SUFFIXES = (".mha", ".mhd")
MOST_HEADER = 1 << 20
MOST_PARTS = 1 << 14
_DTYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_LAST_KEY = "elementdatafile"


def parse_metaimage(path: Path) -> StoredGrid:
    """The grid of a MetaImage file; raises InputError, one line, for what is none."""
    fields, lines, start = _fields(path)
    sizes = [_whole(path, n) for n in _numbers(path, fields, "dimsize")]
    count = _whole(path, (_numbers(path, fields, "ndims") or [len(sizes)])[0])
    if len(sizes) != count or not 1 <= count <= 7 or any(n < 1 for n in sizes):
        raise InputError(
            path, f"its header has impossible dimensions {_shown(fields, 'dimsize')}", COPY_AGAIN
        )
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    if not 3 <= len(sizes) <= 4:
        text = " x ".join(str(n) for n in sizes)
        problem = f"the image has {len(sizes)} dimensions ({text})"
        raise InputError(path, problem, "give a 3D stack, or a cine with time as the fourth dimension")
    spacing = _numbers(path, fields, "elementspacing") or _numbers(path, fields, "elementsize")
    matrix = _first(path, fields, ("transformmatrix", "rotation", "orientation"))
    origin = _first(path, fields, ("offset", "origin", "position"))
    if any(
        values and len(values) != n for values, n in ((matrix, count**2), (origin, count), (spacing, count))
    ):
        raise InputError(path, "its header places the image with too few or too many numbers", COPY_AGAIN)
    axes = np.reshape(matrix, (count, count))[:3, :3] if matrix else np.eye(3)
    lengths = np.linalg.norm(axes, axis=1)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        raise InputError(path, "its axes have no direction", COPY_AGAIN)
    geometry, sheared = geometry_from(
        path, sizes[:3], (spacing or [1.0] * 3)[:3], (origin or [0.0] * 3)[:3], (axes / lengths[:, None]).T
    )
    names = (Axis.K, Axis.J, Axis.I) if len(sizes) == 3 else (Axis.FRAME, Axis.K, Axis.J, Axis.I)
    shape = tuple(reversed(sizes))
    components = _whole(path, (_numbers(path, fields, "elementnumberofchannels") or [1])[0])
    if components < 1:
        raise InputError(path, f"its voxels have {components} values each", COPY_AGAIN)
    if components > 1:
        names, shape = (*names, Axis.COMPONENT), (*shape, components)
    dtype = _dtype(path, fields)
    return StoredGrid(
        path=path,
        axes=names,
        shape=shape,
        dtype=dtype,
        parts=_parts(path, fields, lines, start, sizes),
        encoding=_encoding(fields),
        geometry=geometry,
        placed=bool(spacing),
        warnings=("the axes are not at right angles; the nearest right-angled ones are taken",)
        if sheared
        else (),
    )


def _fields(path: Path) -> tuple[dict[str, str], list[str], int]:
    """Header fields by lower-case key, the lines after the last one, and where the voxels may begin."""
    fields: dict[str, str] = {}
    with open_regular(path) as stream:
        read = 0
        while read < MOST_HEADER:
            line = stream.readline(MOST_HEADER)
            read += len(line)
            key, separator, value = line.decode("utf-8", "surrogateescape").partition("=")
            if not line or not separator:
                break
            fields[key.strip().lower()] = value.strip()
            if key.strip().lower() == _LAST_KEY:
                start = stream.tell()
                rest = stream.read(MOST_HEADER).decode("utf-8", "surrogateescape")
                return (
                    fields,
                    rest.splitlines() if fields[_LAST_KEY].upper().startswith("LIST") else [],
                    start,
                )
    if not read:
        raise InputError(path, "the file is empty", COPY_AGAIN)
    raise InputError(path, "the file is truncated, damaged or not what its name says", COPY_AGAIN)


def _dtype(path: Path, fields: Mapping[str, str]) -> np.dtype:
    name = fields.get("elementtype", "").upper()
    if name not in _DTYPES:
        raise InputError(path, f"its voxels are of type {name or 'unknown'}", "give a grey-value image")
    big = _true(fields, "elementbyteordermsb") or _true(fields, "binarydatabyteordermsb")
    return np.dtype((">" if big else "<") + _DTYPES[name])


def _encoding(fields: Mapping[str, str]) -> Encoding:
    if _true(fields, "compresseddata"):
        return Encoding.DEFLATED
    return Encoding.RAW if _true(fields, "binarydata", "True") else Encoding.TEXT


def _parts(
    path: Path, fields: Mapping[str, str], lines: list[str], start: int, sizes: list[int]
) -> tuple[Part, ...]:
    """The files that hold the voxels: this one, one other, a list of names, or a numbered pattern."""
    value = fields[_LAST_KEY]
    skip = _whole(path, (_numbers(path, fields, "headersize") or [0])[0])
    if skip < -1:
        raise InputError(path, f"its header asks to skip {skip} bytes", COPY_AGAIN)
    if value.upper() == "LOCAL":
        return (Part(path, start),)
    pattern = re.fullmatch(r"(.*%0?\d*d.*?)\s+(\d+)\s+(\d+)(?:\s+(\d+))?", value)
    if value.upper().startswith("LIST"):
        names = [line.strip() for line in lines if line.strip()]
    elif pattern:
        first, last, step = (int(n or 1) for n in pattern.group(2, 3, 4))
        if last < first or step < 1 or (last - first) // step >= MOST_PARTS:
            raise InputError(path, f"its header numbers its files {first} to {last}", COPY_AGAIN)
        names = [_numbered(path, pattern.group(1), n) for n in range(first, last + 1, step)]
    else:
        names = [value]
    if not names or len(names) > MOST_PARTS or any(not name or "\0" in name for name in names):
        raise InputError(path, "its header names no voxel file", COPY_AGAIN)
    if len(names) > 1 and len(names) < sizes[-1] and sizes[-1] % len(names):
        raise InputError(path, f"its header names {len(names)} files for {sizes[-1]} slices", COPY_AGAIN)
    return tuple(Part(path.parent / name, skip) for name in names)


def _numbered(path: Path, pattern: str, number: int) -> str:
    found = re.search(r"%(0?)(\d*)d", pattern)
    if found is None or pattern.count("%") != 1 or len(found[2]) > 2:
        raise InputError(path, f"its header names its files {pattern}", COPY_AGAIN)
    digits = str(number).rjust(int(found[2] or 0), "0" if found[1] else " ")
    return pattern[: found.start()] + digits + pattern[found.end() :]


def _true(fields: Mapping[str, str], key: str, usual: str = "False") -> bool:
    return fields.get(key, usual).strip().lower()[:1] in ("t", "1", "y")


def _first(path: Path, fields: Mapping[str, str], keys: tuple[str, ...]) -> list[float]:
    return next((found for key in keys if (found := _numbers(path, fields, key))), [])


def _numbers(path: Path, fields: Mapping[str, str], key: str) -> list[float]:
    words = fields.get(key, "").split()
    try:
        return [float(word) for word in words[:64]]
    except ValueError:
        problem = f"its header has no numbers in {key} = {_shown(fields, key)}"
        raise InputError(path, problem, COPY_AGAIN) from None


def _shown(fields: Mapping[str, str], key: str) -> str:
    return fields.get(key, "")[:60]


def _whole(path: Path, value: float) -> int:
    if not np.isfinite(value) or value != int(value) or abs(value) > 1e9:
        raise InputError(path, f"its header has {value:g} where a whole number belongs", COPY_AGAIN)
    return int(value)
