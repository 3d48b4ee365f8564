"""The volume of the cavity in every frame of a film: one pass of every fold over all frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..base.arg_max import arg_max
from ..base.errors import InputError, ModelError
from ..base.progress import CancelToken, ProgressCallback, ignore_progress
from ..bundles.manifest import BundleKind
from ..bundles.resident import ResidentBundle
from ..images.film import Cine, missing_slices
from ..images.volume import Volume
from ..measures.anatomy import class_values
from ..networks.layout import for_inference
from .combination import ensemble, mixture
from .device import choose_device, choose_precision, with_less_memory
from .ensemble import member_names, member_outputs, normalise_frame, parse_combination
from .jobs import roi_voxel_ml
from .locator import LOCATOR, find_heart
from .passes import BATCH_PIXELS, Arithmetic
from .roi import Roi, crop_no_image, find_roi
from .streaming_cleanup import main_parts, walled_cavity

if TYPE_CHECKING:
    from ..bundles.bundle import Bundle

FRAMES_AT_ONCE = 4


def cavity_volumes(
    cine: Cine,
    bundle: Bundle,
    *,
    folds: Sequence[int] | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
) -> tuple[float, ...]:
    """Volume in ml of the left ventricular cavity in every frame; NaN for a frame without an image, or in
    which a slice is missing.

    The mean of the ``folds`` (default: all) without test-time views, in one region around the heart of the
    first usable frame, so that no single network decides which frames are taken.
    Raises ModelError for a bundle that is no cine ensemble, and as
    :func:`CardiacUQLib.inference.segment.segment`.
    """
    manifest = bundle.manifest
    if manifest.kind is not BundleKind.STREAMING or "cavity" not in class_values(manifest.classes):
        raise ModelError(f"bundle '{manifest.name}' cannot find the cavity of a cine; choose a cine bundle")
    cancel, resident = cancel or CancelToken(), ResidentBundle.of(bundle)

    def attempt(where: torch.device, batch_pixels: int) -> tuple[float, ...]:
        arithmetic = Arithmetic(where, choose_precision(precision, where), batch_pixels)
        return _measure(cine, resident, folds or manifest.folds, arithmetic, progress, cancel)

    least = manifest.roi.size_px**2
    return with_less_memory(attempt, choose_device(device), BATCH_PIXELS, least, lambda line: None)


def _measure(
    cine: Cine,
    bundle: Bundle,
    folds: Sequence[int],
    arithmetic: Arithmetic,
    progress: ProgressCallback,
    cancel: CancelToken,
) -> tuple[float, ...]:
    manifest = bundle.manifest
    frames = _complete_frames(cine)
    volumes = np.full(len(cine), np.nan)
    if not frames:
        return tuple(volumes.tolist())
    roi = _region(next(iter(frames.values())), bundle, arithmetic, tuple(folds), cancel)
    crops = np.stack([normalise_frame(roi.extract(f.array), crop_no_image(roi, f)) for f in frames.values()])
    mean = np.zeros((len(crops), len(manifest.classes), *crops.shape[1:]), np.float32)
    for number, fold in enumerate(folds):
        for first in range(0, len(crops), FRAMES_AT_ONCE):
            cancel.check()
            done = (number + first / len(crops)) / len(folds)
            progress(done, f"cavity over time, fold {fold}, frame {first + 1} of {len(crops)}")
            part = slice(first, first + FRAMES_AT_ONCE)
            mean[part] += _mixture(
                torch.from_numpy(crops[part]).to(arithmetic.device), bundle, fold, arithmetic
            )
    voxel_ml = roi_voxel_ml(roi, next(iter(frames.values())).geometry)
    for place, p in zip(frames, mean, strict=True):
        labels = main_parts(arg_max(p), manifest.classes)
        volumes[place] = walled_cavity(labels, manifest.classes).sum() * voxel_ml
    return tuple(volumes.tolist())


def _mixture(frames: torch.Tensor, bundle: Bundle, fold: int, arithmetic: Arithmetic) -> np.ndarray:
    """Weighted mean softmax (K, C, z, y, x) of the members of one fold on frames (K, z, y, x)."""
    manifest = bundle.manifest
    rule, numbers = parse_combination(manifest.combination)
    outputs = [
        p
        for name in member_names(manifest)
        for p in member_outputs(
            for_inference(bundle.network(name, fold, arithmetic.device)),
            frames,
            arithmetic,
            rule,
            manifest.networks[name].in_channels,
        )
    ]
    members = torch.stack(outputs, dim=1)
    _, weights = ensemble(members, rule, numbers=numbers)
    return mixture(members, weights).cpu().numpy()


def _complete_frames(cine: Cine) -> dict[int, Volume]:
    """Frames by number; one in which a slice of the others is missing would look like end-systole.

    Raises InputError where no frame holds an image that can be used.
    """
    frames = {number: frame for number in range(len(cine)) if (frame := _usable(cine, number)) is not None}
    if not frames:
        cine.frame(0)  # none can be used, and the first says why
    missing = missing_slices(list(frames.values()))
    return {
        number: frame for (number, frame), lacks in zip(frames.items(), missing, strict=True) if not lacks
    }


def _usable(cine: Cine, number: int) -> Volume | None:
    """The frame, or None for one without an image, as some exports pad a beat with."""
    try:
        return cine.frame(number)
    except InputError:
        return None


def _region(
    frame: Volume, bundle: Bundle, arithmetic: Arithmetic, fold: tuple[int, ...], cancel: CancelToken
) -> Roi:
    has_locator = LOCATOR in bundle.manifest.networks
    centre = find_heart(frame, bundle, arithmetic, fold, cancel) if has_locator else None
    return find_roi(frame, bundle.manifest.roi, centre)
