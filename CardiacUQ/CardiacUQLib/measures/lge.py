"""Measures of a late gadolinium enhancement stack: infarct, no-reflow, left ventricular mass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.errors import UsageError
from ..base.regions import connected
from ..bundles.manifest import ClassInfo
from ..images.volume import Geometry
from .aha import SegmentModel, segment_model
from .anatomy import Anatomy, anatomy_of, stack_notes
from .insertion import Insertion
from .segments import SegmentMeasures, per_segment, per_territory
from .size_catalogue import Scan
from .sizes import (
    Size,
    only_values,
    reviewed_sizes,
    size_doubts,
    sizes_of,
    sizes_with_intervals,
    structures_in,
    structures_of,
)
from .thresholds import ThresholdComparison, compare_thresholds
from .transmurality import Transmurality, radial_chords, summarise


@dataclass(frozen=True, eq=False)
class LgeMeasures:
    """Everything reported about one LGE stack; sizes by key (unit in the key), notes for the reader."""

    sizes: Mapping[str, Size]
    transmurality: Transmurality | None
    infarct_components: int
    infarct_slices: tuple[int, ...]
    myocardium_slices: tuple[int, ...]
    segment_model: SegmentModel | None
    segments: tuple[SegmentMeasures, ...]
    territories: tuple[SegmentMeasures, ...]
    thresholds: ThresholdComparison | None
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Content of ``measures.json``; slices count from 0 in slice order."""
        depth = self.transmurality
        return {
            "kind": Scan.LGE.value,
            "sizes": {key: size.as_json() for key, size in self.sizes.items()},
            "transmurality_mean_percent": None if depth is None else depth.mean_percent,
            "transmurality_max_percent": None if depth is None else depth.max_percent,
            "infarcted_circumference_percent": None
            if depth is None
            else depth.infarcted_circumference_percent,
            "infarct_components": self.infarct_components,
            "infarct_slices": list(self.infarct_slices),
            "myocardium_slices": list(self.myocardium_slices),
            "segments": segments_json(self.segment_model, self.segments, self.territories),
            "thresholds": None if self.thresholds is None else _thresholds_json(self.thresholds),
            "notes": list(self.notes),
        }


def lge_measures(
    labels: np.ndarray,
    geometry: Geometry,
    classes: Sequence[ClassInfo],
    *,
    image: np.ndarray | None = None,
    pass_volumes_ml: np.ndarray | None = None,
    intervals: Mapping[str, Any] | None = None,
    doubt_ml: Mapping[str, float] | None = None,
    reviewed_intervals: Mapping[str, Any] | None = None,
    scs: np.ndarray | None = None,
    error_probability: np.ndarray | None = None,
    rv_insertion_ras: tuple[float, float, float] | None = None,
    known_insertion: Insertion | None = None,
) -> LgeMeasures:
    """Measure labels (z, y, x) on ``geometry``.

    ``image`` (z, y, x) adds the threshold sizes; ``pass_volumes_ml`` (passes, classes) the intervals,
    calibrated by ``intervals`` = ``manifest.calibration["intervals"]`` and from what is in doubt of each
    lesion, ``doubt_ml``; for labels that a reader has corrected ``reviewed_intervals``. ``scs`` and
    ``error_probability`` (z, y, x) the uncertainty per segment; ``rv_insertion_ras`` (mm) the AHA model,
    else ``known_insertion``, marked or found before (:func:`.aha.segment_model`).
    Raises :class:`UsageError` for labels that know no infarct or are of another grid, a spacing of zero, a
    misplaced insertion.
    """
    anatomy = anatomy_of(labels, classes, geometry)
    if anatomy.infarct is None:
        raise UsageError("these labels know no infarct; late enhancement is measured by one")
    model = segment_model(anatomy, geometry, rv_insertion_ras, known_insertion)
    chords = radial_chords(anatomy, geometry)
    passes = None if pass_volumes_ml is None else sizes_of(Scan.LGE, structures_of(pass_volumes_ml, classes))
    structures = structures_in(anatomy, geometry)
    values, doubts = only_values(sizes_of(Scan.LGE, structures)), size_doubts(Scan.LGE, structures, doubt_ml)
    maps = (scs, error_probability)
    return LgeMeasures(
        sizes=reviewed_sizes(values, reviewed_intervals)
        if passes is None
        else sizes_with_intervals(values, passes, intervals, doubts),
        transmurality=summarise(chords),
        infarct_components=connected(anatomy.infarct, np.ones((3, 3, 3)))[1],
        infarct_slices=tuple(np.flatnonzero(anatomy.infarct.any(axis=(1, 2))).tolist()),
        myocardium_slices=tuple(anatomy.wall_slices.tolist()),
        segment_model=model,
        segments=() if model is None else per_segment(model, anatomy, geometry, chords, *maps),
        territories=() if model is None else per_territory(model, anatomy, geometry, chords, *maps),
        thresholds=None if image is None else compare_thresholds(image, anatomy, geometry),
        notes=stack_notes(anatomy) + (() if model is None else model.notes) + _missing_class_notes(anatomy),
    )


def segments_json(
    model: SegmentModel | None,
    segments: Sequence[SegmentMeasures],
    territories: Sequence[SegmentMeasures],
) -> dict[str, Any] | None:
    """Segments with what they are counted from; shared by LGE and cine."""
    if model is None:
        return None
    return {
        "model": "AHA-17" if model.is_aha else "17 sectors from 12 o'clock, not AHA",
        "reference": model.reference.value,
        "start_deg": model.start_deg,
        "base_slice": model.base_slice,
        "apex_slice": model.apex_slice,
        "base_rule": model.base_rule,
        "insertion": None if model.insertion is None else model.insertion.as_json(),
        "items": [{"segment": n, **item.as_json()} for n, item in enumerate(segments, start=1)],
        "territories": [item.as_json() for item in territories],
    }


def _thresholds_json(thresholds: ThresholdComparison) -> dict[str, Any]:
    return {
        "sizes": [
            {"method": s.method, "volume_ml": s.volume_ml, "share_of_lv_percent": s.share_of_lv_percent}
            for s in thresholds.sizes
        ],
        "remote_voxels_per_slice": thresholds.remote.sum(axis=(1, 2)).tolist(),
        "slices_without_remote": list(thresholds.slices_without_remote),
    }


def _missing_class_notes(anatomy: Anatomy) -> tuple[str, ...]:
    return ("the label set knows no MVO: no-reflow is not reported",) if anatomy.mvo is None else ()
