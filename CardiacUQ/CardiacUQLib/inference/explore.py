"""The one way from a volume and a bundle to findings: use, cross-validation and cohorts all take it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import torch

from ..base.errors import ModelError, UsageError
from ..bundles.manifest import BundleKind, Manifest, View
from .cascade import explore_cascade
from .device import choose_device, choose_precision, with_less_memory
from .empty_slices import back_in_place, filled_slices, without_empty_slices
from .found import Findings
from .jobs import Job
from .passes import BATCH_PIXELS, Arithmetic
from .streaming import explore_streaming

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
    retreats: list[str] = []
    filled = filled_slices(job.volume)
    seen = (
        job if job.keep_passes else dataclasses.replace(job, volume=without_empty_slices(job.volume, filled))
    )

    def attempt(where: torch.device, batch_pixels: int) -> Findings:
        return method(seen, Arithmetic(where, choose_precision(precision, where), batch_pixels))

    slice_pixels = manifest.roi.size_px**2
    wanted = min(BATCH_PIXELS, slice_pixels * len(job.views) * seen.volume.array.shape[0])
    found = with_less_memory(attempt, choose_device(device), wanted, slice_pixels, retreats.append)
    if seen is not job:
        found = back_in_place(found, job.volume, filled, len(manifest.classes))
    return dataclasses.replace(found, warnings=(*retreats, *found.warnings))


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
