"""Sizes of cases that a simulated reader has reviewed, and the intervals that hold for such cases.

The reader corrects every place that is listed, and nothing else, to the reference. What is wrong elsewhere
stays wrong: that is what the interval of a reviewed case is about.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from CardiacUQLib.bundles.bundle import Bundle, write_manifest
from CardiacUQLib.bundles.manifest import ClassInfo
from CardiacUQLib.measures import REVIEWED_INTERVALS

from ..assessment.looking import CaseLooks
from ..shared.agreement import ClassVolumes, SizeRecord, class_volumes, scan_record
from ..shared.cases import CaseArrays, CaseFigures
from ..shared.fit_intervals import WITHOUT_PASSES, Coverage, cross_validated_coverage, fit_intervals

DIVISIONS = 10
"""Ways to deal the cases into tenths over which coverage is averaged; one alone may be off by five points."""


@dataclasses.dataclass(frozen=True)
class ReviewedSizes:
    """Intervals fitted on reviewed cases, and how they covered cases outside their fit."""

    fitted: Mapping[str, Any]
    coverage: Mapping[str, Coverage]
    cases: int


def reviewed_record(
    figures: CaseFigures, arrays: CaseArrays, looks: CaseLooks, classes: tuple[ClassInfo, ...]
) -> SizeRecord:
    """Sizes of one case by the reference and after all listed places were corrected to it."""
    corrected = arrays.segmentation.copy()
    for zone in looks.zones[: looks.listed]:
        corrected[zone] = arrays.truth[zone]
    voxel_ml = float(np.prod(arrays.spacing_xyz)) / 1000.0
    before, after = (class_volumes(one, classes, voxel_ml) for one in (arrays.segmentation, corrected))
    volumes = np.maximum(np.asarray(figures.predicted_ml, float) + after - before, 0.0)
    reference = np.asarray(figures.reference_ml, float)
    return scan_record(ClassVolumes(figures.case, reference, volumes, volumes[None]), classes)


def reviewed_sizes(records: list[SizeRecord]) -> ReviewedSizes | None:
    """The fit on all reviewed cases and its nested coverage; None if there are too few of them."""
    if not records:
        return None
    fitted = fit_intervals(records, 1, WITHOUT_PASSES)
    coverage = cross_validated_coverage(records, 1, WITHOUT_PASSES, divisions=DIVISIONS)
    return ReviewedSizes(fitted, coverage, len(records)) if fitted else None


def store_reviewed(bundle: Bundle, found: ReviewedSizes, dataset: str) -> None:
    """Write the intervals of reviewed cases into the bundle's manifest."""
    origin = {
        "dataset": dataset,
        "cases": found.cases,
        "predictions": "out of fold",
        "review": "every listed place corrected to the reference",
        "coverage": {key: round(one.coverage, 4) for key, one in found.coverage.items()},
    }
    entry = {**found.fitted, "fitted_on": origin}
    calibration = {**bundle.manifest.calibration, REVIEWED_INTERVALS: entry}
    write_manifest(dataclasses.replace(bundle.manifest, calibration=calibration), bundle.folder)
