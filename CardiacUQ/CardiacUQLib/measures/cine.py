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
from .anatomy import DENSITY_G_PER_ML, Anatomy, anatomy_of, class_values, percent, stack_notes, volume_ml
from .lge import segments_json
from .segments import SegmentMeasures, per_segment, per_territory
from .sizes import Size, share, sizes_with_intervals
from .transmurality import radial_chords


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
            "kind": "cine_frame",
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
            "kind": "cine",
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
) -> FrameMeasures:
    """Measure one frame; raises as :func:`CardiacUQLib.measures.lge.lge_measures` does."""
    anatomy = anatomy_of(frame.labels, classes, frame.geometry)
    model = segment_model(anatomy, frame.geometry, rv_insertion_ras)
    chords = radial_chords(anatomy, frame.geometry)
    passes = None if frame.pass_volumes_ml is None else frame_pass_sizes(frame.pass_volumes_ml, classes)
    shown = (anatomy, frame.geometry, chords, frame.scs, frame.error_probability)
    return FrameMeasures(
        sizes=sizes_with_intervals(frame_sizes(anatomy, frame.geometry), passes, intervals),
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
    values = pair_sizes(*({key: size.value for key, size in m.sizes.items()} for m in (at_ed, at_es)))
    if values["edv_ml"] < values["esv_ml"]:
        raise UsageError(
            f"the end-diastolic left ventricle ({values['edv_ml']:.0f} ml) is smaller than "
            f"the end-systolic one ({values['esv_ml']:.0f} ml); give the frames in the order ED, ES"
        )
    passes = None
    if ed.pass_volumes_ml is not None and es.pass_volumes_ml is not None:
        if len(ed.pass_volumes_ml) != len(es.pass_volumes_ml):
            raise UsageError(
                "ED and ES have different numbers of passes; run both with the same folds and views"
            )
        passes = pair_pass_sizes(ed.pass_volumes_ml, es.pass_volumes_ml, classes)
    notes = [f"ED: {n}" for n in at_ed.notes] + [f"ES: {n}" for n in at_es.notes]
    return CineMeasures(sizes_with_intervals(values, passes, intervals), at_ed, at_es, tuple(notes))


def frame_sizes(anatomy: Anatomy, geometry: Geometry) -> dict[str, float | None]:
    """Cavity volumes and mass of one frame; the RV only where the label set knows it."""
    sizes: dict[str, float | None] = {
        "lv_volume_ml": volume_ml(anatomy.cavity, geometry),
        "lv_mass_g": DENSITY_G_PER_ML * volume_ml(anatomy.wall, geometry),
    }
    return sizes if anatomy.rv is None else sizes | {"rv_volume_ml": volume_ml(anatomy.rv, geometry)}


def frame_pass_sizes(pass_volumes_ml: np.ndarray, classes: Sequence[ClassInfo]) -> dict[str, np.ndarray]:
    """The same sizes for every pass, from its class volumes (passes, classes) in ml."""
    volumes = np.asarray(pass_volumes_ml, float)
    column = {info.value: n for n, info in enumerate(classes)}
    value = class_values(classes)
    sizes = {
        "lv_volume_ml": volumes[:, column[value["cavity"]]],
        "lv_mass_g": DENSITY_G_PER_ML * volumes[:, column[value["wall"]]],
    }
    return sizes if "rv" not in value else sizes | {"rv_volume_ml": volumes[:, column[value["rv"]]]}


def pair_sizes(ed: Mapping[str, float | None], es: Mapping[str, float | None]) -> dict[str, float | None]:
    """Sizes of the pair from the sizes of its frames."""
    edv, esv = ed["lv_volume_ml"], es["lv_volume_ml"]
    sizes: dict[str, float | None] = {
        "edv_ml": edv,
        "esv_ml": esv,
        "sv_ml": edv - esv,
        "ef_percent": percent(edv - esv, edv),
        "lv_mass_g": ed["lv_mass_g"],
    }
    if "rv_volume_ml" in ed:
        rv_edv, rv_esv = ed["rv_volume_ml"], es["rv_volume_ml"]
        sizes |= {
            "rv_edv_ml": rv_edv,
            "rv_esv_ml": rv_esv,
            "rv_sv_ml": rv_edv - rv_esv,
            "rv_ef_percent": percent(rv_edv - rv_esv, rv_edv),
        }
    return sizes


def pair_pass_sizes(
    ed_volumes_ml: np.ndarray, es_volumes_ml: np.ndarray, classes: Sequence[ClassInfo]
) -> dict[str, np.ndarray]:
    """Sizes of the pair for every pass; pass n of ED goes with pass n of ES (same fold and view)."""
    ed, es = frame_pass_sizes(ed_volumes_ml, classes), frame_pass_sizes(es_volumes_ml, classes)
    sizes = {"lv_mass_g": ed["lv_mass_g"]}
    for prefix, chamber in (("", "lv_volume_ml"), ("rv_", "rv_volume_ml")):
        if chamber in ed:
            stroke = ed[chamber] - es[chamber]
            sizes |= {
                f"{prefix}edv_ml": ed[chamber],
                f"{prefix}esv_ml": es[chamber],
                f"{prefix}sv_ml": stroke,
                f"{prefix}ef_percent": share(stroke, ed[chamber]),
            }
    return sizes
