"""Judging a bundle on a labelled data set, case by case; what is done is never done twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from CardiacUQLib.base.arg_max import arg_max
from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.json_codec import to_plain
from CardiacUQLib.base.progress import CancelToken, ProgressCallback, ignore_progress
from CardiacUQLib.bundles.bundle import Bundle
from CardiacUQLib.bundles.manifest import BundleKind, Manifest
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.bundles.resident import ResidentBundle
from CardiacUQLib.images.volume import Geometry
from CardiacUQLib.inference.calibration import KEY
from CardiacUQLib.inference.found import Findings
from CardiacUQLib.inference.passes import NetworkSource
from CardiacUQLib.uncertainty.assessment import Assessor

from ...datasets import LabelledCase, LabelledDataset
from ...training.crops import crop_labels
from ..assessment.gather import fits_key, gather, judges, unfitted
from ..shared.cases import CaseArrays, CaseFigures, CaseStore, run_key
from ..shared.contours import judge_bands
from ..shared.dice import mean_foreground_dice
from ..shared.judged import (
    Judged,
    check_classes,
    check_labels,
    each_case,
    file_state,
    patients_of,
)
from ..shared.methods import MAP_ROWS, ROWS, Method, Row, Stage, predictions, why_unavailable
from ..shared.predict import (
    Computer,
    PassOptions,
    case_passes,
    merge_classes,
    merge_labels,
    outside_of,
    permitted_folds,
    predict,
    voxel_of,
)
from ..shared.scores import Truth, brier_score, map_record, row_scores, segmentation_scores

DROPOUT_SAMPLES = 10
PREDICTED_METHODS = tuple(m for m in Method if m is not Method.ERROR_PROBABILITY)


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
    computer = Computer(device, precision)
    methods = tuple(m for m in methods if m in PREDICTED_METHODS)  # what is fitted later changes no case
    names = sorted(m.value for m in methods)
    described = {"data": dataset.name, "number": computer.number, "methods": names, "passes": options}
    if not options.cross_validated:
        described["calibration"] = bundle.manifest.calibration.get(KEY)
    store = CaseStore(out / "cases", run_key(bundle.manifest, described))
    networks, cases = ResidentBundle.of(bundle), dataset.cases[:limit]
    material = gather(networks, cases, store, options, computer, progress, cancel)
    nested = judges(networks, material)
    unseen = unfitted(networks) if nested else networks

    def judged_or_kept(case: LabelledCase) -> CaseFigures:
        source = nested.get(case.id, unseen)
        state = f"{file_state(case)};{fits_key(source)}"
        kept = store.load(case.id, state)
        if kept is not None:
            return kept
        folds = permitted_folds(bundle.manifest, case.id, options)
        return judge_case(case, source, computer, folds, options, methods, store, cancel, state)

    figures, failures = each_case(cases, judged_or_kept, progress, on_failure)
    progress(1.0, "all cases judged")
    held_out = bundle.manifest.held_out
    training = {case for cases_of_fold in held_out.values() for case in cases_of_fold}
    leaked = () if options.cross_validated else tuple(case for case in figures if case in training)
    return Judged(figures, failures, store, leaked, material, patients_of(cases))


def check_cascade(bundle: Bundle) -> None:
    """Raise UsageError unless the bundle is a cascade."""
    manifest = bundle.manifest
    if manifest.kind is not BundleKind.CASCADE:
        raise UsageError(f"bundle '{manifest.name}' is of kind '{manifest.kind}'; this needs a cascade")


def judge_case(
    case: LabelledCase,
    networks: NetworkSource,
    computer: Computer,
    folds: tuple[int, ...],
    options: PassOptions,
    methods: tuple[Method, ...],
    store: CaseStore,
    cancel: CancelToken | None = None,
    state: str | None = None,
) -> CaseFigures:
    """Predict one case, score every available row and keep the result.

    The segmentation is judged on the grid of the image, as it is given to a user; the maps are judged, and
    P(wrong) is fitted, in the pixels of the networks, where they are computed.
    """
    start = time.perf_counter()
    volume, labels = case.load()
    classes = len(networks.manifest.classes)
    check_labels(case, labels, volume.array.shape, classes)
    found = predict(volume, networks, folds, options, computer, cancel)
    region, passes = found.region, merge_classes(case_passes(found.region, networks.manifest), case.merged)
    truth = Truth(crop_labels(region.roi, labels), labels, volume.geometry.spacing)
    stages = {Stage.SLICES: found.opinion, Stage.CASCADE: found.segmentation}
    final = {stage: merge_labels(found_labels, case.merged) for stage, found_labels in stages.items()}
    segmentation = {stage.value: segmentation_scores(final[stage], truth, classes) for stage in Stage}
    brier = brier_score(passes.final.p.mean(axis=0), truth.region)
    decided = merge_labels(region.labels, case.merged)
    rows = {}
    for prediction in predictions(passes, methods):
        mean_dice = mean_foreground_dice(arg_max(region.roi.restore(prediction.mean)), labels, classes)
        rows[prediction.row.key] = row_scores(prediction, truth.region, mean_dice)
    maps = dict(region.maps)
    if options.cross_validated:  # the bundle's P(wrong) was fitted on these very cases
        maps.pop(MapName.ERROR_PROBABILITY, None)
    for row in (Row(Stage.CASCADE, Method.ERROR_PROBABILITY), *MAP_ROWS):
        if (values := maps.get(MapName(row.method.value))) is not None:
            doubt = 1 - values if MapName(row.method.value).info.falling else values
            rows[row.key] = {"mean_dice": segmentation[Stage.CASCADE.value]["mean_dice"]} | map_record(
                doubt, decided, truth.region, brier, is_probability=row.is_probability
            )
    reasons = {
        row.key: why_unavailable(row.method, passes)
        for row in ROWS
        if isinstance(row.method, Method) and row.method in methods
    }
    voxel_ml = volume.geometry.voxel_volume_ml
    figures = CaseFigures(
        case.id,
        case.group,
        folds,
        round(time.perf_counter() - start, 3),
        segmentation,
        rows,
        {key: reason for key, reason in reasons.items() if reason is not None},
        merged_volumes(found.pass_volumes_ml, case.merged).tolist(),
        (_voxels(labels, classes) * voxel_ml).tolist(),
        (_voxels(final[Stage.CASCADE], classes) * voxel_ml).tolist(),
        to_plain(found.assessment),
        dict(found.evidence),
        _bands(found, networks.manifest, labels, volume.geometry),
    )
    arrays = CaseArrays(
        region.roi.extract(volume.array),
        truth.region,
        merge_labels(region.opinion, case.merged),
        decided,
        maps,
        voxel_of(region, volume),
        outside_of(region, labels, classes),
        brier,
        merge_labels(region.undecided, case.merged),
        0.5 * (passes.stage2d.p.mean(axis=0) + passes.final.p.mean(axis=0)),
    )
    store.save(figures, arrays, file_state(case) if state is None else state)
    return figures


def _bands(
    found: Findings, manifest: Manifest, truth: np.ndarray, geometry: Geometry
) -> dict[str, dict[str, float]]:
    """How the bands did that a user is given; on the labels of the reader as they are."""
    x_mm, y_mm = geometry.spacing[:2]
    fit = Assessor(manifest.calibration, manifest.classes).bands
    both = found.region.roi.restore(found.region.both)
    judged = judge_bands(
        fit, both, found.segmentation, found.band_maps, truth, manifest.classes, (y_mm, x_mm)
    )
    return {name: to_plain(band) for name, band in judged.items()}


def merged_volumes(volumes_ml: np.ndarray, merged: Mapping[int, int]) -> np.ndarray:
    """Volumes (passes, C) with classes that the reader does not tell apart put together."""
    volumes = np.asarray(volumes_ml, float).copy()
    for value, into in merged.items():
        volumes[:, into] += volumes[:, value]
        volumes[:, value] = 0.0
    return volumes


def _voxels(labels: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(labels.ravel(), minlength=classes)
