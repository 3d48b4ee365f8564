"""The one way from a volume and a bundle to findings: use, cross-validation and cohorts all take it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import torch

from ..base.errors import ModelError, UsageError
from ..bundles.manifest import BundleKind, Manifest, View
from .cascade import explore_cascade
from .device import choose_device, choose_precision, with_less_memory
from .empty_slices import back_in_place, filled_slices, without_empty_slices
from .found import Findings
from .jobs import Job
from .passes import BATCH_PIXELS, Arithmetic
from .streaming import explore_streaming, streaming_labels

T = TypeVar("T")

_METHODS: Mapping[BundleKind, Callable[[Job, Arithmetic], Findings]] = {
    BundleKind.CASCADE: explore_cascade,
    BundleKind.STREAMING: explore_streaming,
}


def explore(job: Job, *, device: str = "auto", precision: str = "auto") -> Findings:
    """All that the bundle of ``job`` finds in its volume, in the pixels of the networks and on its grid.

    Class probabilities are averaged over the passes in the region of interest, put back on the grid and
    only then turned into labels and corrections. When memory runs out, smaller batches and then the CPU
    are tried; the warnings say so. Raises UsageError (unknown device or precision), ModelError (bundle
    without what its kind needs, or whose networks give no numbers), InsufficientMemoryError, CancelledError.
    """
    manifest = job.source.manifest
    method = _METHODS.get(manifest.kind)
    if method is None:
        known = ", ".join(_METHODS)
        raise ModelError(f"bundle '{manifest.name}' is of kind '{manifest.kind}'; this version runs: {known}")
    _check_classes(manifest)
    filled = filled_slices(job.volume)
    seen = (
        job if job.keep_passes else dataclasses.replace(job, volume=without_empty_slices(job.volume, filled))
    )
    found, retreats = _run(seen, method, device, precision)
    if seen is not job:
        found = back_in_place(found, job.volume, filled, len(manifest.classes))
    return dataclasses.replace(found, warnings=(*retreats, *found.warnings))


def explore_labels(job: Job, *, device: str = "auto", precision: str = "auto") -> np.ndarray:
    """The labels (z, y, x), uint8, alone: for those who ask an ensemble where something lies, not how sure
    it is. Raises what :func:`explore` raises."""
    if job.source.manifest.kind is not BundleKind.STREAMING:
        return explore(job, device=device, precision=precision).segmentation
    _check_classes(job.source.manifest)
    filled = filled_slices(job.volume)
    seen = dataclasses.replace(job, volume=without_empty_slices(job.volume, filled))
    found, _ = _run(seen, streaming_labels, device, precision)
    labels = np.zeros(job.volume.array.shape, np.uint8)
    labels[filled] = found
    if job.volume.no_image is not None:
        labels[job.volume.no_image] = 0
    return labels


def _run(
    job: Job, method: Callable[[Job, Arithmetic], T], device: str, precision: str
) -> tuple[T, tuple[str, ...]]:
    """What ``method`` gives, in smaller batches or on the CPU when memory runs out, and a line about that."""
    retreats: list[str] = []

    def attempt(where: torch.device, batch_pixels: int) -> T:
        return method(job, Arithmetic(where, choose_precision(precision, where), batch_pixels))

    slice_pixels = job.source.manifest.roi.size_px**2
    wanted = min(BATCH_PIXELS, slice_pixels * len(job.views) * job.volume.array.shape[0])
    found = with_less_memory(attempt, choose_device(device), wanted, slice_pixels, retreats.append)
    return found, tuple(retreats)


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


def _check_classes(manifest: Manifest) -> None:
    """Labels are arg max channels, so class values must count from 0."""
    values = [info.value for info in manifest.classes]
    if values != list(range(len(values))):
        raise ModelError(f"bundle '{manifest.name}' must number its classes 0, 1, 2 ..., not {values}")
