"""The 17 segments of the left ventricle (Cerqueira et al., Circulation 2002, 105:539).

Rules that the paper leaves to the reader, all stated in the result:

* Base: the end of the stack with the larger left ventricle (mean area of cavity and wall over the end
  third of its slices, 10 % apart at least); else the end that lies towards the patient's right,
  back and head, where the mitral valve is.
* Levels: the slices with cavity are cut into thirds of their extent by the position of their centre;
  myocardium beyond the last cavity towards the apex is segment 17.
* Start: the anterior insertion of the right ventricle, from the RV label or a given point. Without
  either, sector 1 is centred on 12 o'clock of the displayed slice, and the result is no AHA model.
* Turn: from the anterior insertion through the septum; from the RV label itself where there is one,
  else counter-clockwise as seen from the apex by the patient axes of the image.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from ..base.errors import UsageError
from ..images.volume import Geometry
from .anatomy import Anatomy, largest_region
from .transmurality import centre_yx, display_angle_deg, radii_mm, sample_chords

APEX_TO_BASE_LPS = np.array([-0.2, 1.0, 0.9])
"""Usual direction of the long axis; the normal of the canonical in-plane axes."""
UP_LPS = np.array([0.0, -0.9, 1.0])
"""Anterior and head: where the anterior insertion lies, as opposed to the inferior one."""

_WALLS = ("anterior", "anteroseptal", "inferoseptal", "inferior", "inferolateral", "anterolateral")
SEGMENT_NAMES: dict[int, str] = dict(
    enumerate(
        [
            *(f"basal {wall}" for wall in _WALLS),
            *(f"mid {wall}" for wall in _WALLS),
            *(f"apical {wall}" for wall in ("anterior", "septal", "inferior", "lateral")),
            "apex",
        ],
        start=1,
    )
)
TERRITORIES = {
    "LAD": (1, 2, 7, 8, 13, 14, 17),
    "RCA": (3, 4, 9, 10, 15),
    "LCX": (5, 6, 11, 12, 16),
}
BASAL_BY_SECTOR = np.array([2, 3, 4, 5, 6, 1])
APICAL_BY_SECTOR = np.array([14, 15, 16, 13])
CLOCK_START_DEG = 120.0
CONTACT_MM = 6.0
FARTHEST_INSERTION_MM = 20.0
NO_INSERTION = "no RV insertion point: sectors are counted from 12 o'clock of the image, not AHA segments"
"""Note of a model that is no AHA model."""


class Reference(enum.StrEnum):
    """What the segments are counted from."""

    RV_INSERTION = "rv_insertion"
    IMAGE_12_OCLOCK = "image_12_oclock"


@dataclass(frozen=True, eq=False)
class SegmentModel:
    """Segments of the wall: ``labels`` uint8 (z, y, x) holds 1..17 in the myocardium, 0 elsewhere.

    ``start_deg`` is the display angle of the anterior insertion, ``turn`` +1 if the septum follows
    counter-clockwise on the display; ``base_slice`` and ``apex_slice`` are the end slices.
    """

    labels: np.ndarray
    reference: Reference
    start_deg: float
    turn: int
    base_slice: int
    apex_slice: int
    base_rule: str
    notes: tuple[str, ...] = ()

    @property
    def is_aha(self) -> bool:
        """True if counted from the RV insertion, so that the names and territories hold."""
        return self.reference is Reference.RV_INSERTION

    def name(self, segment: int) -> str:
        """Anatomical name under AHA, else a plain sector name that promises no anatomy."""
        if self.is_aha or segment == 17:
            return SEGMENT_NAMES[segment]
        level = SEGMENT_NAMES[segment].split()[0]
        first = {"basal": 0, "mid": 6, "apical": 12}[level]
        return f"{level} sector {segment - first} from 12 o'clock"

    def segment_at(self, z: int, angle_deg: np.ndarray) -> np.ndarray:
        """Segment numbers at display angles of one slice (0 if the slice has no level)."""
        level = self.level(z)
        if level is None:
            return np.zeros(np.shape(angle_deg), np.uint8)
        return _segments(level, (self.turn * (np.asarray(angle_deg) - self.start_deg)) % 360.0)

    def level(self, z: int) -> int | None:
        """0 basal, 1 mid, 2 apical; None outside the slices that show cavity."""
        span = self.apex_slice - self.base_slice
        place = (z - self.base_slice) * (1 if span >= 0 else -1)
        count = abs(span) + 1
        return int(3 * (place + 0.5) / count) if 0 <= place < count else None


def segment_model(
    anatomy: Anatomy, geometry: Geometry, rv_insertion_ras: tuple[float, float, float] | None = None
) -> SegmentModel | None:
    """Assign every myocardial voxel to one of 17 segments; None if no slice shows a ring.

    ``rv_insertion_ras`` (mm) is the anterior RV insertion point; it wins over the RV label. Raises
    :class:`UsageError` if it is not beside the left ventricle.
    """
    ring = np.flatnonzero(anatomy.wall.any(axis=(1, 2)) & anatomy.cavity.any(axis=(1, 2)))
    if ring.size == 0:
        return None
    base_last, rule = base_is_last(anatomy, geometry, ring)
    base, apex = (ring[-1], ring[0]) if base_last else (ring[0], ring[-1])
    turn = 1 if long_axis_sign(geometry) > 0 else -1
    reference, start, notes = Reference.RV_INSERTION, CLOCK_START_DEG, ()
    found = (
        None if anatomy.rv is None or rv_insertion_ras is not None else insertion_from_rv(anatomy, geometry)
    )
    if rv_insertion_ras is not None:
        start = insertion_from_point(anatomy, geometry, ring, rv_insertion_ras)
    elif found is not None:
        start, by_rv = found
        if by_rv != turn:
            notes = (
                "the right ventricle lies on the other side than the image geometry says: segments follow it",
            )
        turn = by_rv
    else:
        reference = Reference.IMAGE_12_OCLOCK
        notes = (NO_INSERTION,)
    model = SegmentModel(
        np.zeros(anatomy.wall.shape, np.uint8), reference, start, turn, int(base), int(apex), rule, notes
    )
    _paint(model, anatomy, geometry)
    return model


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


def base_is_last(anatomy: Anatomy, geometry: Geometry, ring: np.ndarray) -> tuple[bool, str]:
    """Whether the base is at the high end of the slice axis, and the rule that decided."""
    area = anatomy.left_ventricle[ring].sum(axis=(1, 2))
    third = max(1, len(ring) // 3)
    low, high = float(area[:third].mean()), float(area[-third:].mean())
    if len(ring) > 1 and abs(high - low) >= 0.10 * max(high, low):
        return high > low, "larger left ventricle"
    return long_axis_sign(geometry, along_slices=True) > 0, "patient axes"


def long_axis_sign(geometry: Geometry, *, along_slices: bool = False) -> float:
    """Positive if the display's viewing direction (or the slice axis) runs from apex to base."""
    axes = np.reshape(geometry.direction, (3, 3))
    axis = axes[:, 2] if along_slices else np.cross(axes[:, 0], axes[:, 1])
    towards = float(axis @ APEX_TO_BASE_LPS)
    return towards if abs(towards) > 1e-6 else 1.0


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


def insertion_from_rv(anatomy: Anatomy, geometry: Geometry) -> tuple[float, int] | None:
    """Display angle of the anterior insertion and the turn towards the septum, from the RV label.

    In each slice the arc is sought where the right ventricle lies within 6 mm outside the wall; its
    two ends are the insertions, the anterior one is the end nearer to front and head. The slices'
    ends are averaged on the circle. None if no slice shows an arc of 20 to 200 degrees.
    """
    rv, arcs = anatomy.rv, []
    if rv is None:
        return None
    for z in anatomy.wall_slices:
        if rv[z].any() and anatomy.cavity[z].any():
            arc = _contact_arc(anatomy, rv, geometry, z)
            if arc is not None:
                arcs.append(arc)
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


def _segments(level: int, theta_deg: np.ndarray) -> np.ndarray:
    # an angle just below a multiple of 360 is rounded to 360 itself, one sector beyond the last
    if level == 2:
        return APICAL_BY_SECTOR[(((theta_deg - 15.0) % 360.0) // 90.0).astype(int) % 4].astype(np.uint8)
    return (BASAL_BY_SECTOR[(theta_deg // 60.0).astype(int) % 6] + 6 * level).astype(np.uint8)


def _paint(model: SegmentModel, anatomy: Anatomy, geometry: Geometry) -> None:
    towards_apex = 1 if model.apex_slice >= model.base_slice else -1
    for z in anatomy.wall_slices:
        if (z - model.apex_slice) * towards_apex > 0:
            model.labels[z][anatomy.wall[z]] = 17
            continue
        if model.level(z) is None:  # wall above the last ring: outflow tract, outside the model
            continue
        y, x = np.nonzero(anatomy.wall[z])
        centre = centre_yx(anatomy.left_ventricle[z])
        angle = display_angle_deg(
            (y - centre[0]) * geometry.spacing[1], (x - centre[1]) * geometry.spacing[0]
        )
        model.labels[z, y, x] = model.segment_at(int(z), angle)
