"""Headers of DICOM image files, read by SimpleITK (GDCM) without the pixels."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..base.errors import InputError
from .itk_silence import quiet_itk

_DICOMDIR_CLASS = "1.2.840.10008.1.3.10"
PHASE_TAGS = {
    "0018|1060": "trigger times",
    "0020|0100": "temporal positions",
    "0018|0081": "echo times",
    "0008|0008": "image types",
    "0020|0012": "acquisitions",
}
"""What may differ between images at one position, in words."""


@dataclass(frozen=True)
class SliceHeader:
    """Header of one DICOM file; position and axes in LPS mm, pixel spacing (between rows, columns)."""

    path: Path
    series: str
    number: int
    description: str
    modality: str
    instance: str
    size: tuple[int, int]
    spacing: tuple[float, ...]
    position: tuple[float, ...]
    axes: tuple[float, ...]
    frames: int
    samples: int
    phase: tuple[str, ...]

    @property
    def normal(self) -> np.ndarray:
        """Unit vector across the slice."""
        return np.cross(self.axes[:3], self.axes[3:])


def dicom_files(folder: Path) -> list[Path]:
    """Files with the DICOM prefix below the folder, hidden ones left out."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            with path.open("rb") as stream:
                start = stream.read(132)
        except OSError as error:
            problem = f"the file cannot be opened ({error.strerror})"
            raise InputError(path, problem, "check its permissions") from None
        if start[128:] == b"DICM":
            found.append(path)
    return found


def read_header(path: Path) -> SliceHeader | None:
    """Header of an image file; None for DICOM objects that are no images (reports, directories)."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(os.fspath(path))
    reader.SetImageIO("GDCMImageIO")
    with quiet_itk():
        try:
            reader.ReadImageInformation()
        except RuntimeError:
            if _is_no_image(path):
                return None
            problem = "the DICOM file is truncated or damaged"
            raise InputError(path, problem, "copy or export the series again") from None

    def tag(key: str) -> str:
        if not reader.HasMetaDataKey(key):
            return ""
        try:
            return reader.GetMetaData(key).strip(" \0")
        except UnicodeDecodeError:
            return ""

    def numbers(key: str) -> tuple[float, ...]:
        try:
            return tuple(float(part) for part in tag(key).split("\\")) if tag(key) else ()
        except ValueError:
            return ()

    return SliceHeader(
        path=path,
        series=tag("0020|000e"),
        number=int((*numbers("0020|0011"), 0)[0]),
        description=tag("0008|103e") or tag("0018|1030"),
        modality=tag("0008|0060"),
        instance=tag("0008|0018"),
        size=(reader.GetSize()[0], reader.GetSize()[1]),
        spacing=numbers("0028|0030"),
        position=numbers("0020|0032"),
        axes=numbers("0020|0037"),
        frames=int((*numbers("0028|0008"), 1)[0]),
        samples=int((*numbers("0028|0002"), 1)[0]),
        phase=tuple(tag(key) for key in PHASE_TAGS),
    )


def _is_no_image(path: Path) -> bool:
    """True if a DICOM file that GDCM cannot show as an image says that it is none."""
    try:
        import pydicom
    except ImportError:  # pydicom is optional; without it the file counts as damaged
        return False
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
    except Exception:  # whatever is wrong with it, it does not say that it is no image
        return False
    media = str(header.file_meta.get("MediaStorageSOPClassUID", ""))
    return media == _DICOMDIR_CLASS or ("SOPClassUID" in header and "Rows" not in header)
