"""The seal of a case folder: size and SHA-256 of each of its files, and of ``case.json`` itself.

A folder whose files are not those of its seal is not finished, whatever else it holds. What a review writes
later is outside: ``review.json``, and ``measures.json`` once the networks' own measures, under the same seal,
lie beside it. The report is drawn from the rest and may be drawn anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any

from ..base.checksum import sha256_of
from ..base.errors import InputError
from ..base.json_codec import Between, Matches

AGAIN = "copy the whole folder again or segment the image again"
SEAL = "seal"
"""Entry of ``case.json``: the SHA-256 of all its other entries."""


@dataclass(frozen=True)
class FileSeal:
    """What a file was when the case was finished; ``size`` in bytes."""

    size: Annotated[int, Between(0, 2**40)]
    sha256: Annotated[str, Matches("[0-9a-f]{64}", "64 hexadecimal digits")]

    @classmethod
    def of(cls, path: Path) -> FileSeal:
        """The seal of a file as it is; raises OSError."""
        return cls(path.stat().st_size, sha256_of(path))


def seal_files(folder: Path) -> dict[str, FileSeal]:
    """The seal of every file in a folder, by its path from there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): FileSeal.of(path) for path in files}


def check_files(folder: Path, files: Mapping[str, FileSeal]) -> None:
    """Raise InputError naming the first file that is missing, of another size, or changed."""
    for name, sealed in files.items():
        check_file(folder / name, sealed)


def check_file(path: Path, sealed: FileSeal) -> None:
    """Raise InputError unless a file is the one that was sealed."""
    if not path.is_file():
        raise InputError(path.parent, f"{path.name} is missing", AGAIN)
    try:
        if (size := path.stat().st_size) != sealed.size:
            problem = f"the file is truncated or was changed: {size} of {sealed.size} bytes are there"
            raise InputError(path, problem, AGAIN)
        if sha256_of(path) != sealed.sha256:
            raise InputError(path, "the file is damaged or was changed (SHA-256)", AGAIN)
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", "check its permissions") from None


def check_names(names: Mapping[str, Any], source: Path) -> None:
    """Raise InputError for the name of a file that would lie outside the folder."""
    for name in names:
        posix, windows = PurePosixPath(name), PureWindowsPath(name)
        outside = posix.is_absolute() or windows.drive or windows.root
        if outside or ".." in {*posix.parts, *windows.parts} or not posix.parts or "\0" in name:
            raise InputError(source, f"its file {name!r} lies outside the case folder", AGAIN)


def document_seal(document: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON document without its own :data:`SEAL`, the same however it is laid out."""
    content = {key: value for key, value in document.items() if key != SEAL}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()
