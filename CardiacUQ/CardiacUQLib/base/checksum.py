"""SHA-256 of files, the fingerprint that ties a result to its image and a bundle to its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

_BLOCK = 1 << 20


def sha256_of(files: Path | Iterable[Path]) -> str:
    """Hexadecimal SHA-256 of one file, or of several files read one after the other.

    Raises OSError if a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in [files] if isinstance(files, Path) else files:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()
