"""Finding end-systole in a cine: one quick pass over all frames, then the smallest cavity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..base.errors import InputError, ModelError
from ..base.progress import CancelToken, ProgressCallback, ignore_progress
from ..bundles.manifest import BundleKind
from ..images.film import Cine
from ..images.volume import Volume
from ..measures.anatomy import class_values
from .combination import ensemble
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
GLITCH, FINE_BEAT = 0.5, 12
"""In a beat of that many frames no heart holds less than half of what it holds in both the frame before and
the frame after: there the model slipped."""


def cavity_volumes(
    cine: Cine,
    bundle: Bundle,
    *,
    device: str = "auto",
    precision: str = "auto",
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
) -> tuple[float, ...]:
    """Volume in ml of the left ventricular cavity in every frame; NaN for a frame that cannot be used.

    The bundle's first fold without test-time views, in one region around the heart of the first usable frame.
    Raises ModelError for a bundle that is no cine ensemble, and as
    :func:`CardiacUQLib.inference.segment.segment`.
    """
    manifest = bundle.manifest
    if manifest.kind is not BundleKind.STREAMING or "cavity" not in class_values(manifest.classes):
        raise ModelError(f"bundle '{manifest.name}' cannot find the cavity of a cine; choose a cine bundle")
    cancel = cancel or CancelToken()

    def attempt(where: torch.device, batch_pixels: int) -> tuple[float, ...]:
        arithmetic = Arithmetic(where, choose_precision(precision, where), batch_pixels)
        return _measure(cine, bundle, arithmetic, progress, cancel)

    least = manifest.roi.size_px**2
    return with_less_memory(attempt, choose_device(device), BATCH_PIXELS, least, lambda line: None)


def end_systole(cine: Cine, cavity_ml: Sequence[float], ed: int) -> int:
    """The frame other than ``ed`` with the smallest cavity.

    Frames without any cavity do not count, nor, in a finely sampled beat, those below :data:`GLITCH` of
    both neighbours (the last frame is followed by the first). Raises InputError where nothing is left.
    """
    volumes = np.asarray(cavity_ml, float)
    usable = np.isfinite(volumes) & (volumes > 0)
    if len(volumes) >= FINE_BEAT:
        before, after = np.roll(volumes, 1), np.roll(volumes, -1)
        usable &= ~((volumes < GLITCH * before) & (volumes < GLITCH * after))
    usable[ed] = False
    if not usable.any():
        problem = "no left ventricle was found in any frame but the first"
        raise InputError(cine.path, problem, "name the end-systolic frame with --es")
    return int(np.where(usable, volumes, np.inf).argmin())


def _measure(
    cine: Cine, bundle: Bundle, arithmetic: Arithmetic, progress: ProgressCallback, cancel: CancelToken
) -> tuple[float, ...]:
    manifest, fold = bundle.manifest, bundle.manifest.folds[:1]
    rule, fixed = parse_combination(manifest.combination)
    networks = {
        name: bundle.network(name, fold[0], arithmetic.device).to(memory_format=torch.channels_last)
        for name in member_names(manifest)
    }
    roi: Roi | None = None
    volumes = np.full(len(cine), np.nan)
    for first in range(0, len(cine), FRAMES_AT_ONCE):
        cancel.check()
        progress(first / len(cine), f"looking for end-systole, frame {first + 1} of {len(cine)}")
        numbers = range(first, min(first + FRAMES_AT_ONCE, len(cine)))
        frames = {number: frame for number in numbers if (frame := _usable(cine, number)) is not None}
        if not frames:
            continue
        if roi is None:
            roi = _region(next(iter(frames.values())), bundle, arithmetic, fold, cancel)
        crops = np.stack(
            [normalise_frame(roi.extract(f.array), crop_no_image(roi, f)) for f in frames.values()]
        )
        stack = torch.from_numpy(crops).to(arithmetic.device)
        outputs = [
            p
            for name, network in networks.items()
            for p in member_outputs(network, stack, arithmetic, rule, manifest.networks[name].in_channels)
        ]
        members = torch.stack(outputs, dim=1)
        combined, _ = ensemble(members, rule, fixed=fixed)
        labels = combined.argmax(dim=1).to(torch.uint8).cpu().numpy()
        parts = [main_parts(one, manifest.classes) for one in labels]
        found = [int(walled_cavity(one, manifest.classes).sum()) for one in parts]
        geometry = next(iter(frames.values())).geometry
        volumes[list(frames)] = np.array(found) * roi_voxel_ml(roi, geometry)
    return tuple(volumes.tolist())


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
