"""All frames of a data set through a cine bundle; what is done is never done twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.progress import CancelToken, ProgressCallback, ignore_progress
from CardiacUQLib.bundles.bundle import Bundle
from CardiacUQLib.bundles.manifest import BundleKind, Manifest
from CardiacUQLib.bundles.resident import ResidentBundle
from CardiacUQLib.inference.calibration import KEY
from CardiacUQLib.uncertainty.slice_presence import KEY as SLICES

from ...datasets import LabelledCase, LabelledDataset
from ..shared.cases import CaseFigures, CaseStore, run_key
from ..shared.judged import Judged, check_classes, each_case, file_state, patients_of
from ..shared.predict import Computer, PassOptions, permitted_folds
from .frames import judge_frame

SCORES_VERSION = 4
"""Raised when kept figures change their meaning."""


def judge_cine(
    bundle: Bundle,
    dataset: LabelledDataset,
    out: Path,
    options: PassOptions,
    *,
    device: str = "auto",
    precision: str = "auto",
    limit: int | None = None,
    progress: ProgressCallback = ignore_progress,
    on_failure: Callable[[str], None] = lambda line: None,
    cancel: CancelToken | None = None,
) -> Judged:
    """Predict and score every frame of ``dataset`` (the first ``limit``), keeping each in ``out/cases``.

    As :func:`..lge.judge.judge` does for the cascade: a frame that cannot be judged
    is one line and the others go on. Raises UsageError for a bundle or data set that is no cine.
    """
    check_cine(bundle, dataset)
    manifest, computer = bundle.manifest, Computer(device, precision)
    networks = ResidentBundle.of(bundle)

    def judged_or_kept(case: LabelledCase) -> CaseFigures:
        folds = permitted_folds(manifest, case.id, options)
        store = _store(manifest, dataset, out, options, computer, folds)
        found = store.load(case.id, file_state(case))
        if found is None:
            found, arrays = judge_frame(case, networks, computer, folds, options, cancel)
            store.save(found, arrays, file_state(case))
        return found

    figures, failures = each_case(dataset.cases[:limit], judged_or_kept, progress, on_failure)
    progress(1.0, "all frames judged")
    training = {case for cases_of_fold in manifest.held_out.values() for case in cases_of_fold}
    leaked = () if options.cross_validated else tuple(case for case in figures if case in training)
    store = _store(manifest, dataset, out, options, computer, ())
    return Judged(figures, failures, store, leaked, patients=patients_of(dataset.cases))


def held_out_cases(dataset: LabelledDataset, manifest: Manifest, options: PassOptions) -> LabelledDataset:
    """The cases that the chosen folds of a bundle held out, so that a run of which only some folds are
    finished can be judged; the whole data set if there is none, or without cross-validation."""
    folds = manifest.folds if options.folds is None else options.folds
    listed = {case for fold in folds for case in manifest.held_out.get(fold, ())}
    chosen = tuple(case for case in dataset.cases if case.id in listed)
    if not options.cross_validated or options.foreign or not chosen:
        return dataset
    return dataclasses.replace(dataset, cases=chosen)


def _store(
    manifest: Manifest,
    dataset: LabelledDataset,
    out: Path,
    options: PassOptions,
    computer: Computer,
    folds: tuple[int, ...],
) -> CaseStore:
    """Where a case predicted by ``folds`` is kept. Its key knows those folds alone: a bundle that gains
    a fold, or a calibration, changes nothing for the cases of the others."""
    described: dict[str, Any] = {
        "data": dataset.name,
        "number": computer.number,
        "passes": dataclasses.replace(options, folds=folds),
        "combination": manifest.combination,
        "scores": SCORES_VERSION,
        "slices": manifest.calibration.get(SLICES),
    }
    if not options.cross_validated:
        described["calibration"] = manifest.calibration.get(KEY)
    own = dataclasses.replace(
        manifest,
        weights=tuple(weight for weight in manifest.weights if weight.fold in folds),
        held_out={fold: manifest.held_out.get(fold, ()) for fold in folds},
    )
    return CaseStore(out / "cases", run_key(own, described))


def check_cine(bundle: Bundle, dataset: LabelledDataset) -> None:
    """Raise UsageError unless the bundle is a cine ensemble for the classes of the data set."""
    manifest = bundle.manifest
    if manifest.kind is not BundleKind.STREAMING:
        raise UsageError(
            f"bundle '{manifest.name}' is of kind '{manifest.kind}'; {dataset.name} needs a cine bundle"
        )
    check_classes(bundle, dataset)
