"""Judging a bundle on a labelled data set, case by case; what is done is never done twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from CardiacUQLib.base.errors import (
    CancelledError,
    CardiacUQError,
    InputError,
    InsufficientMemoryError,
    UsageError,
)
from CardiacUQLib.base.progress import CancelToken, ProgressCallback, ignore_progress
from CardiacUQLib.bundles.bundle import Bundle
from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.inference.calibration import KEY
from CardiacUQLib.inference.device import choose_device, choose_precision
from CardiacUQLib.inference.passes import Arithmetic
from CardiacUQLib.inference.plausibility import drop_small_lesions
from CardiacUQLib.inference.result import MapName

from ..datasets import LabelledCase, LabelledDataset
from .cases import CaseArrays, CaseFigures, CaseStore, run_key
from .dice import mean_foreground_dice
from .methods import ROWS, Method, Row, Stage, final_maps, predictions, why_unavailable
from .predict import KeptNetworks, PassOptions, merge_classes, permitted_folds, predict_case
from .scores import Truth, brier_score, map_record, row_scores, segmentation_scores

T = TypeVar("T")

DROPOUT_SAMPLES = 10
PREDICTED_METHODS = tuple(m for m in Method if m is not Method.ERROR_PROBABILITY)


@dataclass(frozen=True)
class Judged:
    """Outcome of a run: figures by case in the order of the data set, and one line per unusable case."""

    figures: Mapping[str, CaseFigures]
    failures: Mapping[str, str]
    store: CaseStore
    trained_on: tuple[str, ...] = field(default=())
    """Cases that the folds which judged them had seen in training."""


def judge(
    bundle: Bundle,
    dataset: LabelledDataset,
    out: Path,
    options: PassOptions,
    *,
    methods: tuple[Method, ...] = PREDICTED_METHODS,
    device: str = "auto",
    precision: str = "auto",
    limit: int | None = None,
    progress: ProgressCallback = ignore_progress,
    on_failure: Callable[[str], None] = lambda line: None,
    cancel: CancelToken | None = None,
) -> Judged:
    """Predict and score every case of ``dataset`` (the first ``limit``), keeping each in ``out/cases``.

    A case that cannot be judged is reported as one line and the others go on. Raises UsageError if the
    model's classes are not those of the data set, and what concerns all cases alike (device, memory).
    """
    check_cascade(bundle)
    check_classes(bundle, dataset)
    where = choose_device(device)
    arithmetic = Arithmetic(where, choose_precision(precision, where))
    methods = tuple(m for m in methods if m in PREDICTED_METHODS)  # what is fitted later changes no case
    names = sorted(m.value for m in methods)
    described = {"data": dataset.name, "number": str(arithmetic.dtype), "methods": names, "passes": options}
    if not options.cross_validated:
        described["calibration"] = bundle.manifest.calibration.get(KEY)
    store = CaseStore(out / "cases", run_key(bundle.manifest, described))
    networks = KeptNetworks(bundle)

    def judged_or_kept(case: LabelledCase) -> CaseFigures:
        kept = store.load(case.id, file_state(case))
        if kept is not None:
            return kept
        folds = permitted_folds(bundle.manifest, case.id, options)
        return judge_case(case, networks, arithmetic, folds, options, methods, store, cancel)

    figures, failures = each_case(dataset.cases[:limit], judged_or_kept, progress, on_failure)
    progress(1.0, "all cases judged")
    held_out = bundle.manifest.held_out
    training = {case for cases_of_fold in held_out.values() for case in cases_of_fold}
    leaked = () if options.cross_validated else tuple(case for case in figures if case in training)
    return Judged(figures, failures, store, leaked)


def each_case(
    cases: Sequence[LabelledCase],
    work: Callable[[LabelledCase], T],
    progress: ProgressCallback = ignore_progress,
    on_failure: Callable[[str], None] = lambda line: None,
) -> tuple[dict[str, T], dict[str, str]]:
    """Results of ``work`` by case, and one line for every case that it failed on; the others go on.

    Only what concerns all cases alike (cancelled, out of memory) is raised.
    """
    found: dict[str, T] = {}
    failures: dict[str, str] = {}
    for number, case in enumerate(cases):
        progress(number / len(cases), case.id)
        try:
            found[case.id] = work(case)
        except (CancelledError, InsufficientMemoryError):
            raise
        except Exception as error:  # whatever is wrong with one case must not cost the others
            failures[case.id] = failure_line(case.id, error)
            on_failure(failures[case.id])
    return found, failures


def check_cascade(bundle: Bundle) -> None:
    """Raise UsageError unless the bundle is a cascade."""
    manifest = bundle.manifest
    if manifest.kind is not BundleKind.CASCADE:
        raise UsageError(f"bundle '{manifest.name}' is of kind '{manifest.kind}'; this needs a cascade")


def check_classes(bundle: Bundle, dataset: LabelledDataset) -> None:
    """Raise UsageError unless the bundle is for the classes of the data set."""
    manifest = bundle.manifest
    ours, theirs = ([c.name for c in classes] for classes in (manifest.classes, dataset.classes))
    if ours != theirs:
        raise UsageError(
            f"bundle '{manifest.name}' segments {', '.join(ours)}, "
            f"but {dataset.name} is labelled {', '.join(theirs)}; choose data with the same classes"
        )


def failure_line(case: str, error: Exception) -> str:
    """One line that begins with the case's name."""
    text = " ".join(str(error).split())
    if not isinstance(error, CardiacUQError):
        text = f"cannot be judged ({type(error).__name__}: {text})"
    return text if text.startswith(f"{case}:") else f"{case}: {text}"


def judge_case(
    case: LabelledCase,
    networks: KeptNetworks,
    arithmetic: Arithmetic,
    folds: tuple[int, ...],
    options: PassOptions,
    methods: tuple[Method, ...],
    store: CaseStore,
    cancel: CancelToken | None = None,
) -> CaseFigures:
    """Predict one case, score every available row and keep the result."""
    start = time.perf_counter()
    volume, labels = case.load()
    check_labels(case, labels, volume.array.shape, len(networks.manifest.classes))
    predicted = predict_case(volume, networks, arithmetic, folds, options, cancel)
    passes, window = merge_classes(predicted.passes, case.merged), predicted.window
    truth = Truth(window.cut(labels), labels, volume.geometry.spacing)
    classes = len(networks.manifest.classes)
    final = {stage: passes.of(stage).p.mean(axis=0).argmax(axis=0).astype(np.uint8) for stage in Stage}
    undropped = final[Stage.CASCADE]
    final[Stage.CASCADE], _ = drop_small_lesions(
        passes.stage3d.p.mean(axis=0), volume.geometry.voxel_volume_ml, networks.manifest
    )
    segmentation = {
        stage.value: segmentation_scores(window.paste(final[stage]), truth, classes) for stage in Stage
    }
    rows = {}
    for prediction in predictions(passes, methods):
        mean_dice = mean_foreground_dice(window.paste(prediction.labels), labels, classes)
        rows[prediction.row.key] = row_scores(prediction, truth.window, mean_dice)
    maps = final_maps(passes)
    brier = brier_score(passes.stage3d.p.mean(axis=0), truth.window)
    if predicted.error_probability is not None:
        maps[MapName.ERROR_PROBABILITY] = predicted.error_probability
        calibrated = Row(Stage.CASCADE, Method.ERROR_PROBABILITY)
        rows[calibrated.key] = {"mean_dice": segmentation[Stage.CASCADE.value]["mean_dice"]} | map_record(
            predicted.error_probability, final[Stage.CASCADE], truth.window, brier, is_probability=True
        )
    reasons = {row.key: why_unavailable(row.method, passes) for row in ROWS if row.method in methods}
    figures = CaseFigures(
        case.id,
        case.group,
        folds,
        round(time.perf_counter() - start, 3),
        segmentation,
        rows,
        {key: reason for key, reason in reasons.items() if reason is not None},
        _volumes_ml(passes.stage3d.p, volume.geometry.voxel_volume_ml),
    )
    arrays = CaseArrays(
        window.cut(volume.array).astype(np.float32),
        truth.window,
        final[Stage.SLICES],
        final[Stage.CASCADE],
        maps,
        truth.spacing_xyz,
        tuple((_voxels(labels, classes) - _voxels(truth.window, classes)).tolist()),
        brier,
        undropped,
    )
    store.save(figures, arrays, file_state(case))
    return figures


def file_state(case: LabelledCase) -> str:
    """Size and time of change of a case's files, and how it is judged: a change makes kept figures void."""
    paths = [path for path in (case.image_path, case.label_path) if path.exists()]
    merged = [f"merged {dict(case.merged)}"] if case.merged else []
    return ";".join([f"{path}:{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in paths] + merged)


def check_labels(case: LabelledCase, labels: np.ndarray, shape: tuple[int, ...], classes: int) -> None:
    """Raise InputError unless the labels (z, y, x) fit their image and the model's classes."""
    if labels.shape != shape:
        raise InputError(case.label_path, f"has shape {labels.shape}, its image {shape}", "they must agree")
    if labels.size and labels.max() >= classes:
        raise InputError(case.label_path, f"has label {labels.max()}", f"allowed are 0 to {classes - 1}")


def _volumes_ml(p: np.ndarray, voxel_ml: float) -> list[list[float]]:
    """Volume of every class in every pass, from softmax (F, C, z, y, x)."""
    return [(_voxels(one.argmax(axis=0), len(one)) * voxel_ml).tolist() for one in p]


def _voxels(labels: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(labels.ravel(), minlength=classes)
