"""Frames of a cine: a 4D file or a DICOM folder, read once, handed out as one :class:`Volume` per frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from .image_file import read_image
from .kind import Kind, kind_of
from .reading import volume_of
from .volume import Geometry, Volume


@dataclass(frozen=True)
class Cine:
    """All frames of one 4D file or DICOM folder, (t, k, j, i) as stored, on one 3D grid.

    ``warnings`` are about the whole film; each frame adds its own.
    """

    path: Path
    stored: np.ndarray
    geometry: Geometry
    sha256: str
    warnings: tuple[str, ...] = ()
    modality: str = ""
    series: str = ""
    padding: float | None = None

    def __len__(self) -> int:
        return len(self.stored)

    def __iter__(self) -> Iterator[Volume]:
        return (self.frame(number) for number in range(len(self)))

    def frame(self, number: int) -> Volume:
        """One frame, counted from 0; raises InputError if there is no such frame or it is empty."""
        if not 0 <= number < len(self):
            raise InputError(self.path, f"has no frame {number}", f"its frames are 0 to {len(self) - 1}")
        return volume_of(
            self.path,
            self.stored[number],
            self.geometry,
            self.sha256,
            self.warnings,
            self.modality,
            self.series,
            padding=self.padding,
        )


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
        from .dicom_cine import read_dicom_cine

        return read_dicom_cine(path, series)
    image = read_image(path)
    if len(image.stored) < 2:
        raise InputError(path, "the image has 3 dimensions", "give a 4D cine (x, y, z, t)")
    return Cine(path, image.stored, image.geometry, image.sha256, image.warnings)
