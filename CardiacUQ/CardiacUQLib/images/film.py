"""A cine in memory: all frames of one film on one grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from .reading import volume_of
from .volume import Geometry, Volume

LEAST_SHARE = 0.5
"""A slice is missing if it holds less than this share of the image that another frame has there."""


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


def missing_slices(frames: Sequence[Volume]) -> tuple[tuple[int, ...], ...]:
    """Of every frame of one heart the slices, by index, that are missing while another frame has them.

    A ventricle without one of its slices has another volume, so that such a frame can be no phase. Slices
    that no frame has are none of the heart.
    """
    shares = np.stack([_image_shares(frame) for frame in frames])
    least = LEAST_SHARE * shares.max(axis=0)
    return tuple(tuple(np.flatnonzero(row < least).tolist()) for row in shares)


def _image_shares(frame: Volume) -> np.ndarray:
    """Share of the pixels of every slice that hold an image, (z,)."""
    if frame.no_image is None:
        return np.ones(frame.array.shape[0])
    return 1.0 - frame.no_image.mean(axis=(1, 2))
