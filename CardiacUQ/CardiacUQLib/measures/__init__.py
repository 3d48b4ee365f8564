"""From voxels to what goes into the report: sizes, intervals, segments; numpy and scipy only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..bundles.manifest import BundleKind, ClassInfo
from ..images.volume import Volume
from .anatomy import class_values, measurable, volume_ml
from .cine import CineMeasures, Frame, FrameMeasures, cine_measures, frame_measures, phase_measures
from .display import SIZE_NAMES, headline, size_text, without_intervals
from .insertion import Insertion
from .lge import LgeMeasures, lge_measures

REVIEWED_INTERVALS = "reviewed_intervals"
"""Name of the fit in ``manifest.calibration``, and of its copy in ``measures.json`` for a review."""

__all__ = [
    "SIZE_NAMES", "CineMeasures", "Frame", "FrameMeasures", "LgeMeasures", "cine_measures", "frame_measures",
    "headline", "lge_measures", "measure", "measures_json", "phase_measures", "size_text",
    "without_intervals",
]  # fmt: skip


def measure(
    labels: np.ndarray,
    volume: Volume,
    kind: BundleKind,
    classes: Sequence[ClassInfo],
    pass_volumes_ml: np.ndarray | None = None,
    scs: np.ndarray | None = None,
    error_probability: np.ndarray | None = None,
    calibration: Mapping[str, Any] | None = None,
    rv_insertion_ras: tuple[float, float, float] | None = None,
    presence: Mapping[str, float] | None = None,
    known_insertion: Insertion | None = None,
    doubt_ml: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Content of ``measures.json`` for one segmented volume; the single call of :func:`segment`.

    ``labels``, ``scs`` and ``error_probability`` are (z, y, x) on ``volume.geometry``;
    ``pass_volumes_ml`` (passes, classes), fold by fold; ``calibration`` is ``manifest.calibration``.
    ``presence`` is P(lesion) by name, ``doubt_ml`` what of a lesion is in doubt. Leave passes and presence
    out for labels that a reviewer has changed: they say nothing about those. ``known_insertion``:
    :func:`.aha.segment_model`.
    A label set with an infarct gives LGE measures, any other those of one cine frame, whatever the kind
    of network; classes without myocardium or blood pool give the volumes only. Raises
    :class:`UsageError` for labels of another grid or a misplaced insertion point.
    """
    volumes = {info.name: volume_ml(labels == info.value, volume.geometry) for info in classes if info.value}
    if not measurable(classes):
        notes = ["the classes name no myocardium and blood pool: only volumes are reported"]
        return _rounded({"kind": "volumes", "method": kind.value, "volumes_ml": volumes, "notes": notes})
    intervals = (calibration or {}).get("intervals")
    if "infarct" in class_values(classes):
        measures: LgeMeasures | FrameMeasures = lge_measures(
            labels,
            volume.geometry,
            classes,
            image=volume.array,
            pass_volumes_ml=pass_volumes_ml,
            intervals=intervals,
            doubt_ml=doubt_ml,
            scs=scs,
            error_probability=error_probability,
            rv_insertion_ras=rv_insertion_ras,
            known_insertion=known_insertion,
        )
    else:
        measures = frame_measures(
            Frame(labels, volume.geometry, pass_volumes_ml, scs, error_probability),
            classes,
            intervals=intervals,
            rv_insertion_ras=rv_insertion_ras,
            known_insertion=known_insertion,
        )
    content = measures_json(measures, presence or {})
    reviewed = (calibration or {}).get(REVIEWED_INTERVALS)
    content |= {} if reviewed is None else {REVIEWED_INTERVALS: reviewed}
    return content | {"method": kind.value, "volumes_ml": _rounded(volumes)}


def measures_json(
    measures: LgeMeasures | FrameMeasures | CineMeasures, presence: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """JSON-ready content with the headline; numbers keep four decimals, undefined ones are null."""
    content = measures.as_json() | ({"presence": dict(presence)} if presence else {})
    return _rounded({"headline": headline(content), **content})


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 4) if math.isfinite(value) else None
    return value
