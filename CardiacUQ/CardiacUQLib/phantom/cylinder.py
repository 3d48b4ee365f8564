"""A left ventricle simple enough for pencil and paper: a cylindrical shell with a wedge-shaped infarct."""

from __future__ import annotations

import numpy as np

from ..base.errors import UsageError
from ..bundles.classes import LGE_CLASSES
from ..images.volume import Vector3
from .grid import SliceGrid
from .model import LabelledPhantom

BLOOD, MYOCARDIUM, INFARCT, MVO = 1, 2, 3, 4
MYOCARDIAL_DENSITY = 1.05
"""Density of myocardium in g/ml, the usual value of cardiac MR mass measurements."""

_GREY = np.array([70.0, 165.0, 140.0, 175.0, 150.0], np.float32)


def cylinder_phantom(
    *,
    inner_radius: float = 22.0,
    outer_radius: float = 31.0,
    height: float = 60.0,
    infarct_angle_deg: float = 90.0,
    infarct_centre_deg: float = 0.0,
    transmurality: float = 0.5,
    mvo_angle_deg: float = 0.0,
    spacing: Vector3 = (1.5, 1.5, 5.0),
    shape: tuple[int, int, int] | None = None,
    offset_mm: Vector3 = (0.0, 0.0, 0.0),
) -> LabelledPhantom:
    """A shell of the given radii and height (mm) along z, on any voxel grid.

    The infarct spans ``infarct_angle_deg`` around ``infarct_centre_deg`` (0 along +x, growing towards +y) and
    the inner share ``transmurality`` of the wall. An MVO of ``mvo_angle_deg`` takes the middle half of the
    infarct's depth. ``shape`` (z, y, x) must hold the cylinder; None: a margin of 15 mm around it, one slice
    above and below. ``offset_mm`` (x, y, z) moves it against the grid. ``truth_ml`` is exact, and
    ``description`` holds ``lv_mass_g`` and ``infarct_mass_g`` (MVO included) at 1.05 g/ml. Raises UsageError
    for impossible measures.
    """
    _check(inner_radius, outer_radius, height, infarct_angle_deg, transmurality, mvo_angle_deg)
    half = np.array([height / 2 + spacing[2], outer_radius + 15.0, outer_radius + 15.0])
    steps = np.array(spacing[::-1])
    size = shape or tuple(int(2 * np.ceil(n)) for n in half / steps)
    if np.any(
        (np.array(size) * steps / 2) < half - np.array([spacing[2], 15.0, 15.0]) + np.abs(offset_mm[::-1])
    ):
        raise UsageError(
            f"a cylinder of {2 * outer_radius} x {height} mm does not fit a stack of shape {size}"
        )
    grid = SliceGrid((1, size[1], size[2]), spacing, 1, 7)
    wall = outer_radius - inner_radius
    dead = (inner_radius, inner_radius + transmurality * wall)
    core = (inner_radius + 0.25 * transmurality * wall, inner_radius + 0.75 * transmurality * wall)
    y_axis, x_axis = grid.axes_mm(grid.whole, grid.xy_samples)
    y, x = y_axis[:, None] - offset_mm[1], x_axis[None, :] - offset_mm[0]
    radius, angle = np.hypot(x, y), np.arctan2(y, x) - np.deg2rad(infarct_centre_deg)
    apart = np.rad2deg(np.abs(np.angle(np.exp(1j * angle))))
    plane = np.zeros(radius.shape, np.uint8)
    plane[radius < outer_radius] = MYOCARDIUM
    plane[(radius >= dead[0]) & (radius < dead[1]) & (apart < infarct_angle_deg / 2)] = INFARCT
    plane[(radius >= core[0]) & (radius < core[1]) & (apart < mvo_angle_deg / 2)] = MVO
    plane[radius < inner_radius] = BLOOD
    share = _share_of_slices(size[0], spacing[2], height, offset_mm[2])[:, None, None]
    votes = np.stack([grid.block_sum(plane[None] == label)[0] for label in range(5)]) / grid.xy_samples**2
    votes = share * votes[:, None]
    votes[0] += 1 - share
    exact = _exact_ml(inner_radius, outer_radius, height, dead, core, infarct_angle_deg, mvo_angle_deg)
    return LabelledPhantom(
        image=np.tensordot(_GREY, votes, 1).astype(np.float32),
        labels=votes.argmax(0).astype(np.uint8),
        spacing=spacing,
        classes=LGE_CLASSES,
        truth_ml=exact,
        description={
            "lv_mass_g": MYOCARDIAL_DENSITY * (exact[MYOCARDIUM] + exact[INFARCT] + exact[MVO]),
            "infarct_mass_g": MYOCARDIAL_DENSITY * (exact[INFARCT] + exact[MVO]),
            "transmurality": transmurality,
            "infarct_angle_deg": infarct_angle_deg,
        },
    )


def _share_of_slices(count: int, step: float, height: float, offset: float) -> np.ndarray:
    """Share of each slice's thickness that lies within the height of the cylinder."""
    lower = (np.arange(count) - count / 2) * step - offset
    overlap = np.minimum(lower + step, height / 2) - np.maximum(lower, -height / 2)
    return (overlap / step).clip(0, 1)


def _check(
    inner: float, outer: float, height: float, infarct_deg: float, transmurality: float, mvo_deg: float
) -> None:
    if not 0 < inner < outer or height <= 0:
        raise UsageError(
            f"a shell needs 0 < inner < outer radius and a height, not {inner}, {outer}, {height} mm"
        )
    if not 0 <= transmurality <= 1 or not 0 <= infarct_deg <= 360:
        raise UsageError("transmurality lies in 0 .. 1 and the infarct's angle in 0 .. 360 degrees")
    if not 0 <= mvo_deg <= infarct_deg:
        raise UsageError("the MVO's angle lies between 0 and the infarct's angle")


def _exact_ml(
    inner: float,
    outer: float,
    height: float,
    dead: tuple[float, float],
    core: tuple[float, float],
    infarct_deg: float,
    mvo_deg: float,
) -> dict[int, float]:
    """Sector volumes in ml: half the angle times the difference of squared radii times the height."""

    def sector(low: float, high: float, degrees: float) -> float:
        return float(np.deg2rad(degrees) / 2 * (high**2 - low**2) * height / 1000.0)

    infarct, mvo = sector(*dead, infarct_deg), sector(*core, mvo_deg)
    return {
        BLOOD: sector(0.0, inner, 360.0),
        MYOCARDIUM: sector(inner, outer, 360.0) - infarct,
        INFARCT: infarct - mvo,
        MVO: mvo,
    }
