"""NRRD headers (.nrrd, .nhdr, Slicer's .seq.nrrd) as a :class:`StoredGrid`.

The format is defined at teem.sourceforge.net/nrrd/format.html. Which axis is time is said by the header
(kinds, directions), not by its place, so films of either axis order read alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from .metaimage import MOST_HEADER, MOST_PARTS
from .regular_file import open_regular
from .stored_grid import COPY_AGAIN, Axis, Encoding, Part, StoredGrid, geometry_from
from .volume import Geometry

SUFFIXES = (".nrrd", ".nhdr")
_NO_HEADER = "the file is truncated, damaged or not what its name says"
_DTYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": (
        "longlong",
        "long long",
        "long long int",
        "signed long long",
        "signed long long int",
        "int64",
        "int64_t",
    ),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_ENCODINGS = {
    "raw": Encoding.RAW,
    "gzip": Encoding.DEFLATED,
    "gz": Encoding.DEFLATED,
    "bzip2": Encoding.BZIP2,
    "bz2": Encoding.BZIP2,
    "txt": Encoding.TEXT,
    "text": Encoding.TEXT,
    "ascii": Encoding.TEXT,
    "hex": Encoding.HEX,
}
_TO_LPS = {
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}
_FRAME_KINDS = {"list", "time", "point"}
_COMPONENT_KINDS = {
    "vector",
    "covariant-vector",
    "rgb-color",
    "rgba-color",
    "hsv-color",
    "xyz-color",
    "complex",
    "normal",
    "3-vector",
    "3-color",
    "4-color",
    "2-vector",
    "4-vector",
}
_MM_PER_UNIT = {"mm": 1.0, "millimeter": 1.0, "cm": 10.0, "m": 1000.0, "meter": 1000.0, "um": 0.001}


def parse_nrrd(path: Path) -> StoredGrid:
    """The grid of an NRRD file; raises InputError, one line, for what is none."""
    fields, lines, start = _fields(path)
    sizes = [_whole(path, word) for word in fields.get("sizes", "").split()]
    count = _whole(path, fields.get("dimension", str(len(sizes))))
    if len(sizes) != count or not 1 <= count <= 16 or any(n < 1 for n in sizes):
        raise InputError(
            path, f"its header has impossible sizes {fields.get('sizes', '')[:60]!r}", COPY_AGAIN
        )
    vectors = _vectors(path, fields, count)
    roles = _roles(path, fields, sizes, vectors)
    geometry, placed, sheared = _geometry(path, fields, sizes, roles, vectors)
    encoding = _ENCODINGS.get(fields.get("encoding", "raw").lower())
    if encoding is None:
        raise InputError(path, f"its encoding {fields['encoding'][:40]!r} is unknown", COPY_AGAIN)
    return StoredGrid(
        path=path,
        axes=tuple(reversed([role for role in roles if role is not None])),
        shape=tuple(reversed([n for n, role in zip(sizes, roles, strict=True) if role is not None])),
        dtype=_dtype(path, fields, encoding),
        parts=_parts(path, fields, lines, start, encoding),
        encoding=encoding,
        geometry=geometry,
        placed=placed,
        warnings=("the axes are not at right angles; the nearest right-angled ones are taken",)
        if sheared
        else (),
    )


def read_key_values(path: Path) -> dict[str, str]:
    """The pairs "key:=value" of a header, in which Slicer keeps what its segments are; raises InputError."""
    found: dict[str, str] = {}
    with open_regular(path) as stream:
        read = 0
        while read < MOST_HEADER and (line := stream.readline(MOST_HEADER)).strip():
            read += len(line)
            key, separator, value = line.decode("utf-8", "replace").rstrip("\r\n").partition(":=")
            if separator and not key.startswith("#"):
                found[key] = value
    return found


def _fields(path: Path) -> tuple[dict[str, str], list[str], int]:
    """Fields by lower-case name, the lines of a file list, and where attached voxels begin."""
    fields: dict[str, str] = {}
    with open_regular(path) as stream:
        magic = stream.readline(MOST_HEADER)
        if not magic:
            raise InputError(path, "the file is empty", COPY_AGAIN)
        if not re.fullmatch(rb"NRRD(000[1-9]|00\.01)\r?\n", magic):
            raise InputError(path, _NO_HEADER, COPY_AGAIN)
        read = len(magic)
        while read < MOST_HEADER:
            line = stream.readline(MOST_HEADER)
            read += len(line)
            text = line.decode("utf-8", "surrogateescape").strip()
            if not text:  # the empty line before the voxels, or the end of a detached header
                return fields, [], stream.tell()
            if text.startswith("#") or ":=" in text:
                continue
            name, separator, value = text.partition(":")
            if not separator:
                break
            fields[name.strip().lower().replace("datafile", "data file")] = value.strip()
            if name.strip().lower() in ("data file", "datafile") and value.strip().upper().startswith("LIST"):
                rest = stream.read(MOST_HEADER).decode("utf-8", "surrogateescape")
                return fields, rest.splitlines(), stream.tell()
    raise InputError(path, _NO_HEADER, COPY_AGAIN)


def _vectors(path: Path, fields: Mapping[str, str], count: int) -> list[np.ndarray | None] | None:
    """The direction of every axis in the header's space; None for "none"; None in all without directions."""
    if "space directions" not in fields:
        return None
    found = re.findall(r"none|\([^()]*\)", fields["space directions"].lower())
    if len(found) != count:
        raise InputError(path, "its space directions do not fit its dimension", COPY_AGAIN)
    vectors: list[np.ndarray | None] = []
    for text in found:
        vector = None if text == "none" else _vector(path, text)
        vectors.append(None if vector is None or np.isnan(vector).all() else vector)
    return vectors


def _vector(path: Path, text: str) -> np.ndarray:
    try:
        return np.array([float(word) for word in text.strip("() ").split(",")], float)
    except ValueError:
        raise InputError(path, f"its header has no numbers in {text[:40]!r}", COPY_AGAIN) from None


def _roles(
    path: Path, fields: Mapping[str, str], sizes: Sequence[int], vectors: list[np.ndarray | None] | None
) -> list[Axis | None]:
    """What each axis is, fastest first; axes of one sample beyond the third are None."""
    kinds = fields.get("kinds", "").lower().split()
    kinds = kinds if len(kinds) == len(sizes) else ["???"] * len(sizes)
    outside = [n for n in range(len(sizes)) if _not_spatial(n, kinds, vectors)]
    spatial = [n for n in range(len(sizes)) if n not in outside]
    while len(spatial) > 3:  # without a word in the header the last axis is time, as in NIfTI
        single = next((n for n in reversed(spatial) if sizes[n] == 1), spatial[-1])
        spatial.remove(single)
        outside.append(single)
    real = [n for n in outside if sizes[n] > 1]
    if len(spatial) < 3 or len(real) > 1:
        text = " x ".join(str(n) for n in sizes)
        problem = f"the image has {len(sizes)} dimensions ({text})"
        raise InputError(path, problem, "give a 3D stack, or a cine with time as the fourth dimension")
    roles: list[Axis | None] = [None] * len(sizes)
    for axis, n in zip((Axis.I, Axis.J, Axis.K), spatial, strict=True):
        roles[n] = axis
    for n in real:
        roles[n] = Axis.COMPONENT if kinds[n] in _COMPONENT_KINDS else Axis.FRAME
    return roles


def _not_spatial(n: int, kinds: Sequence[str], vectors: list[np.ndarray | None] | None) -> bool:
    if kinds[n] in _FRAME_KINDS | _COMPONENT_KINDS:
        return True
    if vectors is None:
        return False
    vector = vectors[n]
    return vector is None or (len(vector) == 4 and not vector[:3].any())


def _geometry(
    path: Path,
    fields: Mapping[str, str],
    sizes: Sequence[int],
    roles: Sequence[Axis | None],
    vectors: list[np.ndarray | None] | None,
) -> tuple[Geometry, bool, bool]:
    """Geometry in LPS, whether the header gives a voxel size, whether the axes were straightened."""
    spatial = [roles.index(axis) for axis in (Axis.I, Axis.J, Axis.K)]
    size = [sizes[n] for n in spatial]
    if vectors is None:
        words = fields.get("spacings", "").split()
        spacing = [_number(path, words[n]) for n in spatial] if len(words) == len(sizes) else []
        known = bool(spacing) and not any(np.isnan(spacing))
        geometry, _ = geometry_from(path, size, spacing if known else (1.0,) * 3, (0.0,) * 3, np.eye(3))
        return geometry, known, False
    ours = [vector for n in spatial if (vector := vectors[n]) is not None and len(vector) >= 3]
    if len(ours) < len(spatial):
        raise InputError(path, "its space directions do not have three numbers each", COPY_AGAIN)
    space = fields.get("space", "").lower().removesuffix("-time")
    flip = np.array(_TO_LPS.get(space, (1, 1, 1)), float)
    units = re.findall(r'"([^"]*)"', fields.get("space units", ""))
    unit = _MM_PER_UNIT.get(units[0].strip().lower(), 1.0) if units else 1.0
    columns = np.stack([vector[:3] for vector in ours], axis=1) * flip[:, None] * unit
    spacing = np.linalg.norm(columns, axis=0)
    if not np.isfinite(spacing).all() or (spacing == 0).any():
        text = " x ".join(f"{v:g}" for v in spacing)
        raise InputError(path, f"the voxel size is {text} mm", "export it again with its true voxel size")
    origin = _vector(path, fields.get("space origin", "(0,0,0)"))[:3]
    if len(origin) < 3:
        raise InputError(path, "its space origin does not have three numbers", COPY_AGAIN)
    geometry, sheared = geometry_from(path, size, spacing, origin * flip * unit, columns / spacing)
    return geometry, True, sheared


def _dtype(path: Path, fields: Mapping[str, str], encoding: Encoding) -> np.dtype:
    name = " ".join(fields.get("type", "").lower().split())
    code = next((code for code, names in _DTYPES.items() if name in names), None)
    if code is None:
        raise InputError(path, f"its voxels are of type {name[:40] or 'unknown'}", "give a grey-value image")
    endian = fields.get("endian", "").lower()
    if endian not in ("little", "big") and code[1] != "1" and encoding is not Encoding.TEXT:
        raise InputError(path, "its header does not say the order of its bytes (endian)", COPY_AGAIN)
    return np.dtype((">" if endian == "big" else "<") + code)


def _parts(
    path: Path, fields: Mapping[str, str], lines: list[str], start: int, encoding: Encoding
) -> tuple[Part, ...]:
    line_skip = _whole(path, fields.get("line skip", fields.get("lineskip", "0")))
    byte_skip = _whole(path, fields.get("byte skip", fields.get("byteskip", "0")))
    if line_skip < 0 or byte_skip < -1 or (byte_skip == -1 and encoding is not Encoding.RAW):
        raise InputError(path, "its header asks to skip a negative number of bytes or lines", COPY_AGAIN)
    value = fields.get("data file", "")
    inside = encoding in (Encoding.DEFLATED, Encoding.BZIP2)
    outer, inner = (0, max(byte_skip, 0)) if inside else (byte_skip, 0)
    if not value:
        return (Part(path, start + outer if outer >= 0 else -1, inner, 0),)
    pattern = re.fullmatch(r"(\S*%\S*)\s+(\d+)\s+(\d+)\s+(\d+)(?:\s+\d+)?", value)
    if value.upper().startswith("LIST"):
        names = [line.strip() for line in lines if line.strip()]
    elif pattern:
        first, last, step = (int(n) for n in pattern.group(2, 3, 4))
        if step < 1 or last < first or (last - first) // step >= MOST_PARTS:
            raise InputError(path, f"its header numbers its files {first} to {last}", COPY_AGAIN)
        names = [_numbered(path, pattern.group(1), n) for n in range(first, last + 1, step)]
    else:
        names = [value]
    if not names or len(names) > MOST_PARTS or any("\0" in name for name in names):
        raise InputError(path, "its header names no voxel file", COPY_AGAIN)
    return tuple(Part(path.parent / name, outer, inner, line_skip) for name in names)


def _numbered(path: Path, pattern: str, number: int) -> str:
    found = re.search(r"%(0?)(\d{0,2})d", pattern)
    if found is None or pattern.count("%") != 1:
        raise InputError(path, f"its header names its files {pattern}", COPY_AGAIN)
    digits = str(number).rjust(int(found[2] or 0), "0" if found[1] else " ")
    return pattern[: found.start()] + digits + pattern[found.end() :]


def _whole(path: Path, word: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,10}", word.strip()):
        raise InputError(path, f"its header has {word[:40]!r} where a whole number belongs", COPY_AGAIN)
    return int(word)


def _number(path: Path, word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise InputError(path, f"its header has {word[:40]!r} where a number belongs", COPY_AGAIN) from None
