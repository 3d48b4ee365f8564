"""Frames of a cine: a 4D file or a DICOM folder, read once, handed out as one :class:`Volume` per frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..base.checksum import sha256_of
from ..base.errors import InputError
from .itk_silence import quiet_itk
from .reading import volume_of
from .volume import Geometry, Volume


@dataclass(frozen=True)
class Cine:
    """All frames of one 4D file or DICOM folder, (t, k, j, i) as stored, on one 3D grid."""

    path: Path
    stored: np.ndarray
    geometry: Geometry
    sha256: str

    def __len__(self) -> int:
        return len(self.stored)

    def __iter__(self) -> Iterator[Volume]:
        return (self.frame(number) for number in range(len(self)))

    def frame(self, number: int) -> Volume:
        """One frame, counted from 0; raises InputError if there is no such frame or it is empty."""
        if not 0 <= number < len(self):
            raise InputError(self.path, f"has no frame {number}", f"its frames are 0 to {len(self) - 1}")
        return volume_of(self.path, self.stored[number], self.geometry, self.sha256)


def is_cine(path: str | Path) -> bool:
    """True if ``path`` is an image file of four dimensions with more than one frame, or a DICOM folder
    with the phases of a cine."""
    path = Path(path)
    if path.is_dir():
        from .dicom_cine import holds_cine

        return holds_cine(path)
    if not path.is_file():
        return False
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    with quiet_itk():
        try:
            reader.ReadImageInformation()
        except RuntimeError:
            return False
    size = reader.GetSize()
    return len(size) == 4 and size[3] > 1


def read_cine(path: str | Path) -> Cine:
    """Read a 4D image (x, y, z, t) or a DICOM folder; raises InputError, one line, for anything else."""
    path = Path(path)
    if path.is_dir():
        from .dicom_cine import read_dicom_cine

        return read_dicom_cine(path)
    with quiet_itk():
        try:
            image = sitk.ReadImage(str(path))
        except RuntimeError:
            problem = "the file is missing, truncated or not an image"
            raise InputError(path, problem, "give a 4D NIfTI, NRRD or MetaImage file") from None
    if image.GetDimension() != 4 or image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(
            path, f"the image has {image.GetDimension()} dimensions", "give a 4D cine (x, y, z, t)"
        )
    direction = np.reshape(image.GetDirection(), (4, 4))[:3, :3]
    geometry = Geometry(
        image.GetSize()[:3],
        image.GetSpacing()[:3],
        image.GetOrigin()[:3],
        tuple(float(value) for value in direction.ravel()),
    )
    return Cine(path, sitk.GetArrayFromImage(image), geometry, sha256_of(path))
