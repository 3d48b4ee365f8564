"""Stack or cine: asked once per input, here, by every entrance."""

from __future__ import annotations

import enum
from pathlib import Path

from ..base.errors import InputError
from .dicom_cine import holds_cine
from .image_file import read_header


class Kind(enum.StrEnum):
    """What an input is, as far as its headers say."""

    STACK = "stack"
    CINE = "cine"


def kind_of(path: str | Path, series: str | None = None) -> Kind | None:
    """Whether a file or a DICOM folder holds one stack or a film; None if it cannot be read.

    Only headers are read. ``series`` restricts a folder to the series whose UID ends so.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return Kind.CINE if holds_cine(path, series) else Kind.STACK
        return Kind.CINE if read_header(path).frames > 1 else Kind.STACK
    except InputError:
        return None
