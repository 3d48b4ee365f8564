"""From a volume and a bundle to a :class:`Result`: the one call behind command line, Slicer and tests."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from ..base.errors import ModelError, UsageError
from ..base.progress import CancelToken, ProgressCallback, ignore_progress
from ..base.version import __version__
from ..bundles.manifest import BundleKind, Manifest, View
from ..images.volume import Volume
from ..measures import measure
from ..measures.aha import check_insertion
from .cascade import segment_cascade
from .device import (
    choose_device,
    choose_precision,
    describe,
    peak_gpu_memory_mb,
    peak_memory_mb,
    with_less_memory,
)
from .heat_map import default_heat_map
from .jobs import Findings, Job
from .passes import BATCH_PIXELS, Arithmetic
from .result import MapName, Result, RunRecord
from .streaming import segment_streaming

if TYPE_CHECKING:
    from ..bundles.bundle import Bundle

_COMPUTE: Mapping[BundleKind, Callable[[Job, Arithmetic], Findings]] = {
    BundleKind.CASCADE: segment_cascade,
    BundleKind.STREAMING: segment_streaming,
}


def segment(
    volume: Volume,
    bundle: Bundle,
    *,
    device: str = "auto",
    folds: Sequence[int] | None = None,
    views: Sequence[View] | None = None,
    precision: str = "auto",
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
    held_out_case: str | None = None,
    rv_insertion_ras: tuple[float, float, float] | None = None,
) -> Result:
    """Segment ``volume`` with ``bundle`` and say where the prediction is unsure.

    ``folds`` and ``views`` default to all the bundle has; ``held_out_case`` restricts the folds to
    those that never saw this training case. ``device`` and ``precision`` are names as in
    :mod:`CardiacUQLib.inference.device`. ``rv_insertion_ras`` (mm) is the anterior insertion of the right
    ventricle, from which AHA segments are counted. Class probabilities are averaged over the passes in
    the region of interest, put back on the grid of ``volume`` and only then turned into labels and
    corrections. When memory runs out, smaller batches and then the CPU are tried; the record says so.

    Raises UsageError (unknown device, precision, fold or view; insertion outside the heart), ModelError
    (bundle without what its kind needs, or whose networks give no numbers), InsufficientMemoryError,
    CancelledError.
    """
    compute = _COMPUTE.get(bundle.manifest.kind)
    if compute is None:
        kind, known = bundle.manifest.kind, ", ".join(_COMPUTE)
        raise ModelError(f"bundle '{bundle.manifest.name}' is of kind '{kind}'; this version runs: {known}")
    _check_classes(bundle.manifest)
    if rv_insertion_ras is not None:
        check_insertion(volume.geometry, rv_insertion_ras)
    job = Job(
        volume,
        bundle,
        choose_folds(bundle.manifest, folds, held_out_case),
        choose_views(bundle.manifest, views),
        progress,
        cancel or CancelToken(),
    )
    retreats: list[str] = []

    def attempt(where: torch.device, batch_pixels: int) -> Findings:
        return compute(job, Arithmetic(where, choose_precision(precision, where), batch_pixels))

    slice_pixels = bundle.manifest.roi.size_px**2
    wanted = min(BATCH_PIXELS, slice_pixels * len(job.views) * volume.array.shape[0])
    findings = with_less_memory(attempt, choose_device(device), wanted, slice_pixels, retreats.append)
    result = _as_result(job, findings, retreats, rv_insertion_ras)
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


def choose_views(manifest: Manifest, views: Sequence[View] | None) -> tuple[View, ...]:
    """The views to run, without repetition; raises UsageError if there is none."""
    chosen = tuple(dict.fromkeys(manifest.views if views is None else views))
    if not chosen:
        raise UsageError("no view was chosen; 'identity' alone switches test-time augmentation off")
    return chosen


def _as_result(
    job: Job,
    findings: Findings,
    retreats: Sequence[str],
    rv_insertion_ras: tuple[float, float, float] | None,
) -> Result:
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
            views=tuple(view.value for view in job.views),
            timings=findings.timings,
            peak_memory_mb=peak_memory_mb(),
            peak_gpu_memory_mb=peak_gpu_memory_mb(where),
            versions=_versions(),
            warnings=(*manifest.limitations, *retreats, *findings.warnings),
            default_map=default_heat_map(manifest.calibration, findings.maps),
        ),
        measures=measure(
            findings.segmentation,
            job.volume,
            manifest.kind,
            manifest.classes,
            findings.pass_volumes_ml,
            findings.maps.get(MapName.SCS),
            findings.maps.get(MapName.ERROR_PROBABILITY),
            manifest.calibration,
            rv_insertion_ras,
        ),
    )


def _check_classes(manifest: Manifest) -> None:
    """Labels are arg max channels, so class values must count from 0."""
    values = [info.value for info in manifest.classes]
    if values != list(range(len(values))):
        raise ModelError(f"bundle '{manifest.name}' must number its classes 0, 1, 2 ..., not {values}")


def _versions() -> dict[str, str]:
    found = {"CardiacUQ": __version__, "python": platform.python_version()}
    for package in ("torch", "numpy", "scipy", "SimpleITK"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "unknown"
    return found
