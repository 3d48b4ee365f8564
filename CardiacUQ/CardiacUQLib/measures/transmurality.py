"""Radial chords through the left ventricular wall: thickness, transmurality, extent.

From the centre of the left ventricle (centroid of cavity and wall in the slice) 360 radial chords go
out, one per degree. The transmurality of a chord is infarct length / wall length, no-reflow counted as
infarct. The maximum is taken over means of six neighbouring chords, so that no single voxel decides it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..images.volume import Geometry
from .anatomy import Anatomy, largest_region

CHORDS = 360
CHORDS_PER_MAXIMUM = 6
INFARCTED_FROM = 0.10
"""A chord counts as infarcted from this transmurality on; less is the ragged border of a voxel."""


@dataclass(frozen=True, eq=False)
class Chords:
    """Chords of the slices that show a ring; arrays are (slice, chord).

    ``slices`` numbers the slices; ``angle_deg`` (chord,) is counted counter-clockwise on the displayed
    slice (x to the right, y down) from the positive x axis; lengths in mm, ``infarct_mm`` is zero where
    the labels know no infarct.
    """

    slices: np.ndarray
    angle_deg: np.ndarray
    wall_mm: np.ndarray
    infarct_mm: np.ndarray

    @property
    def transmurality(self) -> np.ndarray:
        """Infarct length / wall length per chord; NaN where the chord meets no wall."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.wall_mm > 0, self.infarct_mm / self.wall_mm, np.nan)


@dataclass(frozen=True)
class Transmurality:
    """Summary over chords, in percent; mean over the infarcted chords only, 0 where there are none."""

    mean_percent: float
    max_percent: float
    infarcted_circumference_percent: float


def centre_yx(left_ventricle_yx: np.ndarray) -> tuple[float, float]:
    """Centroid (y, x) in voxels of the largest region of cavity and wall."""
    y, x = np.nonzero(largest_region(left_ventricle_yx))
    return float(y.mean()), float(x.mean())


def display_angle_deg(dy_mm: np.ndarray | float, dx_mm: np.ndarray | float) -> np.ndarray:
    """Angle 0..360 counter-clockwise on the display from the positive x axis, y pointing down."""
    return np.degrees(np.arctan2(-np.asarray(dy_mm), np.asarray(dx_mm))) % 360.0


def sample_chords(
    mask_yx: np.ndarray,
    centre: tuple[float, float],
    spacing: tuple[float, float, float],
    radius_mm: np.ndarray,
) -> np.ndarray:
    """Nearest voxel of a mask along the chords, shape (CHORDS, radius); False outside the slice."""
    angle = np.radians(np.arange(CHORDS) + 0.5)[:, None]
    x = np.rint(centre[1] + radius_mm * np.cos(angle) / spacing[0]).astype(int)
    y = np.rint(centre[0] - radius_mm * np.sin(angle) / spacing[1]).astype(int)
    inside = (y >= 0) & (y < mask_yx.shape[0]) & (x >= 0) & (x < mask_yx.shape[1])
    sampled = mask_yx[np.where(inside, y, 0), np.where(inside, x, 0)]
    return sampled & inside


def radii_mm(
    left_ventricle_yx: np.ndarray,
    centre: tuple[float, float],
    spacing: tuple[float, float, float],
    beyond_mm: float = 0.0,
) -> np.ndarray:
    """Sampling radii from the centre to past the farthest voxel, a fifth of a pixel apart."""
    y, x = np.nonzero(left_ventricle_yx)
    farthest = np.hypot((y - centre[0]) * spacing[1], (x - centre[1]) * spacing[0]).max()
    step = min(spacing[0], spacing[1]) / 5.0
    return np.arange(step / 2, farthest + max(spacing[:2]) + beyond_mm, step)


def radial_chords(anatomy: Anatomy, geometry: Geometry) -> Chords:
    """Chords of every slice that holds both cavity and wall."""
    slices, wall_rows, infarct_rows = [], [], []
    for z in anatomy.wall_slices:
        if not anatomy.cavity[z].any():
            continue
        heart = largest_region(anatomy.left_ventricle[z])
        centre = centre_yx(heart)
        radius = radii_mm(heart, centre, geometry.spacing)
        wall = sample_chords(anatomy.wall[z] & heart, centre, geometry.spacing, radius)
        infarct = (
            np.zeros_like(wall)
            if anatomy.infarct is None
            else sample_chords(anatomy.infarct[z] & heart, centre, geometry.spacing, radius)
        )
        step = radius[1] - radius[0]
        slices.append(z)
        wall_rows.append(wall.sum(axis=1) * step)
        infarct_rows.append(infarct.sum(axis=1) * step)
    return Chords(
        slices=np.asarray(slices, int),
        angle_deg=np.arange(CHORDS) + 0.5,
        wall_mm=np.reshape(wall_rows, (-1, CHORDS)),
        infarct_mm=np.reshape(infarct_rows, (-1, CHORDS)),
    )


def summarise(chords: Chords, chosen: np.ndarray | None = None) -> Transmurality | None:
    """Transmurality over the chosen chords (boolean (slice, chord)), None where none meets the wall."""
    chosen = np.ones(chords.wall_mm.shape, bool) if chosen is None else chosen
    share = chords.transmurality[chosen]
    share = share[np.isfinite(share)]
    if share.size == 0:
        return None
    infarcted = share[share >= INFARCTED_FROM]
    return Transmurality(
        mean_percent=100.0 * float(infarcted.mean()) if infarcted.size else 0.0,
        max_percent=100.0 * _maximum(chords, chosen) if infarcted.size else 0.0,
        infarcted_circumference_percent=100.0 * infarcted.size / share.size,
    )


def _maximum(chords: Chords, chosen: np.ndarray) -> float:
    """Largest transmurality of six neighbouring chords together, of those that are chosen."""
    wall, infarct = (
        np.where(chosen, lengths, 0.0).reshape(len(lengths), -1, CHORDS_PER_MAXIMUM).sum(axis=2)
        for lengths in (chords.wall_mm, chords.infarct_mm)
    )
    return float((infarct[wall > 0] / wall[wall > 0]).max())
