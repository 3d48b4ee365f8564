"""The source images of a case, found by where they lie in the patient, never by name or number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..base.errors import InputError, UsageError
from ..images.dicom_headers import dicom_files
from ..images.volume import Geometry

if TYPE_CHECKING:
    from pydicom import Dataset

MOST_SHIFT = 0.55
"""In-plane, in pixels: a little more than the reader of the series lets pass."""
MOST_UNEVENNESS = 0.2
"""Along the stack, in slice distances."""
PHASE_KEYWORDS = ("TriggerTime", "TemporalPositionIdentifier")
"""What orders the phases of a slice, as :mod:`CardiacUQLib.images.dicom_cine` does."""
_REMEDY = "give the folder of the series that was segmented"
_EMPTY_IF_ABSENT = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID",
    "StudyDate", "StudyTime", "ReferringPhysicianName",
)  # fmt: skip
"""Attributes of type 2: they must be in every object derived from the images, but may be empty."""


@dataclass(frozen=True)
class SourceImages:
    """Headers of the source images (no pixels), one per stored slice k, in this order."""

    datasets: tuple[Dataset, ...]

    @property
    def first(self) -> Dataset:
        """The image that patient and study are copied from."""
        return self.datasets[0]

    @property
    def series_number(self) -> int:
        """Series number of the source, 0 if it has none."""
        return int(self.first.get("SeriesNumber") or 0)


def load_source(
    folder: str | Path, geometry: Geometry, series: str = "", frame: int | None = None
) -> SourceImages:
    """The images of ``folder`` that lie on the slices of ``geometry``, the stored grid of a case.

    ``series`` is the UID of the series, "" to take whichever lies on the grid; ``frame`` counts the phases
    of a cine from 0 where a slice has several images. Raises :class:`InputError` if a slice has no image,
    or more than one and no ``frame``, and :class:`UsageError` without pydicom.
    """
    try:
        import pydicom
    except ModuleNotFoundError as error:
        raise UsageError(
            "DICOM output needs pydicom and highdicom; pip install 'cardiacuq[dicom]'"
        ) from error
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(folder, "there is no such folder", _REMEDY)
    found: dict[int, dict[str, Dataset]] = {}
    for path in dicom_files(folder):
        image = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        if "ImagePositionPatient" not in image or (series and image.SeriesInstanceUID != series):
            continue
        k = slice_of(image, geometry)
        if k is not None:
            found.setdefault(k, {}).setdefault(str(image.SOPInstanceUID), image)
    if frame is not None:
        found = {k: _of_phase(folder, images, frame) for k, images in found.items()}
    _check(folder, found, geometry)
    datasets = tuple(_complete(folder, next(iter(found[k].values()))) for k in range(geometry.size[2]))
    return SourceImages(datasets)


def _of_phase(folder: Path, images: dict[str, Dataset], frame: int) -> dict[str, Dataset]:
    """The image of one phase among those of one slice, in the order in which the cine was read."""
    if len(images) == 1:
        return images
    for keyword in PHASE_KEYWORDS:
        times = {uid: image.get(keyword) for uid, image in images.items()}
        if None in times.values() or len(set(times.values())) < len(times):
            continue
        if not 0 <= frame < len(times):
            problem = f"there is no frame {frame}, each slice has {len(times)} phases"
            raise InputError(folder, problem, "give the cine that was segmented")
        chosen = sorted(times, key=lambda uid: float(times[uid]))[frame]
        return {chosen: images[chosen]}
    return images


def slice_of(image: Dataset, geometry: Geometry) -> int | None:
    """Number of the stored slice that an image lies on, None if it lies elsewhere."""
    if (image.get("Columns"), image.get("Rows")) != geometry.size[:2] or int(
        image.get("NumberOfFrames") or 1
    ) > 1:
        return None
    axes = np.reshape(geometry.direction, (3, 3))
    orientation = np.asarray(image.get("ImageOrientationPatient") or (0,) * 6, float)
    if np.abs(orientation - np.concatenate([axes[:, 0], axes[:, 1]])).max() > 1e-3:
        return None
    position = np.append(np.asarray(image.ImagePositionPatient, float), 1.0)
    index = np.linalg.solve(geometry.index_to_lps, position)[:3]
    k = round(index[2])
    beside = np.abs(index[:2]).max() <= MOST_SHIFT and abs(index[2] - k) <= MOST_UNEVENNESS
    return k if beside and 0 <= k < geometry.size[2] else None


def _check(folder: Path, found: dict[int, dict[str, Dataset]], geometry: Geometry) -> None:
    slices = geometry.size[2]
    if not found:
        raise InputError(folder, "no image of the folder lies on the grid of the case", _REMEDY)
    missing = [str(k + 1) for k in range(slices) if k not in found]
    if missing:
        raise InputError(folder, f"slice {', '.join(missing)} of {slices} has no image", _REMEDY)
    repeated = [len(images) for images in found.values() if len(images) > 1]
    if repeated:
        raise InputError(
            folder,
            f"{max(repeated)} images lie on one slice (several series or phases)",
            "give one series, one phase, or say which with --frame",
        )
    uids = {str(image.SeriesInstanceUID) for images in found.values() for image in images.values()}
    if len(uids) > 1:
        raise InputError(folder, f"the slices come from {len(uids)} series", _REMEDY)


def _complete(folder: Path, image: Dataset) -> Dataset:
    absent = [
        name
        for name in (
            "StudyInstanceUID",
            "SeriesInstanceUID",
            "SOPInstanceUID",
            "SOPClassUID",
            "FrameOfReferenceUID",
        )
        if not image.get(name)
    ]
    if absent:
        raise InputError(
            folder, f"the images have no {absent[0]}", "export the series from the scanner or PACS again"
        )
    for name in _EMPTY_IF_ABSENT:
        if name not in image:
            setattr(image, name, "")
    return image


def frames_of(stored: np.ndarray, source: Sequence[Dataset]) -> np.ndarray:
    """Frames (slice, rows, columns) in the order of the source images; the stored order is that order."""
    if stored.shape != (len(source), source[0].Rows, source[0].Columns):
        raise UsageError(f"a map of shape {stored.shape} does not fit {len(source)} source images")
    return np.ascontiguousarray(stored)
