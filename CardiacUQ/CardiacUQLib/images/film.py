"""A cine in memory: all frames of one film on one grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.errors import InputError
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
