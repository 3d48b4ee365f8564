"""Where base and apex are, learned from frames whose networks had not seen the patient.

See :mod:`CardiacUQLib.uncertainty.slice_presence`. The fit of a fold uses no frame that the fold held out, so
that its held-out frames are judged by a rule of others as they are by networks of others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.json_codec import to_plain
from CardiacUQLib.base.progress import ProgressCallback, ignore_progress
from CardiacUQLib.bundles.bundle import Bundle, write_manifest
from CardiacUQLib.bundles.resident import ResidentBundle
from CardiacUQLib.inference.jobs import pixel_of
from CardiacUQLib.inference.slice_decision import evidence_of
from CardiacUQLib.uncertainty.presence import class_values
from CardiacUQLib.uncertainty.slice_presence import (
    EVIDENCE,
    KEY,
    PRESENT_FROM,
    STRUCTURES,
    FoldPresence,
    SlicePresence,
)

from ...datasets import LabelledCase, LabelledDataset
from ..assessment.regression import logistic
from ..shared.judged import check_labels, each_case
from ..shared.predict import Computer, PassOptions, permitted_folds, predict
from .judge import check_cine

DECIDED = ("RV",)
"""Structures that the rule is stored for. Readers' bases differ from the networks' at the right ventricle; of
wall and cavity the rule brought nothing on frames it had not seen, and moved the ejection fraction."""
PENALTY = 2.0
"""Of the squared weights, chosen once on ACDC among .5, 2 and 10; between them hardly anything changes."""
FEWEST_FRAMES = 20


@dataclass(frozen=True)
class SliceCase:
    """One frame: the fold that predicted it; by class name what speaks for each structure in each slice, and
    in which slices (z,) the reader saw it."""

    fold: int
    evidence: Mapping[str, Sequence[Mapping[str, float]]]
    seen: Mapping[str, np.ndarray]


def fit_slice_presence(cases: Sequence[SliceCase]) -> SlicePresence:
    """One fit per fold, on the frames of all other folds."""
    folds = sorted({case.fold for case in cases})
    return SlicePresence(
        {str(fold): _fit([case for case in cases if case.fold != fold]) for fold in folds}, {}
    )


def slices_missed(cases: Sequence[SliceCase], fitted: SlicePresence) -> dict[str, tuple[float, float]]:
    """Share of slices in which a structure is drawn against the reader, and judged against the reader by the
    fit of the frame's fold; by class name."""
    found = {}
    for name in DECIDED:
        seen = np.concatenate([case.seen[name] for case in cases])
        drawn = np.concatenate([_drawn(case, name) for case in cases])
        likely = np.concatenate([fitted.probabilities(case.evidence, (case.fold,))[name] for case in cases])
        found[name] = (float((drawn != seen).mean()), float(((likely >= PRESENT_FROM) != seen).mean()))
    return found


def store_slice_presence(
    bundle: Bundle,
    dataset: LabelledDataset,
    options: PassOptions,
    computer: Computer,
    *,
    progress: ProgressCallback = ignore_progress,
    on_failure: Callable[[str], None] = lambda line: None,
) -> str:
    """Fit on frames that the folds had not seen, write the fit into the manifest, and say what it brings.

    A fit that the bundle has already has no part in it. Raises UsageError if the bundle is no cine ensemble
    for these classes, or too few frames of too few folds could be judged.
    """
    check_cine(bundle, dataset)
    networks, manifest = ResidentBundle.of(bundle), bundle.manifest

    def case_of(case: LabelledCase) -> SliceCase:
        volume, labels = case.load()
        check_labels(case, labels, volume.array.shape, len(manifest.classes))
        folds = permitted_folds(manifest, case.id, options)
        region = predict(volume, networks, folds, options, computer).region
        size = pixel_of(region.roi, volume.geometry)
        values = class_values(manifest.classes)
        seen = {name: (labels == values[name]).any(axis=(1, 2)) for name in STRUCTURES}
        return SliceCase(folds[0], evidence_of(region.final, manifest.classes, *size), seen)

    cases = list(each_case(dataset.cases, case_of, progress, on_failure)[0].values())
    if len(cases) < FEWEST_FRAMES or {case.fold for case in cases} != {*manifest.folds}:
        problem = f"{dataset.name}: {len(cases)} frames of {len({c.fold for c in cases})} folds were judged"
        raise UsageError(f"{problem}; base and apex are learned from {FEWEST_FRAMES} frames of all folds")
    fitted = fit_slice_presence(cases)
    missed = slices_missed(cases, fitted)
    shares = {name: [round(share, 4) for share in both] for name, both in missed.items()}
    origin = {"dataset": dataset.name, "frames": len(cases), "predictions": "out of fold", "missed": shares}
    entry = to_plain(dataclasses.replace(fitted, fitted_on=origin))
    calibration = {**manifest.calibration, KEY: entry}
    write_manifest(dataclasses.replace(manifest, calibration=calibration), bundle.folder)
    lines = (f"{name} {100 * before:.1f} -> {100 * after:.1f} %" for name, (before, after) in missed.items())
    return f"slices with a structure drawn against the reader, nested: {', '.join(lines)}"


def _fit(cases: Sequence[SliceCase]) -> FoldPresence:
    return FoldPresence(
        {
            name: logistic(
                [row for case in cases for row in case.evidence[name]],
                np.concatenate([case.seen[name] for case in cases]) if cases else np.zeros(0),
                EVIDENCE,
                PENALTY,
            )
            for name in DECIDED
        }
    )


def _drawn(case: SliceCase, name: str) -> np.ndarray:
    return np.array([row[f"mean probability: {name}"] > 0 for row in case.evidence[name]])
