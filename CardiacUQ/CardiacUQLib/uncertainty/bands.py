"""Contour bands: an inner and an outer contour between which the reader's contour is expected.

A score orders the pixels of a slice from deep inside a structure (negative) to far outside (positive). The
band are the pixels whose score lies between two limits, which are chosen on cases that the networks had not
seen so that on average a stated share of the length of the reader's contour lies between them (conformal
risk control; Angelopoulos et al., ICLR 2024). Forms of the score compete; all work slice by slice, in mm.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..bundles.classes import LESIONS
from ..bundles.manifest import ClassInfo
from .traits import POOLS, WALLS

KEY = "contour_bands"
"""Name of the fit in ``manifest.calibration``."""
SHARE = 0.90
"""Share of the reader's contour that shall lie within the band."""
INSIDE, BETWEEN = 2, 1
"""Values of the map of a band: within the inner contour, between both; 0 beyond the outer one."""
WHOLE_WALL, RV = "whole wall", "RV"
LEVEL_SIGMA_MM, SOFTNESS_SIGMA_MM = 2.0, 4.0
SOFTNESS_FLOOR, SOFTNESS_UNIT = 0.1, 0.4
LEAST_P = 1e-4
_MARGIN_MM = 40.0


class BandForm(enum.StrEnum):
    """What the score of a pixel is."""

    DISTANCE = "distance"
    """Distance in mm from the drawn contour, negative inside."""
    SOFT_DISTANCE = "distance by softness"
    """The same, divided by how soft the probabilities are thereabouts: a wide band where they are vague."""
    LEVEL = "level"
    """Minus the log-odds of the structure, its probability blurred: reaches slices where none is drawn."""


@dataclass(frozen=True)
class BandFit:
    """The limits of one structure in the unit of its form's score; ``covered`` and ``width_mm``, area per
    length of the reader's contour, were measured on cases outside the fit (None where they were not)."""

    form: BandForm
    inner: float
    outer: float
    covered: float | None = None
    width_mm: float | None = None

    def __post_init__(self) -> None:
        if not self.inner <= self.outer or not math.isfinite(self.outer - self.inner):
            raise ValueError("a band needs finite limits, the inner one below the outer one")


@dataclass(frozen=True)
class BandCalibration:
    """``manifest.calibration["contour_bands"]``, by name of the structure."""

    structures: Mapping[str, BandFit]
    share: float = SHARE
    fitted_on: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Band:
    """The band of one structure of a case: how far its contours lie inside and outside of the drawn one, in
    mm on average (None where nothing is drawn), the share of the reader's contour that it is made for, and
    the share that it held on unseen cases."""

    structure: str
    inner_mm: float | None
    outer_mm: float | None
    share: float
    covered: float | None = None

    @property
    def stem(self) -> str:
        """Name of its map among the files of a case."""
        return f"band_{self.structure.lower().replace(' ', '_')}"

    @property
    def margins(self) -> str:
        """ "2.1 mm inside to 4.0 mm outside" of what is drawn."""
        if self.inner_mm is None or self.outer_mm is None:
            return "none is drawn"
        return f"{self.inner_mm:.1f} mm inside to {self.outer_mm:.1f} mm outside"

    def as_text(self) -> str:
        """ "infarct: 90 % of a reader's contour from 2.1 mm inside to 4.0 mm outside" """
        if self.inner_mm is None:
            return f"{self.structure}: {self.margins}"
        return f"{self.structure}: {100 * self.share:.0f} % of a reader's contour from {self.margins}"

    def with_coverage(self, *, holds: bool = True) -> str:
        """ "infarct, 2.1 mm inside to 4.0 mm outside; it held 92 % in unseen cases"; without ``holds``, for a
        scan unlike those cases, that it does not carry over."""
        if not holds:
            return f"{self.structure}, {self.margins}; not measured on scans like this"
        held = "" if self.covered is None else f"; it held {100 * self.covered:.0f} % in unseen cases"
        return f"{self.structure}, {self.margins}{held}"


def band_structures(classes: Sequence[ClassInfo]) -> dict[str, list[int]]:
    """Label values of what has a band: cavity, whole wall (its outer contour; the inner one is that of the
    cavity), infarct with its MVO, right ventricle."""
    values = {info.name: info.value for info in classes if info.value}
    pools = [name for name in POOLS if name in values]
    wall = [values[name] for name in WALLS if name in values]
    found = {name: [values[name]] for name in pools}
    if pools and wall:
        found[WHOLE_WALL] = sorted([*wall, *(values[name] for name in pools)])
    if all(part in values for part in LESIONS["infarct"]):
        found["infarct"] = [values[part] for part in LESIONS["infarct"]]
    return found | ({RV: [values[RV]]} if RV in values else {})


def band_colours(bands: Sequence[Band], classes: Sequence[ClassInfo]) -> dict[str, str]:
    """Colour of the band of every structure: that of its class, the muscle's for the whole wall."""
    colours = {info.name: info.colour for info in classes}
    wall = next((colours[name] for name in WALLS if name in colours), "#FFFFFF")
    return {band.structure: colours.get(band.structure, wall) for band in bands}


def band_score(form: BandForm, p: np.ndarray, drawn: np.ndarray, pixel_mm: tuple[float, float]) -> np.ndarray:
    """Score of a structure with probability ``p`` and mask ``drawn``, all (z, y, x); ``pixel_mm`` (y, x).

    Infinite where the structure is out of the question: for the forms that start from what is drawn, in
    slices where nothing is.
    """
    if form is BandForm.LEVEL:
        blurred = np.clip(_blurred(p, LEVEL_SIGMA_MM, pixel_mm), LEAST_P, 1 - LEAST_P)
        return np.where(blurred > LEAST_P, np.log1p(-blurred) - np.log(blurred), np.inf)
    distance = signed_distance(drawn, pixel_mm)
    if form is BandForm.DISTANCE:
        return distance
    softness = _blurred(4.0 * p * (1.0 - p), SOFTNESS_SIGMA_MM, pixel_mm)
    return distance / ((softness + SOFTNESS_FLOOR) / SOFTNESS_UNIT)


def signed_distance(mask: np.ndarray, pixel_mm: tuple[float, float]) -> np.ndarray:
    """Distance in mm (z, y, x), slice by slice, of pixel centres from the border of ``mask``, half way
    between its pixels and their neighbours; negative inside, infinite in slices without any."""
    from scipy import ndimage  # not at start-up

    found = np.full(mask.shape, np.inf)
    half = 0.5 * min(pixel_mm)
    for z in np.flatnonzero(mask.any(axis=(1, 2))):
        plane = np.pad(mask[z], 1)
        out, inside = (
            np.asarray(ndimage.distance_transform_edt(one, sampling=pixel_mm)) for one in (~plane, plane)
        )
        found[z] = np.where(plane, half - inside, out - half)[1:-1, 1:-1]
    return found


def contour_scores(
    score: np.ndarray, truth: np.ndarray, pixel_mm: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """The pieces of the border of ``truth`` (z, y, x), in their slices: the score half way between the two
    pixels that each piece parts, and its length in mm."""
    scores, lengths = [], []
    for axis, length in ((1, pixel_mm[1]), (2, pixel_mm[0])):
        first, second = (np.moveaxis(array, axis, 0) for array in (score, truth))
        border = second[1:] != second[:-1]
        with np.errstate(invalid="ignore"):
            scores.append(0.5 * (first[1:] + first[:-1])[border])
        lengths.append(np.full(scores[-1].shape, length))
    found = np.concatenate(scores)
    return np.where(np.isnan(found), np.inf, found), np.concatenate(lengths)


def covered_share(score: np.ndarray, fit: BandFit, truth: np.ndarray, pixel_mm: tuple[float, float]) -> float:
    """Share of the length of the reader's contour within the limits; NaN where the reader has none."""
    at, lengths = contour_scores(score, truth, pixel_mm)
    if not lengths.size:
        return float("nan")
    return float(lengths[(at >= fit.inner) & (at <= fit.outer)].sum() / lengths.sum())


def find_bands(
    calibration: BandCalibration,
    p: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[ClassInfo],
    pixel_mm: tuple[float, float],
) -> tuple[tuple[Band, ...], dict[str, np.ndarray]]:
    """Bands of a case and by structure its map (z, y, x), uint8: :data:`INSIDE`, :data:`BETWEEN` or 0.

    ``p`` (C, z, y, x) is the mean softmax of both opinions, ``labels`` (z, y, x) what is drawn.
    """
    found, maps = [], {}
    for name, values in band_structures(classes).items():
        fit = calibration.structures.get(name)
        if fit is None:
            continue
        score, drawn, window = structure_score(fit.form, p, labels, values, pixel_mm)
        whole = np.zeros(labels.shape, np.uint8)
        band = (score >= fit.inner) & (score <= fit.outer)
        whole[window] = np.where(score < fit.inner, INSIDE, np.where(band, BETWEEN, 0))
        maps[name] = whole
        found.append(Band(name, *_margins(score, drawn, fit, pixel_mm), calibration.share, fit.covered))
    return tuple(found), maps


def structure_score(
    form: BandForm,
    p: np.ndarray,
    labels: np.ndarray,
    values: Sequence[int],
    pixel_mm: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray, tuple[slice, ...]]:
    """Score and mask of the structure with these label values, in the window of the volume where it may be,
    and that window; ``p`` (C, z, y, x), ``labels`` (z, y, x)."""
    probability, mask = p[list(values)].sum(axis=0), np.isin(labels, values)
    window = _window(mask | (probability > 10 * LEAST_P), pixel_mm)
    score = band_score(form, probability[window], mask[window], pixel_mm)
    return score, mask[window], window


def _window(marked: np.ndarray, pixel_mm: tuple[float, float]) -> tuple[slice, ...]:
    """All slices, and the part of the plane around what is marked; everything where nothing is."""
    plane = marked.any(axis=0)
    if not plane.any():
        return (slice(None),) * 3
    window = [slice(None)]
    for axis, mm in enumerate(pixel_mm):
        there, margin = np.flatnonzero((plane if axis else plane.T).any(axis=0)), math.ceil(_MARGIN_MM / mm)
        window.append(slice(max(int(there[0]) - margin, 0), int(there[-1]) + margin + 1))
    return tuple(window)


def _margins(
    score: np.ndarray, drawn: np.ndarray, fit: BandFit, pixel_mm: tuple[float, float]
) -> tuple[float | None, float | None]:
    """Mean distance of both contours from the drawn one: the area between by the length.

    Borders of pixels are longer than what they approximate by 4 / pi on average over all directions. Slices
    without a drawn contour do not count.
    """
    shown = drawn.any(axis=(1, 2))
    if not shown.any():
        return None, None
    score, drawn = score[shown], drawn[shown]
    length = float(contour_scores(score, drawn, pixel_mm)[1].sum()) * math.pi / 4
    if not length:
        return None, None
    area = pixel_mm[0] * pixel_mm[1]
    inner = int((drawn & (score >= fit.inner)).sum()) - int((~drawn & (score < fit.inner)).sum())
    outer = int((~drawn & (score <= fit.outer)).sum()) - int((drawn & (score > fit.outer)).sum())
    return round(inner * area / length, 2), round(outer * area / length, 2)


def _blurred(values: np.ndarray, sigma_mm: float, pixel_mm: tuple[float, float]) -> np.ndarray:
    from scipy import ndimage  # not at start-up

    sigma = (0.0, sigma_mm / pixel_mm[0], sigma_mm / pixel_mm[1])
    return ndimage.gaussian_filter(np.asarray(values, np.float32), sigma).astype(np.float64)
