"""Films: whether an input is one, and reading it from a 4D file or a DICOM folder."""

from __future__ import annotations

from pathlib import Path

from ..base.errors import InputError
from .dicom_cine import read_dicom_cine
from .film import Cine
from .image_file import read_image
from .kind import Kind, kind_of


def is_cine(path: str | Path, series: str | None = None) -> bool:
    """True if ``path`` is an image file with more than one frame, or a DICOM folder with the phases of a
    cine; False for whatever cannot be read."""
    return kind_of(path, series) is Kind.CINE


def read_cine(path: str | Path, series: str | None = None) -> Cine:
    """Read a film: a file with a time axis, or a DICOM folder; raises InputError for anything else.

    ``series`` chooses a DICOM series of a folder by (the end of) its UID.
    """
    path = Path(path)
    if path.is_dir():
        return read_dicom_cine(path, series)
    image = read_image(path)
    if len(image.stored) < 2:
        raise InputError(path, "the image has 3 dimensions", "give a 4D cine (x, y, z, t)")
    return Cine(path, image.stored, image.geometry, image.sha256, image.warnings)
