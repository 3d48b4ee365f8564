"""What is reported per AHA segment and per coronary territory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..images.volume import Geometry
from .aha import TERRITORIES, SegmentModel
from .anatomy import Anatomy, percent, volume_ml
from .transmurality import Chords, Transmurality, summarise


@dataclass(frozen=True)
class SegmentMeasures:
    """One segment or territory. None: not defined there (no chord, no infarct class, no map).

    Transmurality means are over the infarcted chords; ``wall_thickness_mm`` over all chords.
    """

    name: str
    segments: tuple[int, ...]
    myocardium_ml: float
    infarct_ml: float | None
    infarct_share_percent: float | None
    transmurality_mean_percent: float | None
    transmurality_max_percent: float | None
    infarcted_circumference_percent: float | None
    wall_thickness_mm: float | None
    mean_scs: float | None
    mean_error_probability: float | None

    def as_json(self) -> dict[str, Any]:
        """Entry of ``measures.json``."""
        return {
            "name": self.name,
            "segments": list(self.segments),
            "myocardium_ml": self.myocardium_ml,
            "infarct_ml": self.infarct_ml,
            "infarct_share_percent": self.infarct_share_percent,
            "transmurality_mean_percent": self.transmurality_mean_percent,
            "transmurality_max_percent": self.transmurality_max_percent,
            "infarcted_circumference_percent": self.infarcted_circumference_percent,
            "wall_thickness_mm": self.wall_thickness_mm,
            "mean_scs": self.mean_scs,
            "mean_error_probability": self.mean_error_probability,
        }


def per_segment(
    model: SegmentModel,
    anatomy: Anatomy,
    geometry: Geometry,
    chords: Chords,
    scs: np.ndarray | None = None,
    error_probability: np.ndarray | None = None,
) -> tuple[SegmentMeasures, ...]:
    """Measures of the 17 segments in order; ``scs`` and ``error_probability`` are (z, y, x) or None."""
    return tuple(
        _measures(model.name(n), (n,), model, anatomy, geometry, chords, scs, error_probability)
        for n in range(1, 18)
    )


def per_territory(
    model: SegmentModel,
    anatomy: Anatomy,
    geometry: Geometry,
    chords: Chords,
    scs: np.ndarray | None = None,
    error_probability: np.ndarray | None = None,
) -> tuple[SegmentMeasures, ...]:
    """Measures of the LAD, RCA and LCX territories; empty unless the segments are AHA segments."""
    if not model.is_aha:
        return ()
    return tuple(
        _measures(name, numbers, model, anatomy, geometry, chords, scs, error_probability)
        for name, numbers in TERRITORIES.items()
    )


def chord_segments(model: SegmentModel, chords: Chords) -> np.ndarray:
    """Segment number of every chord (slice, chord)."""
    rows = [model.segment_at(int(z), chords.angle_deg) for z in chords.slices]
    return np.reshape(rows, (-1, chords.angle_deg.size)).astype(np.uint8)


def _measures(
    name: str,
    numbers: tuple[int, ...],
    model: SegmentModel,
    anatomy: Anatomy,
    geometry: Geometry,
    chords: Chords,
    scs: np.ndarray | None,
    error_probability: np.ndarray | None,
) -> SegmentMeasures:
    region = np.isin(model.labels, numbers)
    chosen = np.isin(chord_segments(model, chords), numbers)
    depth: Transmurality | None = None if anatomy.infarct is None else summarise(chords, chosen)
    thickness = chords.wall_mm[chosen]
    thickness = thickness[thickness > 0]
    myocardium = volume_ml(region, geometry)
    infarct = None if anatomy.infarct is None else volume_ml(region & anatomy.infarct, geometry)
    return SegmentMeasures(
        name=name,
        segments=numbers,
        myocardium_ml=myocardium,
        infarct_ml=infarct,
        infarct_share_percent=None if infarct is None else percent(infarct, myocardium),
        transmurality_mean_percent=None if depth is None else depth.mean_percent,
        transmurality_max_percent=None if depth is None else depth.max_percent,
        infarcted_circumference_percent=None if depth is None else depth.infarcted_circumference_percent,
        wall_thickness_mm=float(thickness.mean()) if thickness.size else None,
        mean_scs=_mean(scs, region),
        mean_error_probability=_mean(error_probability, region),
    )


def _mean(values: np.ndarray | None, region: np.ndarray) -> float | None:
    return float(values[region].mean()) if values is not None and region.any() else None
