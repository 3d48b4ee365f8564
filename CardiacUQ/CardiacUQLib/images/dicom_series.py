"""A folder with DICOM images: which series it holds, and one of them as a stack.

Tags and pixels are read by SimpleITK (GDCM). The stack is built from the positions in the headers,
never from file names or instance numbers, and anything that is not one regular stack is refused.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..base.errors import InputError
from .dicom_contrast import contrast_notes
from .dicom_headers import PHASE_TAGS, SliceHeader, dicom_files, read_header
from .itk_silence import quiet_itk
from .volume import IMAGE_SUFFIXES, Geometry

SAME_DIRECTION = 1e-3
SAME_PLACE_MM = 0.01
GAP_TOLERANCE = 0.02
_TAIL = 12
_IMAGE_TYPE = list(PHASE_TAGS).index("0008|0008")
_ONE_STACK = "export one phase of one stack"


@dataclass(frozen=True)
class SeriesInfo:
    """One series of a folder, as far as a person needs it to choose."""

    uid: str
    number: int
    description: str
    modality: str
    images: int

    @property
    def tail(self) -> str:
        """The end of the UID, which is enough to choose the series."""
        return self.uid[-_TAIL:]


@dataclass(frozen=True)
class DicomStack:
    """A series as one stack: ``stored`` float32 (k, j, i) on ``geometry``, ``files`` in slice order."""

    uid: str
    files: tuple[Path, ...]
    stored: np.ndarray
    geometry: Geometry
    modality: str
    warnings: tuple[str, ...]


def list_series(folder: str | Path) -> tuple[SeriesInfo, ...]:
    """The series of a folder and its sub-folders by series number; raises InputError if there are none."""
    return tuple(info for info, _ in series_of(Path(folder)))


def read_series(folder: str | Path, series: str | None = None) -> DicomStack:
    """Read one series as a stack; ``series`` is (the end of) its UID, not needed if there is only one.

    Raises InputError, one line, if the folder holds several series and none is chosen, or if the
    chosen one is not exactly one complete, regular stack.
    """
    folder = Path(folder)
    info, images = _choose(folder, series_of(folder), series)
    images, warnings = without_copies(images)
    check_alike(folder, images)
    images = sorted(images, key=lambda image: float(np.dot(image.position, images[0].normal)))
    check_positions(folder, images)
    return DicomStack(
        uid=info.uid,
        files=tuple(image.path for image in images),
        stored=read_pixels(folder, images),
        geometry=stack_geometry(folder, images),
        modality=info.modality,
        warnings=(
            *warnings,
            *contrast_notes([image.phase[_IMAGE_TYPE] for image in images], info.description),
        ),
    )


def series_of(folder: Path) -> list[tuple[SeriesInfo, list[SliceHeader]]]:
    """Every series of a folder and its sub-folders with its images, by series number."""
    groups: dict[str, list[SliceHeader]] = {}
    for path in dicom_files(folder):
        image = read_header(path)
        if image is not None:
            groups.setdefault(image.series, []).append(image)
    if not groups:
        others = sorted(p.name for p in folder.iterdir() if p.name.lower().endswith(IMAGE_SUFFIXES))
        remedy = (
            f"give the image itself, such as {others[0]}" if others else "give the folder of a DICOM series"
        )
        raise InputError(folder, "there are no DICOM images in this folder", remedy)
    found = [
        (SeriesInfo(uid, images[0].number, images[0].description, images[0].modality, len(images)), images)
        for uid, images in groups.items()
    ]
    return sorted(found, key=lambda pair: (pair[0].number, pair[0].uid))


def _choose(
    folder: Path, found: Sequence[tuple[SeriesInfo, list[SliceHeader]]], series: str | None
) -> tuple[SeriesInfo, list[SliceHeader]]:
    matching = [pair for pair in found if series is None or pair[0].uid.endswith(series.strip(" ."))]
    if len(matching) == 1:
        return matching[0]
    listed = ", ".join(
        f"{i.tail} ({i.description or i.modality}, {i.images} images)" for i, _ in matching or found
    )
    if not matching:
        raise InputError(folder, f"no series ends with {series}", f"choose with --series: {listed}")
    raise InputError(folder, f"there are {len(matching)} series", f"choose one with --series: {listed}")


def without_copies(images: Sequence[SliceHeader]) -> tuple[list[SliceHeader], tuple[str, ...]]:
    """Each SOP instance once: a folder may hold the same image under two names."""
    first = {image.instance or str(image.path): image for image in reversed(images)}
    kept = [image for image in images if first[image.instance or str(image.path)] is image]
    if len(kept) == len(images):
        return kept, ()
    return kept, (f"{len(images) - len(kept)} files repeat an image of the series and are left out",)


def check_alike(folder: Path, images: Sequence[SliceHeader]) -> None:
    """Raise InputError unless every image is one plain slice of one size, spacing and orientation."""
    for image in images:
        if image.frames > 1:
            remedy = "convert it to NIfTI, for example with dcm2niix"
            raise InputError(image.path, "this is a multi-frame (enhanced) DICOM file", remedy)
        if image.samples != 1:
            raise InputError(image.path, "this is a colour image", "give a grey-value series")
        if len(image.position) != 3 or len(image.axes) != 6 or not np.isfinite(image.position).all():
            raise InputError(
                image.path, "the image has no position or orientation", "give an original MR series"
            )
        if len(image.spacing) != 2 or not all(np.isfinite(s) and s > 0 for s in image.spacing):
            raise InputError(
                image.path, "the pixel spacing is missing or not above 0", "export the series again"
            )
        if abs(np.linalg.norm(image.normal) - 1) > 1e-2:
            raise InputError(
                image.path, "its row and column directions are not at right angles", "export it again"
            )
    _check_one(folder, images, "image sizes", lambda i: i.size)
    _check_one(folder, images, "pixel spacings", lambda i: tuple(round(s, 4) for s in i.spacing))
    apart = max(float(np.abs(np.subtract(i.axes, images[0].axes)).max()) for i in images)
    if apart > SAME_DIRECTION:
        raise InputError(folder, "the images of the series have different orientations", _ONE_STACK)


def _check_one(
    folder: Path, images: Sequence[SliceHeader], what: str, value: Callable[[SliceHeader], tuple]
) -> None:
    counts = Counter(value(image) for image in images)
    if len(counts) > 1:
        listed = ", ".join(" x ".join(f"{v:g}" for v in found) for found in counts)
        raise InputError(folder, f"the images of the series have different {what} ({listed})", _ONE_STACK)


def check_positions(folder: Path, images: Sequence[SliceHeader]) -> None:
    """Raise InputError unless the sorted slices follow each other at one distance along their normal."""
    places = places_of(images)
    gaps = np.diff(places)
    if (gaps < SAME_PLACE_MM).any():
        raise InputError(folder, _describe_repeats(images, places), _ONE_STACK)
    if not len(gaps):
        return
    usual = float(np.median(gaps))
    odd = np.flatnonzero(np.abs(gaps - usual) > GAP_TOLERANCE * usual + SAME_PLACE_MM)
    if len(odd):
        before, after, gap = places[odd[0]], places[odd[0] + 1], gaps[odd[0]]
        problem = (
            f"the slices at {before:.1f} and {after:.1f} mm are {gap:.2f} mm apart, the others {usual:.2f} mm"
        )
        missing = round(gap / usual) - 1
        if missing >= 1 and abs(gap / usual - round(gap / usual)) < 0.1:
            problem = f"{missing} slice{'s are' if missing > 1 else ' is'} missing: {problem}"
        raise InputError(folder, problem, "give the complete series")
    steps = np.subtract([i.position for i in images], images[0].position)
    beside = steps - np.outer(steps @ images[0].normal, images[0].normal)
    if np.linalg.norm(beside, axis=1).max() > min(images[0].spacing) / 2:
        raise InputError(
            folder, "the slices are shifted sideways against each other", "give a straight stack"
        )


def places_of(images: Sequence[SliceHeader]) -> np.ndarray:
    """Position of each slice along the normal, mm."""
    return np.array([float(np.dot(image.position, images[0].normal)) for image in images])


def _describe_repeats(images: Sequence[SliceHeader], places: np.ndarray) -> str:
    """What makes several images lie at one position."""
    slices = 1 + int(np.count_nonzero(np.diff(places) >= SAME_PLACE_MM))
    text = f"{len(images)} images lie at {slices} slice position{'s' * (slices != 1)}"
    for n, words in enumerate(PHASE_TAGS.values()):
        values = {image.phase[n] for image in images}
        if len(values) > 1 and len(values) * slices == len(images):
            return f"the series has several phases or contrasts: {text}, with {len(values)} {words}"
    return f"the series repeats positions: {text}"


def stack_geometry(folder: Path, images: Sequence[SliceHeader]) -> Geometry:
    """Geometry of a checked stack whose images are sorted along it."""
    first = images[0]
    places = places_of(images)
    between = float((places[-1] - places[0]) / (len(images) - 1)) if len(images) > 1 else 1.0
    row, column = (np.divide(v, np.linalg.norm(v)) for v in (first.axes[:3], first.axes[3:]))
    direction = np.stack([row, column, np.cross(row, column)], axis=1)
    return Geometry(
        size=(*first.size, len(images)),
        spacing=(first.spacing[1], first.spacing[0], between),
        origin=first.position,
        direction=tuple(float(v) for v in direction.ravel()),
    )


def read_pixels(folder: Path, images: Sequence[SliceHeader]) -> np.ndarray:
    """Rescaled grey values, float32 (k, j, i); raises InputError naming a file without all its pixels."""
    slices = []
    for image in images:
        reader = sitk.ImageFileReader()
        reader.SetFileName(os.fspath(image.path))
        reader.SetImageIO("GDCMImageIO")
        with quiet_itk():
            pixels = None
            with contextlib.suppress(RuntimeError):
                pixels = sitk.GetArrayFromImage(reader.Execute())
        if pixels is None:
            raise InputError(
                image.path, "the DICOM file is truncated or damaged", "copy or export the series again"
            )
        slices.append(pixels.reshape(image.size[1], image.size[0]).astype(np.float32))
    return np.stack(slices)
