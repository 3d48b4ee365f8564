"""P(wrong) of every case by a model that did not see it, for every kind of bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from CardiacUQLib.base.progress import ProgressCallback, ignore_progress
from CardiacUQLib.inference.calibration import ErrorProbability

from .fit_calibration import Sample, fit, patient_folds, sample_case
from .judged import Judged

FEWEST_CASES = 4


@dataclass(frozen=True)
class OutOfFold:
    """P(wrong) of every case by a model that did not see it, and the model fitted on all cases."""

    maps: Mapping[str, np.ndarray]
    model: ErrorProbability


def fit_out_of_fold(
    judged: Judged, classes: int, progress: ProgressCallback = ignore_progress
) -> OutOfFold | None:
    """Fit P(wrong) on judged cases that their networks had not seen; None for fewer than four cases or
    predictions without any error.

    Works for every kind of bundle: the features are those that the kept maps allow (entropy at least;
    a cine ensemble has no maps of a 2D stage), and ``CaseArrays.stage2d`` is the other opinion, the 2D
    stage's labels or the dissenting member's. Each case's map comes from a model that was fitted
    without the patient and without the networks that predicted it; the model to be stored
    is fitted on all cases. Cases of one patient must share their fold.
    """
    cases = list(judged.figures)
    if len(cases) < FEWEST_CASES:
        return None
    samples = {case: sample_case(judged.store.arrays(case), classes, n) for n, case in enumerate(cases)}
    if not all_outcomes(samples):
        return None
    networks = {case: one.folds for case, one in judged.figures.items()}
    groups = patient_folds(cases, networks, patients=judged.patients)
    maps: dict[str, np.ndarray] = {}
    for number, group in enumerate(groups):
        progress(number / (len(groups) + 1), f"error probability, part {number + 1} of {len(groups)}")
        others = [sample for case, sample in samples.items() if case not in group]
        model = fit(others, classes)
        for case in group:
            arrays = judged.store.arrays(case)
            maps[case] = model.predict(arrays.maps, arrays.segmentation, arrays.stage2d)
    progress(len(groups) / (len(groups) + 1), "error probability, all cases")
    return OutOfFold(maps, fit(list(samples.values()), classes))


def all_outcomes(samples: Mapping[str, Sample]) -> bool:
    """True if wrong and right voxels both occur in at least two cases, so that no part lacks them."""
    return all(
        sum((sample.wrong == outcome).any() for sample in samples.values()) > 1 for outcome in (True, False)
    )
