"""The 17 segments of the left ventricle (Cerqueira et al., Circulation 2002, 105:539).

Rules that the paper leaves to the reader, all stated in the result:

* Base: the end of the stack with the larger left ventricle (mean area of cavity and wall over the end
  third of its slices, 10 % apart at least); else the end that lies towards the patient's right,
  back and head, where the mitral valve is.
* Levels: the slices with cavity are cut into thirds of their extent by the position of their centre;
  myocardium beyond the last cavity towards the apex is segment 17.
* Start: the anterior insertion of the right ventricle, from a given point, the RV label, or networks that
  know a right ventricle (:mod:`CardiacUQLib.inference.insertion`). Without any, sector 1 is centred on
  12 o'clock of the displayed slice, and the result is no AHA model.
* Turn: from the anterior insertion through the septum; from the RV label itself where there is one,
  else counter-clockwise as seen from the apex by the patient axes of the image.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from ..base.errors import UsageError
from ..images.volume import Geometry
from .anatomy import Anatomy
from .insertion import Insertion, insertion_from_point, insertion_from_rv
from .transmurality import centre_yx, display_angle_deg

APEX_TO_BASE_LPS = np.array([-0.2, 1.0, 0.9])
"""Usual direction of the long axis; the normal of the canonical in-plane axes."""

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
NO_INSERTION = "no RV insertion point: sectors are counted from 12 o'clock of the image, not AHA segments"
"""Note of a model that is no AHA model."""
OTHER_SIDE = "the right ventricle lies on the other side than the image geometry says: segments follow it"
"""Note of a model that turns as its RV label says."""


class Reference(enum.StrEnum):
    """What the segments are counted from."""

    RV_INSERTION = "rv_insertion"
    IMAGE_12_OCLOCK = "image_12_oclock"


@dataclass(frozen=True, eq=False)
class SegmentModel:
    """Segments of the wall: ``labels`` uint8 (z, y, x) holds 1..17 in the myocardium, 0 elsewhere.

    ``start_deg`` is the display angle of the anterior insertion, ``turn`` +1 if the septum follows
    counter-clockwise on the display; ``base_slice`` and ``apex_slice`` are the end slices.
    ``insertion`` is the point it is counted from, None for an RV label or 12 o'clock.
    """

    labels: np.ndarray
    reference: Reference
    start_deg: float
    turn: int
    base_slice: int
    apex_slice: int
    base_rule: str
    insertion: Insertion | None = None
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
    anatomy: Anatomy,
    geometry: Geometry,
    rv_insertion_ras: tuple[float, float, float] | None = None,
    known: Insertion | None = None,
) -> SegmentModel | None:
    """Assign every myocardial voxel to one of 17 segments; None if no slice shows a ring.

    ``rv_insertion_ras`` (mm) is the anterior RV insertion point marked now; it wins over the RV label, and
    that over ``known``, a point marked or found before, which is left out where it fits these labels no more.
    Raises :class:`UsageError` if the point marked now is not beside the left ventricle.
    """
    ring = np.flatnonzero(anatomy.wall.any(axis=(1, 2)) & anatomy.cavity.any(axis=(1, 2)))
    if ring.size == 0:
        return None
    base_last, rule = base_is_last(anatomy, geometry, ring)
    base, apex = (ring[-1], ring[0]) if base_last else (ring[0], ring[-1])
    begin = _beginning(anatomy, geometry, ring, rv_insertion_ras, known)
    empty = np.zeros(anatomy.wall.shape, np.uint8)
    model = SegmentModel(empty, base_slice=int(base), apex_slice=int(apex), base_rule=rule, **begin)
    _paint(model, anatomy, geometry)
    return model


class _Beginning(TypedDict):
    """The fields of a model that say where it begins."""

    reference: Reference
    start_deg: float
    turn: int
    insertion: Insertion | None
    notes: tuple[str, ...]


def _beginning(
    anatomy: Anatomy,
    geometry: Geometry,
    ring: np.ndarray,
    marked: tuple[float, float, float] | None,
    known: Insertion | None,
) -> _Beginning:
    """Where segments begin and which way they turn: by the mark, else the label, else what is known."""
    turn = geometric_turn(geometry)
    counted = Reference.RV_INSERTION
    if marked is not None:
        start = insertion_from_point(anatomy, geometry, ring, marked)
        return _Beginning(
            reference=counted, start_deg=start, turn=turn, insertion=Insertion(marked), notes=()
        )
    if anatomy.rv is not None and (arc := insertion_from_rv(anatomy, geometry)) is not None:
        start, by_rv = arc
        notes = () if by_rv == turn else (OTHER_SIDE,)
        return _Beginning(reference=counted, start_deg=start, turn=by_rv, insertion=None, notes=notes)
    if known is not None:
        try:
            start = insertion_from_point(anatomy, geometry, ring, known.ras)
            return _Beginning(
                reference=counted, start_deg=start, turn=turn, insertion=known, notes=known.notes
            )
        except UsageError:  # the heart was drawn elsewhere since
            pass
    return _Beginning(
        reference=Reference.IMAGE_12_OCLOCK,
        start_deg=CLOCK_START_DEG,
        turn=turn,
        insertion=None,
        notes=(NO_INSERTION,),
    )


def base_is_last(anatomy: Anatomy, geometry: Geometry, ring: np.ndarray) -> tuple[bool, str]:
    """Whether the base is at the high end of the slice axis, and the rule that decided."""
    area = anatomy.left_ventricle[ring].sum(axis=(1, 2))
    third = max(1, len(ring) // 3)
    low, high = float(area[:third].mean()), float(area[-third:].mean())
    if len(ring) > 1 and abs(high - low) >= 0.10 * max(high, low):
        return high > low, "larger left ventricle"
    return long_axis_sign(geometry, along_slices=True) > 0, "patient axes"


def geometric_turn(geometry: Geometry) -> int:
    """+1 if, by the patient axes, the septum follows the insertion counter-clockwise on the display."""
    return 1 if long_axis_sign(geometry) > 0 else -1


def long_axis_sign(geometry: Geometry, *, along_slices: bool = False) -> float:
    """Positive if the display's viewing direction (or the slice axis) runs from apex to base."""
    axes = np.reshape(geometry.direction, (3, 3))
    axis = axes[:, 2] if along_slices else np.cross(axes[:, 0], axes[:, 1])
    towards = float(axis @ APEX_TO_BASE_LPS)
    return towards if abs(towards) > 1e-6 else 1.0


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
