"""From a volume and a bundle to a :class:`Result`: the one call behind command line, Slicer and tests."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .accumulators import CascadeAccumulator
from .components import Corrections, find_components
from .device import (
    choose_device,
    choose_precision,
    describe,
    peak_gpu_memory_mb,
    peak_memory_mb,
    with_less_memory,
)
from .errors import ModelError, UsageError
from .locator import LOCATOR, NO_HEART, find_heart
from .manifest import BundleKind, ClassInfo, Flip, Manifest
from .maps import discrete_correction_map
from .passes import BATCH_PIXELS, Arithmetic, run_cascade
from .progress import CancelToken, ProgressCallback, ignore_progress
from .result import MapName, Result, RunRecord
from .roi import Roi, find_roi, normalise_slices
from .timing import StepTimer
from .version import __version__
from .volume import Geometry, Volume

if TYPE_CHECKING:
    from .bundle import Bundle

_LOCATED, _PASSED, _RESTORED = 0.05, 0.85, 0.95
_INVERTED_MAPS = (MapName.MAX_PROBABILITY, MapName.MAX_PROBABILITY_2D)
"""Maps that are 1, not 0, where there is nothing to doubt: outside the ROI."""


@dataclass(frozen=True)
class _Job:
    """What to compute, whatever the device."""

    volume: Volume
    bundle: Bundle
    folds: tuple[int, ...]
    flips: tuple[Flip, ...]
    progress: ProgressCallback
    cancel: CancelToken


@dataclass(frozen=True)
class _Findings:
    """What either method finds, on the grid of the volume, and how long it took."""

    segmentation: np.ndarray
    stage2d: np.ndarray
    maps: Mapping[MapName, np.ndarray]
    corrections: Corrections
    pass_volumes_ml: np.ndarray
    arithmetic: Arithmetic
    timings: Mapping[str, float]
    warnings: tuple[str, ...]


def segment(
    volume: Volume,
    bundle: Bundle,
    *,
    device: str = "auto",
    folds: Sequence[int] | None = None,
    flips: Sequence[Flip] | None = None,
    precision: str = "auto",
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
    held_out_case: str | None = None,
) -> Result:
    """Segment ``volume`` with ``bundle`` and say where the prediction is unsure.

    ``folds`` and ``flips`` default to all the bundle has; ``held_out_case`` restricts the folds to
    those that never saw this training case. ``device`` and ``precision`` are names as in
    :mod:`CardiacUQLib.device`. Class probabilities are averaged over the passes in the region of
    interest, put back on the grid of ``volume`` and only then turned into labels and corrections.
    When memory runs out, smaller batches and then the CPU are tried; the record says so.

    Raises UsageError (unknown device, precision, fold or flip), ModelError (bundle without what its
    kind needs, or whose networks give no numbers), InsufficientMemoryError, CancelledError.
    """
    compute = _COMPUTE.get(bundle.manifest.kind)
    if compute is None:
        kind, known = bundle.manifest.kind, ", ".join(_COMPUTE)
        raise ModelError(f"bundle '{bundle.manifest.name}' is of kind '{kind}'; this version runs: {known}")
    _check_classes(bundle.manifest)
    job = _Job(
        volume,
        bundle,
        choose_folds(bundle.manifest, folds, held_out_case),
        choose_flips(bundle.manifest, flips),
        progress,
        cancel or CancelToken(),
    )
    retreats: list[str] = []

    def attempt(where: torch.device, batch_pixels: int) -> _Findings:
        return compute(job, Arithmetic(where, choose_precision(precision, where), batch_pixels))

    slice_pixels = bundle.manifest.roi.size_px**2
    wanted = min(BATCH_PIXELS, slice_pixels * len(job.flips) * volume.array.shape[0])
    findings = with_less_memory(attempt, choose_device(device), wanted, slice_pixels, retreats.append)
    result = _as_result(job, findings, retreats)
    progress(1.0, "segmented")
    return result


def choose_folds(
    manifest: Manifest, folds: Sequence[int] | None, held_out_case: str | None = None
) -> tuple[int, ...]:
    """The folds to run, ascending. Raises UsageError for a fold the bundle lacks, ModelError if no
    chosen fold has held out ``held_out_case``."""
    present = manifest.folds
    chosen = present if folds is None else tuple(sorted(set(folds)))
    unknown = [fold for fold in chosen if fold not in present]
    if unknown or not chosen:
        asked = f"fold {unknown[0]} is not in" if unknown else "no fold was chosen from"
        raise UsageError(f"{asked} bundle '{manifest.name}'; it has {', '.join(map(str, present))}")
    if held_out_case is None:
        return chosen
    honest = tuple(fold for fold in chosen if held_out_case in manifest.held_out.get(fold, ()))
    if not honest:
        raise ModelError(f"no chosen fold of bundle '{manifest.name}' has held out case '{held_out_case}'")
    return honest


def choose_flips(manifest: Manifest, flips: Sequence[Flip] | None) -> tuple[Flip, ...]:
    """The flips to run, without repetition; raises UsageError if there is none."""
    chosen = tuple(dict.fromkeys(manifest.flips if flips is None else flips))
    if not chosen:
        raise UsageError("no flip was chosen; 'identity' alone switches test-time augmentation off")
    return chosen


def _cascade(job: _Job, arithmetic: Arithmetic) -> _Findings:
    """All steps of the cascade on one device; starts from nothing, so that it can be repeated."""
    on_gpu = arithmetic.device.type == "cuda"
    timer = StepTimer((lambda: torch.cuda.synchronize(arithmetic.device)) if on_gpu else None)
    roi, warnings = _region(job, arithmetic, timer)
    with timer.step("extract"):
        crop = normalise_slices(roi.extract(job.volume.array))
    accumulator = CascadeAccumulator()
    for one in run_cascade(
        crop,
        job.bundle,
        arithmetic,
        folds=job.folds,
        flips=job.flips,
        progress=_portion(job.progress, _LOCATED, _PASSED),
        cancel=job.cancel,
        timer=timer,
    ):
        with timer.step("maps"):
            accumulator.add(one.p2d, one.p3d)
    with timer.step("maps"):
        maps = {name: values.cpu().numpy() for name, values in accumulator.maps().items()}
        _check_finite(maps, job.bundle.manifest)
        _add_error_probability(maps, accumulator, job.bundle.manifest)
    job.progress(_PASSED, "back to the grid of the image")
    job.cancel.check()
    with timer.step("restore"):
        stage2d = _labels(accumulator.stage2d.mean, roi)
        segmentation = _labels(accumulator.stage3d.mean, roi)
        maps = _restore_maps(maps, roi)
    job.progress(_RESTORED, "corrections")
    job.cancel.check()
    with timer.step("components"):
        n_classes = len(job.bundle.manifest.classes)
        dcm = discrete_correction_map(stage2d, segmentation, n_classes)
        corrections = find_components(dcm, maps[MapName.SCS], job.volume.geometry, n_classes)
    return _Findings(
        segmentation,
        stage2d,
        maps,
        corrections,
        accumulator.stage3d.class_voxels * _roi_voxel_ml(roi, job.volume.geometry),
        arithmetic,
        timer.seconds,
        warnings,
    )


_COMPUTE: Mapping[BundleKind, Callable[[_Job, Arithmetic], _Findings]] = {BundleKind.CASCADE: _cascade}


def _region(job: _Job, arithmetic: Arithmetic, timer: StepTimer) -> tuple[Roi, tuple[str, ...]]:
    """The ROI, centred on the heart where the bundle can find it, and what to tell about that."""
    job.progress(0.0, "finding the heart")
    job.cancel.check()
    centre, warnings = None, ()
    with timer.step("locate"):
        if LOCATOR in job.bundle.manifest.networks:
            centre = find_heart(job.volume, job.bundle, arithmetic, job.folds, job.cancel)
            warnings = (NO_HEART,) if centre is None else ()
        roi = find_roi(job.volume, job.bundle.manifest.roi, centre)
    job.progress(_LOCATED, "region of interest chosen")
    return roi, warnings


def _labels(mean: torch.Tensor, roi: Roi) -> np.ndarray:
    """Mean softmax (C, z, size, size) to uint8 labels on the image grid; outside the ROI background."""
    return roi.restore(mean.cpu().numpy()).argmax(axis=0).astype(np.uint8)


def _restore_maps(maps: Mapping[MapName, np.ndarray], roi: Roi) -> dict[MapName, np.ndarray]:
    """All maps from the ROI to the image grid at once, float32."""
    doubts = [1 - values if name in _INVERTED_MAPS else values for name, values in maps.items()]
    restored = roi.restore(np.stack(doubts))
    return {
        name: np.asarray(1 - doubt if name in _INVERTED_MAPS else doubt, np.float32)
        for name, doubt in zip(maps, restored, strict=True)
    }


def _add_error_probability(
    maps: dict[MapName, np.ndarray], accumulator: CascadeAccumulator, manifest: Manifest
) -> None:
    """Add the calibrated P(voxel wrong), on the ROI grid, where the bundle has a fitted calibrator."""
    fitted = manifest.calibration.get("error_probability")
    if fitted is None:
        return
    from .calibration import ErrorProbability

    s3d, s2d = (
        stage.mean.argmax(dim=0).cpu().numpy() for stage in (accumulator.stage3d, accumulator.stage2d)
    )
    maps[MapName.ERROR_PROBABILITY] = ErrorProbability.from_manifest(fitted).predict(
        maps, s3d.astype(np.uint8), s2d.astype(np.uint8)
    )


def _measures(segmentation: np.ndarray, geometry: Geometry, classes: Sequence[ClassInfo]) -> dict[str, Any]:
    """Content of ``measures.json``: the volume of every class but the background, in ml."""
    voxels = np.bincount(segmentation.ravel(), minlength=len(classes))
    volumes = {c.name: float(voxels[c.value] * geometry.voxel_volume_ml) for c in classes if c.value}
    return {"volumes_ml": volumes}


def _as_result(job: _Job, findings: _Findings, retreats: Sequence[str]) -> Result:
    manifest = job.bundle.manifest
    where = findings.arithmetic.device
    return Result(
        volume=job.volume,
        kind=manifest.kind,
        classes=manifest.classes,
        segmentation=findings.segmentation,
        stage2d=findings.stage2d,
        maps=findings.maps,
        dcm=findings.corrections.dcm,
        component_ids=findings.corrections.component_ids,
        components=findings.corrections.components,
        pass_volumes_ml=findings.pass_volumes_ml,
        run=RunRecord(
            bundle=manifest.name,
            bundle_version=manifest.version,
            bundle_sha256=job.bundle.sha256,
            device=describe(where),
            precision=str(findings.arithmetic.dtype).removeprefix("torch."),
            folds=job.folds,
            flips=tuple(flip.value for flip in job.flips),
            timings=findings.timings,
            peak_memory_mb=peak_memory_mb(),
            peak_gpu_memory_mb=peak_gpu_memory_mb(where),
            versions=_versions(),
            warnings=(*retreats, *findings.warnings),
        ),
        measures=_measures(findings.segmentation, job.volume.geometry, manifest.classes),
    )


def _portion(progress: ProgressCallback, start: float, end: float) -> ProgressCallback:
    """A callback whose 0..1 is ``start``..``end`` of ``progress``."""
    return lambda share, comment: progress(start + share * (end - start), comment)


def _roi_voxel_ml(roi: Roi, geometry: Geometry) -> float:
    """Volume of one voxel of the ROI grid; z counts with the distance between slices."""
    return geometry.voxel_volume_ml * roi.step[0] * roi.step[1]


def _check_classes(manifest: Manifest) -> None:
    """Labels are arg max channels, so class values must count from 0."""
    values = [info.value for info in manifest.classes]
    if values != list(range(len(values))):
        raise ModelError(f"bundle '{manifest.name}' must number its classes 0, 1, 2 ..., not {values}")


def _check_finite(maps: Mapping[MapName, np.ndarray], manifest: Manifest) -> None:
    if not all(np.isfinite(values).all() for values in maps.values()):
        raise ModelError(
            f"the networks of bundle '{manifest.name}' gave values that are no numbers; "
            "try --precision float32, else the weights are damaged"
        )


def _versions() -> dict[str, str]:
    found = {"CardiacUQ": __version__, "python": platform.python_version()}
    for package in ("torch", "numpy", "scipy", "SimpleITK"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "unknown"
    return found
