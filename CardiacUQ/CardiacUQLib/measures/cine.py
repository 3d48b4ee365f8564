"""Measures of cine frames: ventricular volumes, ejection fraction, mass, wall thickness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.errors import UsageError
from ..bundles.manifest import ClassInfo
from ..images.volume import Geometry
from .aha import SegmentModel, segment_model
from .anatomy import anatomy_of, percent, stack_notes
from .display import INTERVAL_FIELDS
from .insertion import Insertion
from .lge import segments_json
from .segments import SegmentMeasures, per_segment, per_territory
from .size_catalogue import Scan
from .sizes import Size, only_values, sizes_of, sizes_with_intervals, structures_in, structures_of
from .transmurality import radial_chords

SAME_FIGURE = {
    "ED": {"lv_volume_ml": "edv_ml", "rv_volume_ml": "rv_edv_ml"},
    "ES": {"lv_volume_ml": "esv_ml", "rv_volume_ml": "rv_esv_ml"},
}
"""By phase the sizes of a frame, and what they are called in the pair."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One cine frame: uint8 labels (z, y, x) on ``geometry``, and the class volumes of its passes."""

    labels: np.ndarray
    geometry: Geometry
    pass_volumes_ml: np.ndarray | None = None
    scs: np.ndarray | None = None
    error_probability: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class FrameMeasures:
    """One frame of unknown phase: volumes, mass, wall thickness per segment."""

    sizes: Mapping[str, Size]
    segment_model: SegmentModel | None
    segments: tuple[SegmentMeasures, ...]
    territories: tuple[SegmentMeasures, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Content of ``measures.json`` of one frame."""
        return {
            "kind": Scan.FRAME.value,
            "sizes": {key: size.as_json() for key, size in self.sizes.items()},
            "segments": segments_json(self.segment_model, self.segments, self.territories),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, eq=False)
class CineMeasures:
    """End-diastole and end-systole together; ``ed`` and ``es`` keep the frames' own measures."""

    sizes: Mapping[str, Size]
    ed: FrameMeasures
    es: FrameMeasures
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Content of ``measures.json`` of a pair; thickening per segment in percent of the ED thickness."""
        thickening = [
            None
            if a.wall_thickness_mm is None or b.wall_thickness_mm is None
            else percent(b.wall_thickness_mm - a.wall_thickness_mm, a.wall_thickness_mm)
            for a, b in zip(self.ed.segments, self.es.segments, strict=False)
        ]
        return {
            "kind": Scan.PAIR.value,
            "sizes": {key: size.as_json() for key, size in self.sizes.items()},
            "ed": self.ed.as_json(),
            "es": self.es.as_json(),
            "wall_thickening_percent": thickening,
            "notes": list(self.notes),
        }


def frame_measures(
    frame: Frame,
    classes: Sequence[ClassInfo],
    *,
    intervals: Mapping[str, Any] | None = None,
    rv_insertion_ras: tuple[float, float, float] | None = None,
    known_insertion: Insertion | None = None,
) -> FrameMeasures:
    """Measure one frame; raises as :func:`CardiacUQLib.measures.lge.lge_measures` does."""
    anatomy = anatomy_of(frame.labels, classes, frame.geometry)
    model = segment_model(anatomy, frame.geometry, rv_insertion_ras, known_insertion)
    chords = radial_chords(anatomy, frame.geometry)
    volumes = frame.pass_volumes_ml
    passes = None if volumes is None else sizes_of(Scan.FRAME, structures_of(volumes, classes))
    values = only_values(sizes_of(Scan.FRAME, structures_in(anatomy, frame.geometry)))
    shown = (anatomy, frame.geometry, chords, frame.scs, frame.error_probability)
    return FrameMeasures(
        sizes=sizes_with_intervals(values, passes, intervals),
        segment_model=model,
        segments=() if model is None else per_segment(model, *shown),
        territories=() if model is None else per_territory(model, *shown),
        notes=stack_notes(anatomy) + (() if model is None else model.notes),
    )


def cine_measures(
    ed: Frame,
    es: Frame,
    classes: Sequence[ClassInfo],
    *,
    intervals: Mapping[str, Any] | None = None,
    rv_insertion_ras: tuple[float, float, float] | None = None,
) -> CineMeasures:
    """EDV, ESV, SV, EF of both ventricles and the mass at end-diastole from two frames.

    Raises :class:`UsageError` if the "ED" left ventricle is smaller than the "ES" one: swapped frames
    are told, not guessed.
    """
    at_ed, at_es = (
        frame_measures(f, classes, intervals=intervals, rv_insertion_ras=rv_insertion_ras) for f in (ed, es)
    )
    structures = [
        structures_in(anatomy_of(frame.labels, classes, frame.geometry), frame.geometry) for frame in (ed, es)
    ]
    edv, esv = (float(at.cavity[0]) for at in structures)
    if edv < esv:
        raise UsageError(
            f"the end-diastolic left ventricle ({edv:.0f} ml) is smaller than "
            f"the end-systolic one ({esv:.0f} ml); give the frames in the order ED, ES"
        )
    values = only_values(sizes_of(Scan.PAIR, *structures))
    passes = None
    if ed.pass_volumes_ml is not None and es.pass_volumes_ml is not None:
        if len(ed.pass_volumes_ml) != len(es.pass_volumes_ml):
            raise UsageError(
                "ED and ES have different numbers of passes; run both with the same folds and views"
            )
        both = (structures_of(of, classes) for of in (ed.pass_volumes_ml, es.pass_volumes_ml))
        passes = sizes_of(Scan.PAIR, *both)  # pass n of ED goes with pass n of ES: same fold and view
    notes = [f"ED: {n}" for n in at_ed.notes] + [f"ES: {n}" for n in at_es.notes]
    return CineMeasures(sizes_with_intervals(values, passes, intervals), at_ed, at_es, tuple(notes))


def phase_measures(frame: Mapping[str, Any], study: Mapping[str, Any], phase: str) -> dict[str, Any]:
    """``measures.json`` of one phase: its own measures, with the sizes and the headline of the pair.

    LV mass is that of end-diastole in both, the one that is reported. A ventricle's volume in this phase is
    the same figure as in the pair, and has the same interval.
    """
    others = {key: size for key, size in frame["sizes"].items() if key not in study["sizes"]}
    for key, of_pair in SAME_FIGURE[phase].items():
        if key in others and of_pair in study["sizes"]:
            same = study["sizes"][of_pair]
            others[key] = {**others[key], **{name: same[name] for name in INTERVAL_FIELDS}}
    return {
        **frame,
        "phase": phase,
        "headline": study["headline"],
        "sizes": {**study["sizes"], **others},
        "wall_thickening_percent": study["wall_thickening_percent"],
    }
