"""Which files of a folder are DICOM: by their content, with or without the usual beginning."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

from ..base.errors import InputError
from .regular_file import is_regular, open_regular

HEAD_BYTES = 2048
_META, _IDENTIFYING = 0x0002, 0x0008
_FIRST_ELEMENTS = {0x0000, 0x0001, 0x0005, 0x0006, 0x0008, 0x0012, 0x0013, 0x0014, 0x0016, 0x0018}
_UID_ROOT = b"1.2.840.10008."


def looks_like_dicom(head: bytes) -> bool:
    """True for the first :data:`HEAD_BYTES` of a DICOM file.

    Files without preamble, and bare data sets without meta header, count too if a UID of the standard
    stands near their beginning.
    """
    if head[128:132] == b"DICM":
        return True
    if len(head) < 8 or _UID_ROOT not in head:
        return False
    for order in "<>":
        group, element = struct.unpack_from(order + "HH", head)
        if group not in (_META, _IDENTIFYING):
            continue
        if head[4:6].isalpha() and head[4:6].isupper():
            return True
        length = struct.unpack_from(order + "I", head, 4)[0]
        if element in _FIRST_ELEMENTS and length <= 256:
            return True
    return False


def is_dicom(path: Path) -> bool:
    """True for a regular file with DICOM content; False for one that cannot be opened."""
    try:
        with open_regular(path) as stream:
            return looks_like_dicom(stream.read(HEAD_BYTES))
    except (InputError, OSError):
        return False


def dicom_files(folder: Path) -> list[Path]:
    """DICOM files below the folder, hidden ones left out, in the order of their names.

    Raises InputError for a file that cannot be opened.
    """
    found = []
    for path in _files_below(folder):
        with open_regular(path) as stream:
            if looks_like_dicom(stream.read(HEAD_BYTES)):
                found.append(path)
    return found


def _files_below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(place) / name
            if not name.startswith(".") and is_regular(path):
                yield path
