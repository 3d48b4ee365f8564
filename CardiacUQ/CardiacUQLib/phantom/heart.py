"""The shape of the heart: radii around the long axis of the left ventricle.

Each sub-slice of the stack is described in polar coordinates around the centre of the left ventricle.
A surface is a table (sub-slice, angle) of radii in mm, ``ABSENT`` where the slice does not meet it.
Angle 0 points from the LV to the middle of the septum; negative angles are anterior, positive inferior,
pi is the lateral wall. Volumes follow from the tables by integration, free of any voxel grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fields import periodic_ripple

ANGLES = 512
ABSENT = np.float32(-100.0)


def angles() -> np.ndarray:
    """The angles of the table columns, -pi .. pi."""
    return np.linspace(-np.pi, np.pi, ANGLES, endpoint=False)


@dataclass(frozen=True)
class VentricleShape:
    """Numbers that fix both ventricles; lengths in mm, ripples relative."""

    length: float
    endo_radius: float
    wall: float
    apex_wall: float
    fullness: float
    widest: float
    septal_flattening: float
    roundness: float
    rv_reach: float
    rv_breadth: float
    rv_start: float
    rv_tilt: float
    rv_wall: float
    rv_corner: float
    rv_corner_at: float


def draw_shape(rng: np.random.Generator, length: float, infarcted: bool) -> VentricleShape:
    """A plausible adult heart at end-diastole; hearts with an infarct are larger and thinner on average."""
    return VentricleShape(
        length=length,
        endo_radius=float(np.clip(rng.normal(25.2 if infarcted else 22.5, 2.8), 16.5, 32.0)),
        wall=float(np.clip(rng.normal(9.2 if infarcted else 10.0, 1.7), 6.0, 14.0)),
        apex_wall=float(rng.uniform(5.0, 8.0)),
        fullness=float(rng.uniform(1.9, 2.5)),
        widest=float(rng.uniform(0.68, 0.9)),
        septal_flattening=float(rng.uniform(0.0, 0.07)),
        roundness=float(rng.uniform(0.015, 0.04)),
        rv_reach=float(rng.uniform(20.0, 36.0)),
        rv_breadth=float(rng.uniform(1.05, 1.35)),
        rv_start=float(rng.uniform(0.08, 0.25)),
        rv_tilt=float(rng.normal(0.0, 0.2)),
        rv_wall=float(rng.uniform(0.8, 2.8)),
        rv_corner=float(rng.uniform(0.02, 0.12)),
        rv_corner_at=float(rng.normal(0.0, 0.9)),
    )


@dataclass(frozen=True)
class HeartSurfaces:
    """Radii in mm, each (sub-slice, angle), around ``centres`` (sub-slice, (y, x)) in mm.

    ``level`` is 0 at the tip of the apex and 1 at the mitral plane. ``endo`` is the contour an observer
    draws; ``endo_rough`` is the blood border with trabeculae that the scanner sees. ``atrium`` is the left
    atrium above the mitral plane.
    """

    level: np.ndarray
    endo: np.ndarray
    endo_rough: np.ndarray
    epi: np.ndarray
    rv_endo: np.ndarray
    rv_epi: np.ndarray
    fat: np.ndarray
    atrium: np.ndarray


def bowl(level: np.ndarray, fullness: float, widest: float) -> np.ndarray:
    """Relative radius of a ventricle over its height: 0 at 0, 1 at ``widest``, slightly less at the base."""
    rise = 1 - np.clip((widest - level) / widest, 0.0, 1.0) ** fullness
    taper = 1 - 0.08 * np.clip((level - widest) / max(1 - widest, 1e-3), 0.0, 1.5) ** 2
    return np.where(level > 0, np.clip(rise, 0, 1) ** (1 / fullness) * taper, 0.0)


def lv_radii(shape: VentricleShape, level: np.ndarray, ripple: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Endocardial and epicardial radius tables of the left ventricle."""
    alpha = angles()[None, :]
    tip = shape.apex_wall / shape.length
    outline = 1 + shape.roundness * ripple - shape.septal_flattening * np.cos(alpha).clip(0) ** 2
    inner = bowl((level - tip) / (1 - tip), shape.fullness, shape.widest)[:, None]
    outer = bowl(level, shape.fullness, shape.widest)[:, None]
    endo = shape.endo_radius * inner * outline
    epi = np.maximum(
        (shape.endo_radius + shape.wall) * outer * outline, endo + 0.6 * shape.wall * (outer > 0)
    )
    outside = ((level < 0) | (level > 1))[:, None]
    return (
        np.where(outside | (endo < 1.0), ABSENT, endo).astype(np.float32),
        np.where(outside | (epi < 1.0), ABSENT, epi).astype(np.float32),
    )


def rv_radii(
    shape: VentricleShape, level: np.ndarray, epi: np.ndarray, ripple: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Endocardial and epicardial radius tables of the right ventricle: an ellipse cut by the left one.

    The ellipse reaches ``rv_reach`` beyond the septum and contains the LV centre, so that every ray from
    there leaves it exactly once.
    """
    alpha = angles()[None, :] - shape.rv_tilt
    size = bowl((level - shape.rv_start) / (1 - shape.rv_start), 1.7, 0.9)[:, None]
    above = (shape.endo_radius + shape.wall) * (level > 1)
    septum = np.maximum(np.median(np.maximum(epi, 0.0), axis=1), above)[:, None]
    reach = np.maximum(septum + shape.rv_reach * size, 1.0)
    centre, half = 0.42 * reach, 0.58 * reach
    broad = np.maximum(septum * shape.rv_breadth * (0.55 + 0.45 * size), 1.0)
    a = np.cos(alpha) ** 2 / half**2 + np.sin(alpha) ** 2 / broad**2
    b = -2 * centre * np.cos(alpha) / half**2
    c = (centre / half) ** 2 - 1
    corner = shape.rv_corner * np.cos(3 * (alpha - shape.rv_corner_at))
    radius = (-b + np.sqrt(b * b - 4 * a * c)) / (2 * a) * (1 + corner + 0.03 * ripple)
    present = (size > 0.02) & (level[:, None] <= 1.5)
    rv_endo = np.where(present, radius, ABSENT).astype(np.float32)
    return rv_endo, np.where(present, radius + shape.rv_wall, ABSENT).astype(np.float32)


def fat_radii(rng: np.random.Generator, outer: np.ndarray, abundance: float) -> np.ndarray:
    """Outer border of the epicardial fat: pads at the grooves and over the right ventricle."""
    alpha = angles()[None, :]
    pads = np.zeros_like(alpha)
    for middle, width, height in ((-1.2, 0.35, 4.5), (1.25, 0.3, 3.5), (-0.55, 0.5, 7.0), (0.4, 0.5, 3.0)):
        centre = middle + rng.normal(0, 0.2)
        pads = pads + height * rng.uniform(0.3, 1.4) * np.exp(-0.5 * ((alpha - centre) / width) ** 2)
    ripple = periodic_ripple(rng, outer.shape, (2, 7)) + 0.2 * periodic_ripple(rng, outer.shape, (8, 16))
    thickness = abundance * (pads + rng.uniform(-0.5, 1.2)) * (1 + 0.5 * ripple)
    return np.where(outer > 0, outer + thickness.clip(0), ABSENT).astype(np.float32)


@dataclass(frozen=True)
class Outflow:
    """The outflow tract: above ``level`` the cavity opens through the wall near ``angle``."""

    level: float
    angle: float
    half_width: float

    def open(self, level: np.ndarray, endo: np.ndarray, epi: np.ndarray) -> np.ndarray:
        """Endocardial radii with the gap, which widens towards the base."""
        apart = np.abs(np.angle(np.exp(1j * (angles()[None, :] - self.angle))))
        rise = ((level - self.level) / max(1 - self.level, 1e-3)).clip(0, 1)[:, None]
        return np.where((apart < self.half_width * np.sqrt(rise)) & (endo > 0), epi, endo).astype(np.float32)


def draw_surfaces(
    rng: np.random.Generator,
    shape: VentricleShape,
    level: np.ndarray,
    *,
    fat_abundance: float,
    trabeculation: float,
    outflow: Outflow | None = None,
) -> HeartSurfaces:
    """All surfaces of one heart at the given levels (0 apex, 1 base) of the sub-slices."""
    table = (len(level), ANGLES)
    endo, epi = lv_radii(shape, level, periodic_ripple(rng, table, (2, 4)))
    if outflow is not None:
        endo = outflow.open(level, endo, epi)
    rv_endo, rv_epi = rv_radii(shape, level, epi, periodic_ripple(rng, table, (2, 7)))
    where = periodic_ripple(rng, table, (1, 5)).clip(-0.8, 1.5) + 1
    crypts = where * periodic_ripple(rng, table, (8, 30)) + 0.7 * periodic_ripple(rng, table, (3, 8))
    apical = 1 + 1.5 * (1 - level.clip(0, 1))[:, None]
    depth = trabeculation * apical * crypts.clip(-0.4, 2.5)
    rough = np.where(endo > 0, np.maximum(endo - depth, 0.4 * endo), ABSENT).astype(np.float32)
    above = ((level > 1) & (level < 1.6))[:, None]
    round_ = 1 + 0.05 * periodic_ripple(rng, table, (2, 5))
    atrium = np.where(above, 0.95 * shape.endo_radius * round_, ABSENT).astype(np.float32)
    fat = fat_radii(rng, np.maximum(np.maximum(epi, rv_epi), atrium), fat_abundance)
    return HeartSurfaces(level, endo, rough, epi, rv_endo, rv_epi, fat, atrium)


def shell_ml(inner: np.ndarray, outer: np.ndarray, step_mm: float) -> float:
    """Volume in ml between two radius tables whose rows are ``step_mm`` apart (absent radii count as 0)."""
    area = 0.5 * (np.maximum(outer, 0.0) ** 2 - np.maximum(inner, 0.0) ** 2).clip(0)
    return float(area.sum(dtype=np.float64) * (2 * np.pi / ANGLES) * step_mm / 1000.0)
