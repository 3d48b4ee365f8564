"""Infarct and microvascular obstruction as radius tables inside the wall of the left ventricle."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy import ndimage

from .fields import periodic_ripple
from .heart import ABSENT, HeartSurfaces, angles


class Territory(enum.StrEnum):
    """Coronary artery whose territory is infarcted."""

    LAD = "LAD"
    RCA = "RCA"
    LCX = "LCX"


@dataclass(frozen=True)
class _Reach:
    """Where infarcts of a territory lie: angles in radians (0 septum, -pi/2 anterior), level 0 to 1."""

    share: float
    angle: tuple[float, float]
    half_width: tuple[float, float]
    level: tuple[float, float]
    half_height: tuple[float, float]


_REACH = {
    Territory.LAD: _Reach(0.5, (-1.3, -0.4), (0.6, 2.1), (0.15, 0.6), (0.3, 0.9)),
    Territory.RCA: _Reach(0.3, (0.9, 1.7), (0.5, 1.5), (0.45, 0.8), (0.3, 0.8)),
    Territory.LCX: _Reach(0.2, (2.2, 3.6), (0.5, 1.4), (0.4, 0.75), (0.3, 0.75)),
}


@dataclass(frozen=True)
class InfarctSurfaces:
    """Radii in mm (sub-slice, angle): the infarct lies between ``inner`` and ``outer``, the MVO inside it
    between ``mvo_inner`` and ``mvo_outer``; ``ABSENT`` where there is none."""

    territory: Territory
    transmurality: float
    inner: np.ndarray
    outer: np.ndarray
    mvo_inner: np.ndarray
    mvo_outer: np.ndarray


def draw_infarct(
    rng: np.random.Generator, surfaces: HeartSurfaces, *, territory: Territory | None, with_mvo: bool
) -> InfarctSurfaces:
    """A sub-endocardial wedge whose transmurality fades towards its borders, along angle and along z."""
    names = list(_REACH)
    drawn = names[rng.choice(len(names), p=[_REACH[name].share for name in names])]
    territory = territory or drawn
    reach = _REACH[territory]
    peak = float(rng.uniform(0.85, 1.6) if with_mvo else rng.uniform(0.45, 1.45))
    across, along = _place(rng, reach, surfaces.level)
    table = surfaces.endo.shape
    border = periodic_ripple(rng, table, (1, 6)) + 0.5 * periodic_ripple(rng, table, (7, 20))
    inside = 1 - (across**3 + along**3) + 0.22 * border
    depth = np.clip(peak * inside.clip(0) ** 0.65 * (1 + 0.15 * periodic_ripple(rng, table, (3, 14))), 0, 1)
    wall = surfaces.epi - np.maximum(surfaces.endo, 0.0)
    present = (depth > 0.18) & (surfaces.endo > 0)
    gap = 0.12 * rng.random() * (periodic_ripple(rng, table, (1, 5)) > 0.5)
    inner = np.where(present, surfaces.endo + gap * depth * wall, ABSENT)
    outer = np.where(present, surfaces.endo + depth * wall, ABSENT)
    mvo_inner, mvo_outer = _core(rng, surfaces, depth, across, along, present & with_mvo)
    return InfarctSurfaces(
        territory, min(peak, 1.0), *(t.astype(np.float32) for t in (inner, outer, mvo_inner, mvo_outer))
    )


def _place(rng: np.random.Generator, reach: _Reach, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance from the middle of the infarct, relative to its half width and half height (both tables)."""
    middle = rng.uniform(*reach.angle) + 0.5 * rng.normal() * (level - 0.5)
    half_width = rng.uniform(*reach.half_width) * (1 + 0.5 * rng.uniform(0, 1) * (0.5 - level))
    apart = np.angle(np.exp(1j * (angles()[None, :] - middle[:, None])))
    across = np.abs(apart) / half_width[:, None]
    along = np.abs(level - rng.uniform(*reach.level)) / rng.uniform(*reach.half_height)
    return across, np.broadcast_to(along[:, None], across.shape)


def _core(
    rng: np.random.Generator,
    surfaces: HeartSurfaces,
    depth: np.ndarray,
    across: np.ndarray,
    along: np.ndarray,
    present: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The dark core: in the inner half of the infarct, away from its borders."""
    size = rng.uniform(0.2, 1.0)
    ripple = periodic_ripple(rng, depth.shape, (1, 9))
    inside = np.sqrt((1 - (across / size) ** 2 - (along / size) ** 2 + 0.25 * ripple).clip(0, 1))
    middle = rng.uniform(0.32, 0.5) * depth
    half = rng.uniform(0.12, 0.44) * depth * inside
    wall = surfaces.epi - np.maximum(surfaces.endo, 0.0)
    # The core keeps 1.5 mm of infarct around it, in the neighbouring angles and levels too.
    safe = ndimage.minimum_filter(depth * wall, (7, 13), mode=cast(Any, ("nearest", "wrap"))) - 1.5
    core = present & (half * wall > 0.4) & (safe > (middle - half).clip(0.04) * wall + 0.8)
    low = np.where(core, surfaces.endo + np.maximum(middle - half, 0.04) * wall, ABSENT)
    high = np.where(core, surfaces.endo + np.minimum((middle + half) * wall, safe), ABSENT)
    return low, high
