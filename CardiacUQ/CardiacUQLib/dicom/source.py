"""The source images of a case, found by where they lie in the patient, never by name or number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..base.errors import InputError, UsageError
from ..images.dicom_cine import is_film, phases_of
from ..images.dicom_folder import Series, scan
from ..images.dicom_headers import FrameHeader, read_dataset
from ..images.dicom_series import stack_frames
from ..images.dicom_stack import stack_geometry
from ..images.placement import same_place
from ..images.series_selector import SeriesSelector
from ..images.volume import Geometry, StorageOrder
from .references import TrueImage, stand_in
from .stripped import completed

if TYPE_CHECKING:
    from pydicom import Dataset

_REMEDY = "give the folder of the series that was segmented"


@dataclass(frozen=True)
class SourceImages:
    """Headers of the source images (no pixels), one per slice of the series, in this order.

    ``order`` brings an array stored on the grid of the case to the slices of the series. Where the series
    is not one of classic images, ``datasets`` stand in for its frames, and ``references`` says by SOP
    instance UID what each stands for; ``objects`` are the true headers, each once.
    """

    datasets: tuple[Dataset, ...]
    order: StorageOrder
    objects: tuple[Dataset, ...]
    references: dict[str, TrueImage]

    @property
    def first(self) -> Dataset:
        """The image that patient and study are copied from."""
        return self.datasets[0]

    @property
    def series_number(self) -> int:
        """Series number of the source, 0 if it has none that is a number."""
        try:
            return max(0, int(self.first.get("SeriesNumber") or 0))
        except (TypeError, ValueError):
            return 0


def load_source(
    folder: str | Path, geometry: Geometry, series: str = "", frame: int | None = None
) -> SourceImages:
    """The images of ``folder`` that lie on the slices of ``geometry``, the stored grid of a case.

    ``series`` is its selector (:mod:`series_selector`), "" to take whichever lies on the grid; ``frame``
    counts the phases of a cine from 0 where a slice has several images. The grid may be stored in another
    order and direction than the series. Raises :class:`InputError` if no series, or more than one, lies
    there, and :class:`UsageError` without pydicom.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(folder, "there is no such folder", _REMEDY)
    selector = SeriesSelector.parse(series)
    candidates = [one for one in scan(folder).series if _named(one, selector)]
    if not candidates:
        raise InputError(folder, f"no series ends with {selector.uid}", _REMEDY)
    found: list[tuple[Sequence[FrameHeader], StorageOrder]] = []
    problems: list[InputError] = []
    for one in candidates:
        try:
            slices = _slices(folder, one, selector.contrast, frame)
        except InputError as error:
            problems.append(error)
            continue
        order = same_place(geometry, stack_geometry(slices))
        if order is not None:
            found.append((slices, order))
    if not found and len(candidates) == 1 and problems:
        raise problems[0]
    if not found:
        raise InputError(folder, "no image of the folder lies on the grid of the case", _REMEDY)
    if len(found) > 1:
        problem = f"{len(found)} series lie on the slices of the case"
        raise InputError(folder, problem, "give the folder of one series")
    return _images(folder, *found[0])


def frames_of(stored: np.ndarray, source: SourceImages) -> np.ndarray:
    """Frames (slice, rows, columns) in the order of the source images, of an array as the case stores it."""
    frames = source.order.from_stored(stored)
    if frames.shape != (len(source.datasets), source.first.Rows, source.first.Columns):
        raise UsageError(f"a map of shape {frames.shape} does not fit {len(source.datasets)} source images")
    return np.ascontiguousarray(frames)


def _named(series: Series, selector: SeriesSelector) -> bool:
    patient = not selector.patient or series.info.patient == selector.patient
    return patient and any(uid.endswith(selector.uid) for uid in series.uids)


def _slices(folder: Path, series: Series, contrast: str, frame: int | None) -> Sequence[FrameHeader]:
    """One frame per slice, in slice order: the only one, or that of a phase."""
    if not is_film(folder, series):
        return stack_frames(folder, series.frames, contrast)[0]
    if frame is None:
        problem = "several images lie on one slice (the phases of a cine)"
        raise InputError(folder, problem, "say which phase with --frame")
    slices, _ = phases_of(folder, series.frames, contrast)
    if not 0 <= frame < len(slices[0]):
        problem = f"there is no frame {frame}, each slice has {len(slices[0])} phases"
        raise InputError(folder, problem, "give the cine that was segmented")
    return [phases[frame] for phases in slices]


def _images(folder: Path, slices: Sequence[FrameHeader], order: StorageOrder) -> SourceImages:
    headers = {frame.path: completed(folder, read_dataset(frame.path, all_tags=True)[0]) for frame in slices}
    enhanced = any("SharedFunctionalGroupsSequence" in header for header in headers.values())
    if not enhanced and len(headers) == len(slices) and len({frame.series for frame in slices}) == 1:
        datasets = tuple(headers[frame.path] for frame in slices)
        return SourceImages(datasets, order, datasets, {})
    stand_ins = [stand_in(headers[frame.path], frame, headers[slices[0].path]) for frame in slices]
    references = {str(image.SOPInstanceUID): reference for image, reference in stand_ins}
    return SourceImages(tuple(image for image, _ in stand_ins), order, tuple(headers.values()), references)
