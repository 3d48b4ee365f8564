"""Where the right ventricle meets the wall in front: the point that AHA segments are counted from.

It is marked by a reader, told by a label of the right ventricle, or found by networks that know one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.errors import UsageError
from ..images.volume import Geometry
from .anatomy import Anatomy, largest_region
from .transmurality import centre_yx, display_angle_deg, radii_mm, sample_chords

UP_LPS = np.array([0.0, -0.9, 1.0])
"""Anterior and head: where the anterior insertion lies, as opposed to the inferior one."""
CONTACT_MM = 6.0
FARTHEST_INSERTION_MM = 20.0
READER = "reader"
"""Who marked an insertion by hand."""


@dataclass(frozen=True)
class Insertion:
    """The anterior insertion as a point in mm RAS, and who says so: the reader or a bundle by name.

    ``error_deg`` is how far such points are off in nine of ten scans, where that was measured.
    """

    ras: tuple[float, float, float]
    by: str = READER
    error_deg: float | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know about it; nothing on a mark by hand."""
        if self.by == READER:
            return ()
        far = "" if self.error_deg is None else f", within {self.error_deg:.0f} degrees in nine of ten scans"
        return (f"segments count from an RV insertion found by {self.by}{far}; a mark by hand overrides it",)

    def as_json(self) -> dict[str, Any]:
        """Entry of ``measures.json``."""
        return {"ras": list(self.ras), "by": self.by, "error_deg": self.error_deg}


def known_insertion(measures: Mapping[str, Any]) -> Insertion | None:
    """The point that ``measures.json`` counts its segments from, None for an RV label or 12 o'clock."""
    known = (measures.get("segments") or {}).get("insertion")
    if not known:
        return None
    r, a, s = (float(v) for v in known["ras"])
    return Insertion((r, a, s), str(known["by"]), known.get("error_deg"))


def point_at_angle(
    anatomy: Anatomy, geometry: Geometry, angle_deg: float
) -> tuple[float, float, float] | None:
    """The point in mm RAS on the outside of the wall at a display angle, in the middle slice with a ring.

    The way back of :func:`insertion_from_point`; None if no slice shows a ring.
    """
    ring = np.flatnonzero(anatomy.wall.any(axis=(1, 2)) & anatomy.cavity.any(axis=(1, 2)))
    if ring.size == 0:
        return None
    z = int(ring[len(ring) // 2])
    heart = largest_region(anatomy.left_ventricle[z])
    cy, cx = centre_yx(heart)
    y, x = np.nonzero(heart)
    dy, dx = (y - cy) * geometry.spacing[1], (x - cx) * geometry.spacing[0]
    along = np.array([np.cos(np.radians(angle_deg)), -np.sin(np.radians(angle_deg))])
    radius = float(np.max(dx * along[0] + dy * along[1]))
    at = (
        cx + radius * along[0] / geometry.spacing[0],
        cy + radius * along[1] / geometry.spacing[1],
        float(z),
    )
    lps = geometry.index_to_lps @ np.array([*at, 1.0])
    return (-float(lps[0]), -float(lps[1]), float(lps[2]))


def parse_insertion(text: str, option: str = "--rv-insertion") -> tuple[float, float, float]:
    """A point such as "12.5,-30,40", R,A,S in mm; raises :class:`UsageError` naming the ``option``."""
    try:
        r, a, s = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{option} '{text}' is no point; write R,A,S in mm, such as 12.5,-30,40") from None
    return r, a, s


def check_insertion(geometry: Geometry, ras: tuple[float, float, float]) -> None:
    """Raise :class:`UsageError` for a point (mm RAS) outside the image, before anything is computed."""
    index = _index_of(geometry, ras)
    size = np.asarray(geometry.size)
    if not np.isfinite(index).all() or (index < -1.5).any() or (index > size + 0.5).any():
        raise UsageError(
            f"the RV insertion point {_named(ras)} mm RAS is outside the image; "
            "place it on the anterior junction of the right ventricle with the wall"
        )


def insertion_from_point(
    anatomy: Anatomy, geometry: Geometry, ring: np.ndarray, ras: tuple[float, float, float]
) -> float:
    """Display angle of a given RAS point (mm) about the left ventricle of its slice."""
    index, named = _index_of(geometry, ras), _named(ras)
    z = int(ring[np.argmin(np.abs(ring - index[2]))])
    off_mm = abs(index[2] - z) * geometry.spacing[2]
    if abs(index[2] - z) > 1.5:
        raise UsageError(
            f"the RV insertion point {named} mm RAS is {off_mm:.0f} mm off the "
            "slices that show the left ventricle; place it on the anterior junction of the right ventricle"
        )
    heart = largest_region(anatomy.left_ventricle[z])
    centre = centre_yx(heart)
    dy, dx = (index[1] - centre[0]) * geometry.spacing[1], (index[0] - centre[1]) * geometry.spacing[0]
    y, x = np.nonzero(heart)
    apart = np.hypot((y - index[1]) * geometry.spacing[1], (x - index[0]) * geometry.spacing[0]).min()
    radius = np.sqrt(heart.sum() * geometry.spacing[0] * geometry.spacing[1] / np.pi)
    if apart > FARTHEST_INSERTION_MM:
        raise UsageError(
            f"the RV insertion point {named} mm RAS is {apart:.0f} mm outside the left ventricle; "
            "place it on the anterior junction of the right ventricle with the wall"
        )
    if np.hypot(dy, dx) < 0.5 * radius:
        raise UsageError(
            f"the RV insertion point {named} mm RAS is in the middle of the left ventricle; "
            "place it on the anterior junction of the right ventricle with the wall"
        )
    return float(display_angle_deg(dy, dx))


def contact_arcs(anatomy: Anatomy, geometry: Geometry) -> tuple[tuple[float, float], ...]:
    """Display angles where the right ventricle begins and ends to touch the wall, slice by slice.

    Counter-clockwise from first to last; slices where it touches along less than 20 or more than 200 degrees
    are left out.
    """
    rv = anatomy.rv
    if rv is None:
        return ()
    found = (
        _contact_arc(anatomy, rv, geometry, z)
        for z in anatomy.wall_slices
        if rv[z].any() and anatomy.cavity[z].any()
    )
    return tuple(arc for arc in found if arc is not None)


def insertion_from_rv(anatomy: Anatomy, geometry: Geometry) -> tuple[float, int] | None:
    """Display angle of the anterior insertion and the turn towards the septum, from the RV label.

    In each slice the arc is sought where the right ventricle lies within 6 mm outside the wall; its
    two ends are the insertions, the anterior one is the end nearer to front and head. The slices'
    ends are averaged on the circle. None if no slice shows an arc of 20 to 200 degrees.
    """
    arcs = contact_arcs(anatomy, geometry)
    if not arcs:
        return None
    first, last = (_circular_mean([arc[end] for arc in arcs]) for end in (0, 1))
    axes = np.reshape(geometry.direction, (3, 3))
    up_x, up_y = float(axes[:, 0] @ UP_LPS), -float(axes[:, 1] @ UP_LPS)
    height = [up_x * np.cos(np.radians(a)) + up_y * np.sin(np.radians(a)) for a in (first, last)]
    return (first, 1) if height[0] >= height[1] else (last, -1)


def _index_of(geometry: Geometry, ras: tuple[float, float, float]) -> np.ndarray:
    lps = np.asarray(ras, float) * np.array([-1.0, -1.0, 1.0])
    return np.linalg.solve(geometry.index_to_lps, np.append(lps, 1.0))[:3]


def _named(ras: tuple[float, float, float]) -> str:
    return "({:.1f}, {:.1f}, {:.1f})".format(*ras)


def _contact_arc(anatomy: Anatomy, rv: np.ndarray, geometry: Geometry, z: int) -> tuple[float, float] | None:
    heart = largest_region(anatomy.left_ventricle[z])
    centre = centre_yx(heart)
    radius = radii_mm(heart, centre, geometry.spacing, beyond_mm=CONTACT_MM)
    outer = sample_chords(heart, centre, geometry.spacing, radius)
    edge = np.where(outer.any(axis=1), radius[outer.shape[1] - 1 - np.argmax(outer[:, ::-1], axis=1)], np.inf)
    beyond = (radius > edge[:, None]) & (radius <= edge[:, None] + CONTACT_MM)
    touch = np.any(sample_chords(rv[z], centre, geometry.spacing, radius) & beyond, axis=1)
    if touch.all() or not touch.any():
        return None
    start, length = _longest_run(touch, bridge=15)
    return (float(start), float((start + length) % 360)) if 20 <= length <= 200 else None


def _longest_run(touch: np.ndarray, bridge: int) -> tuple[int, int]:
    """Start and length of the longest circular run of True, gaps up to ``bridge`` closed."""
    count = len(touch)
    at = np.flatnonzero(touch)
    gap = np.diff(np.append(at, at[0] + count))
    breaks = np.flatnonzero(gap > bridge + 1)
    if breaks.size == 0:
        return int(at[0]), count
    starts = at[(breaks + 1) % len(at)]
    ends = at[np.roll(breaks, -1)]
    lengths = (ends - starts) % count + 1
    best = int(np.argmax(lengths))
    return int(starts[best]), int(lengths[best])


def _circular_mean(angles_deg: list[float]) -> float:
    return float(np.degrees(np.angle(np.exp(1j * np.radians(angles_deg)).mean())) % 360.0)
