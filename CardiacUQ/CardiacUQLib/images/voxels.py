"""The voxel bytes that a :class:`StoredGrid` describes: all of them, with their checksum, and no more.

Decompression stops soon after the promised size, so that a few kilobytes cannot fill the memory.
"""

from __future__ import annotations

import bz2
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from ..base.errors import InputError
from .regular_file import open_regular
from .stored_grid import COPY_AGAIN, Axis, Encoding, Part, StoredGrid

BLOCK = 1 << 20
MOST_BEYOND = 1 << 24
"""Bytes after the voxels that are passed over; a file that goes on longer is not what its header says."""
_GZIP = b"\x1f\x8b"
_ZLIB_OR_GZIP = 47
_ORDER = (Axis.FRAME, Axis.K, Axis.J, Axis.I, Axis.COMPONENT)
_LONGEST_NUMBER = 32


class _Decompressor(Protocol):
    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def read_voxels(grid: StoredGrid, *, alone: bool = False) -> np.ndarray:
    """All stored values, unscaled, in native byte order, as (frame, k, j, i, component).

    Raises InputError if bytes are missing, a checksum is wrong or the file goes on far beyond its voxels;
    where they are ``alone`` in their file, by a slice or more: its header then hides slices.
    """
    if grid.encoding in (Encoding.TEXT, Encoding.HEX):
        flat = _from_text(grid)
    else:
        slices = max(1, grid.geometry.size[2] * grid.frames)
        most = min(MOST_BEYOND, grid.wanted_bytes // slices - 1) if alone else MOST_BEYOND
        flat = np.frombuffer(_bytes_of(grid, most, alone), grid.dtype)
    array = flat.reshape(grid.shape)
    order = [grid.axes.index(axis) for axis in _ORDER if axis in grid.axes]
    array = array.transpose(order)
    if Axis.FRAME not in grid.axes:
        array = array[None]
    if Axis.COMPONENT not in grid.axes:
        array = array[..., None]
    return np.ascontiguousarray(array, dtype=grid.dtype.newbyteorder("="))


def scaled(stored: np.ndarray, grid: StoredGrid) -> np.ndarray:
    """Grey values of ``stored``; of its own type where the header asks for no scale, else float64."""
    if grid.slope == 1.0 and grid.intercept == 0.0:
        return stored
    with np.errstate(over="ignore", invalid="ignore"):
        return stored * np.float64(grid.slope) + grid.intercept


def is_gzipped(path: Path) -> bool:
    """True if the file is gzip-compressed, whatever its name says."""
    with open_regular(path) as stream:
        return stream.read(2) == _GZIP


def first_bytes(path: Path, count: int) -> bytes:
    """The first ``count`` bytes of a file, decompressed if it is gzipped; fewer where it is shorter.

    Raises InputError for damaged compression.
    """
    with open_regular(path) as stream:
        start = stream.read(2)
        stream.seek(0)
        if start != _GZIP:
            return stream.read(count)
        found = bytearray()
        for block in _inflated(path, stream, Encoding.DEFLATED):
            found += block
            if len(found) >= count:
                break
    return bytes(found[:count])


def _bytes_of(grid: StoredGrid, most: int, alone: bool) -> bytearray:
    """The voxel bytes of all parts one after the other; at most ``most`` bytes may follow them."""
    buffer = bytearray(grid.wanted_bytes)
    filled = 0
    for part in grid.parts:
        if filled == len(buffer):
            break
        with open_regular(part.path) as stream:
            _seek(grid, part, stream)
            filled = _fill(grid, part, stream, buffer, filled, most, alone)
    if filled < len(buffer):
        where = grid.parts[-1].path if grid.parts else grid.path
        raise InputError(
            where, f"the file is truncated: {filled} of {len(buffer)} bytes are there", COPY_AGAIN
        )
    return buffer


def _seek(grid: StoredGrid, part: Part, stream: BinaryIO) -> None:
    for _ in range(part.lines):
        stream.readline(BLOCK)
    if part.skip >= 0:
        stream.seek(part.skip, 1 if part.lines else 0)
        return
    each = grid.wanted_bytes // max(1, len(grid.parts))
    size = stream.seek(0, 2)
    if size < each:
        raise InputError(part.path, f"the file is truncated: {size} of {each} bytes are there", COPY_AGAIN)
    stream.seek(size - each)


def _fill(
    grid: StoredGrid, part: Part, stream: BinaryIO, buffer: bytearray, filled: int, most: int, alone: bool
) -> int:
    """Copy one part's bytes to ``buffer`` from ``filled`` on, and read on to its checksum; the new end."""
    skip, beyond = part.skip_inside, 0
    source = _plain(stream) if grid.encoding is Encoding.RAW else _inflated(part.path, stream, grid.encoding)
    for block in source:
        if skip >= len(block):
            skip -= len(block)
            continue
        block, skip = block[skip:], 0
        taken = block[: len(buffer) - filled]
        buffer[filled : filled + len(taken)] = taken
        filled += len(taken)
        beyond += len(block) - len(taken)
        if beyond > most:
            raise InputError(part.path, "the file holds more voxels than its header says", COPY_AGAIN)
        if filled == len(buffer) and grid.encoding is Encoding.RAW and not alone:
            break
    return filled


def _plain(stream: BinaryIO) -> Iterator[bytes]:
    while block := stream.read(BLOCK):
        yield block


def _inflated(path: Path, stream: BinaryIO, encoding: Encoding) -> Iterator[bytes]:
    """Decompressed blocks up to the end of the last member; raises InputError for damage or a missing end."""
    start: Callable[[], Any] = (
        bz2.BZ2Decompressor if encoding is Encoding.BZIP2 else lambda: zlib.decompressobj(_ZLIB_OR_GZIP)
    )
    magic = b"BZh" if encoding is Encoding.BZIP2 else _GZIP
    decompressor, pending = start(), b""
    ended = False
    try:
        while True:
            if not pending and getattr(decompressor, "needs_input", True):
                pending = stream.read(BLOCK)
                ended = not pending
            block = decompressor.decompress(pending, BLOCK)
            pending = getattr(decompressor, "unconsumed_tail", b"")
            if block:
                yield block
            elif ended and not decompressor.eof:
                raise EOFError
            if decompressor.eof:  # another member may follow, or padding
                pending = decompressor.unused_data or stream.read(BLOCK)
                if not pending.startswith(magic):
                    return
                decompressor = start()
    except (EOFError, zlib.error, OSError, ValueError):
        raise InputError(path, "the file is truncated or damaged", COPY_AGAIN) from None


def _from_text(grid: StoredGrid) -> np.ndarray:
    """Values written as numbers, or bytes written as hexadecimal digits."""
    hexadecimal = grid.encoding is Encoding.HEX
    most = grid.wanted_bytes * 3 if hexadecimal else grid.count * _LONGEST_NUMBER
    words = bytearray()
    for part in grid.parts:
        with open_regular(part.path) as stream:
            _seek(grid, part, stream)
            words += stream.read(most + MOST_BEYOND) + b"\n"
    try:
        if hexadecimal:
            raw = bytes.fromhex(re.sub(rb"\s+", b"", bytes(words)).decode("ascii"))
            flat = np.frombuffer(raw[: grid.wanted_bytes], grid.dtype)
        else:
            numbers = bytes(words).split(None, grid.count)[: grid.count]
            flat = np.array(numbers, dtype=f"S{_LONGEST_NUMBER}").astype(np.float64).astype(grid.dtype)
    except (ValueError, OverflowError):
        raise InputError(grid.path, "its voxels are no numbers", COPY_AGAIN) from None
    if flat.size < grid.count:
        problem = f"the file is truncated: {flat.size} of {grid.count} numbers are there"
        raise InputError(grid.path, problem, COPY_AGAIN)
    return flat
