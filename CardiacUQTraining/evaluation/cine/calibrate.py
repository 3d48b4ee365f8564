"""P(wrong) and intervals of sizes for cine, fitted on frames whose networks had not seen the patient.

Frames predicted by one network fold are judged together by a model fitted on the others, so that both
frames of a patient stay on one side.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from CardiacUQLib.base.progress import ProgressCallback, ignore_progress
from CardiacUQLib.bundles.bundle import Bundle, write_manifest
from CardiacUQLib.bundles.manifest import ClassInfo
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.inference.calibration import KEY, ErrorProbability

from ..shared.agreement import ClassVolumes, SizeRecord, scan_record
from ..shared.calibration_error import Reliability
from ..shared.cases import CaseFigures
from ..shared.fit_intervals import Coverage, Form, cross_validated_coverage, fit_intervals
from ..shared.judged import Judged
from ..shared.out_of_fold import fit_out_of_fold
from ..shared.scores import CROP, PREDICTED, UNION
from .frames import ENSEMBLE, VOLUMES, map_row
from .summary import FrameKey

INTERVALS = "intervals"
FORMS = (Form.ROOT,)
"""What widths depend on. On 100 patients of ACDC a competition of forms chose intervals that cover 83 %
(ejection fraction, 13.5 points wide); this one alone covers 88 %, 13.8 wide, and the spread of the passes
through both phases 88 %, 14.4 wide: it adds nothing, and on scans of another kind it is out of scale."""
FRAME_SIZES = ("lv_volume_ml", "rv_volume_ml")
"""Sizes of a frame whose phase is not known; mass and volumes of a pair have intervals of their own."""


@dataclass(frozen=True)
class CineCalibration:
    """Figures with the row of P(wrong) added, its ECE pooled over voxels by region, the model fitted on
    all frames; intervals fitted on all patients and their coverage on patients outside the fit."""

    judged: Judged
    reliability: Mapping[str, Reliability]
    model: ErrorProbability | None
    intervals: Mapping[str, Any]
    coverage: Mapping[str, Coverage]


def calibrate_cine(
    judged: Judged,
    keys: Sequence[FrameKey],
    records: Sequence[SizeRecord],
    classes: Sequence[ClassInfo],
    passes_per_fold: int,
    progress: ProgressCallback = ignore_progress,
) -> CineCalibration:
    """Fit both on judged frames; ``records`` are the patients' sizes. Without enough frames, or without
    any error, the model is None and the figures stay as they are."""
    singles = frame_records(judged.figures, keys, classes)
    fitted = fit_intervals(records, passes_per_fold, FORMS)
    fitted |= fit_intervals(singles, passes_per_fold, FORMS)
    coverage = cross_validated_coverage(records, passes_per_fold, FORMS)
    coverage |= cross_validated_coverage(singles, passes_per_fold, FORMS)
    found = fit_out_of_fold(judged, len(classes), progress)
    if found is None:
        return CineCalibration(judged, {}, None, fitted, coverage)
    rows = {case: _judge(judged, case, values) for case, values in found.maps.items()}
    figures = {
        case: dataclasses.replace(one, rows={**one.rows, KEY: rows[case]})
        for case, one in judged.figures.items()
    }
    pooled = {region: _pooled(rows, region) for region in (UNION, CROP, PREDICTED)}
    with_row = dataclasses.replace(judged, figures=figures)
    return CineCalibration(with_row, pooled, found.model, fitted, coverage)


def frame_records(
    figures: Mapping[str, CaseFigures], keys: Sequence[FrameKey], classes: Sequence[ClassInfo]
) -> list[SizeRecord]:
    """Cavity volumes of every frame by itself."""
    records = []
    for key in keys:
        kept = figures[key.case].rows[VOLUMES]
        numbers = (np.array(kept[name], float) for name in ("reference_ml", "predicted_ml", "pass_ml"))
        whole = scan_record(ClassVolumes(key.case, *numbers), classes)
        names = [name for name in FRAME_SIZES if name in whole.reference]
        reference, predicted, passes = (
            {name: sizes[name] for name in names}
            for sizes in cast(list[Mapping[str, Any]], [whole.reference, whole.predicted, whole.passes])
        )
        records.append(SizeRecord(key.case, reference, predicted, passes))
    return records


def store_calibration(bundle: Bundle, found: CineCalibration, dataset: str) -> None:
    """Write model and intervals, and how well they did, into the bundle's manifest; weights stay."""
    frames = len(found.judged.figures)
    origin = {"dataset": dataset, "frames": frames, "predictions": "out of fold"}
    calibration = dict(bundle.manifest.calibration)
    if found.model is not None:
        errors = {region: round(one.ece, 4) for region, one in found.reliability.items()}
        calibration[KEY] = found.model.to_manifest() | {"fitted_on": origin | {"pooled_ece": errors}}
    if found.intervals:
        covered = {key: round(one.coverage, 4) for key, one in found.coverage.items()}
        calibration[INTERVALS] = {**found.intervals, "fitted_on": origin | {"coverage": covered}}
    write_manifest(dataclasses.replace(bundle.manifest, calibration=calibration), bundle.folder)


def _judge(judged: Judged, case: str, values: np.ndarray) -> dict[str, Any]:
    arrays = judged.store.arrays(case)
    row = map_row(MapName.ERROR_PROBABILITY, values, arrays.segmentation, arrays.truth, arrays.brier)
    return {"mean_dice": judged.figures[case].segmentation[ENSEMBLE]["mean_dice"]} | row


def _pooled(rows: Mapping[str, Mapping[str, Any]], region: str) -> Reliability:
    parts = [Reliability.from_dict(row[region]["reliability"]) for row in rows.values() if row.get(region)]
    return sum(parts[1:], start=parts[0])
