"""What one segmentation computes, whichever the method: its inputs, its findings, and the shared steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..base.errors import ModelError
from ..base.progress import CancelToken, ProgressCallback
from ..base.timing import StepTimer
from ..bundles.manifest import Manifest, View
from ..images.volume import Geometry, Volume
from .components import Corrections, find_components
from .locator import LOCATOR, NO_HEART, find_heart
from .maps import discrete_correction_map
from .passes import Arithmetic
from .result import MapName
from .roi import Roi, find_roi

if TYPE_CHECKING:
    from ..bundles.bundle import Bundle

LOCATED, PASSED, RESTORED = 0.05, 0.85, 0.95
_INVERTED_MAPS = (MapName.MAX_PROBABILITY, MapName.MAX_PROBABILITY_2D)
"""Maps that are 1, not 0, where there is nothing to doubt: outside the ROI."""


@dataclass(frozen=True)
class Job:
    """What to compute, whatever the device."""

    volume: Volume
    bundle: Bundle
    folds: tuple[int, ...]
    views: tuple[View, ...]
    progress: ProgressCallback
    cancel: CancelToken


@dataclass(frozen=True)
class Findings:
    """What either method finds, on the grid of the volume, and how long it took."""

    segmentation: np.ndarray
    stage2d: np.ndarray
    maps: Mapping[MapName, np.ndarray]
    corrections: Corrections
    pass_volumes_ml: np.ndarray
    arithmetic: Arithmetic
    timings: Mapping[str, float]
    warnings: tuple[str, ...]


def find_region(job: Job, arithmetic: Arithmetic, timer: StepTimer) -> tuple[Roi, tuple[str, ...]]:
    """The ROI, centred on the heart where the bundle can find it, and what to tell about that."""
    job.progress(0.0, "finding the heart")
    job.cancel.check()
    centre, warnings = None, ()
    with timer.step("locate"):
        if LOCATOR in job.bundle.manifest.networks:
            centre = find_heart(job.volume, job.bundle, arithmetic, job.folds, job.cancel)
            warnings = (NO_HEART,) if centre is None else ()
        roi = find_roi(job.volume, job.bundle.manifest.roi, centre)
    job.progress(LOCATED, "region of interest chosen")
    return roi, warnings


def on_image(mean: torch.Tensor, roi: Roi) -> np.ndarray:
    """Mean softmax (C, z, size, size) on the image grid; all zero outside the ROI."""
    return roi.restore(mean.cpu().numpy())


def arg_max(p: np.ndarray) -> np.ndarray:
    """Labels, uint8, of softmax (C, z, y, x); where all is zero, outside the ROI, background."""
    return p.argmax(axis=0).astype(np.uint8)


def step_timer(arithmetic: Arithmetic) -> StepTimer:
    """A timer that waits for the GPU before it looks at the clock."""
    if arithmetic.device.type == "cuda":
        return StepTimer(lambda: torch.cuda.synchronize(arithmetic.device))
    return StepTimer()


def find_corrections(
    job: Job, stage2d: np.ndarray, segmentation: np.ndarray, maps: Mapping[MapName, np.ndarray]
) -> Corrections:
    """The DCM between two label maps of the volume and its components."""
    job.progress(RESTORED, "corrections")
    job.cancel.check()
    classes = len(job.bundle.manifest.classes)
    dcm = discrete_correction_map(stage2d, segmentation, classes)
    return find_components(dcm, maps[MapName.SCS], job.volume.geometry, classes)


def maps_on_image(maps: Mapping[MapName, np.ndarray], roi: Roi) -> dict[MapName, np.ndarray]:
    """All maps from the ROI to the image grid at once, float32."""
    doubts = [1 - values if name in _INVERTED_MAPS else values for name, values in maps.items()]
    restored = roi.restore(np.stack(doubts))
    return {
        name: np.asarray(1 - doubt if name in _INVERTED_MAPS else doubt, np.float32)
        for name, doubt in zip(maps, restored, strict=True)
    }


def add_error_probability(
    maps: dict[MapName, np.ndarray], final: np.ndarray, first: np.ndarray, manifest: Manifest
) -> None:
    """Add the calibrated P(voxel wrong), on the ROI grid, where the bundle has a fitted calibrator.

    ``final`` and ``first`` are the labels (z, y, x), uint8, of the final and of the first opinion.
    """
    fitted = manifest.calibration.get("error_probability")
    if fitted is None:
        return
    from .calibration import ErrorProbability

    maps[MapName.ERROR_PROBABILITY] = ErrorProbability.from_manifest(fitted).predict(maps, final, first)


def check_finite(maps: Mapping[MapName, np.ndarray], manifest: Manifest) -> None:
    """Raise ModelError if a map holds NaN or infinity: damaged weights, or too little precision."""
    if not all(np.isfinite(values).all() for values in maps.values()):
        raise ModelError(
            f"the networks of bundle '{manifest.name}' gave values that are no numbers; "
            "try --precision float32, else the weights are damaged"
        )


def portion(progress: ProgressCallback, start: float, end: float) -> ProgressCallback:
    """A callback whose 0..1 is ``start``..``end`` of ``progress``."""
    return lambda share, comment: progress(start + share * (end - start), comment)


def roi_voxel_ml(roi: Roi, geometry: Geometry) -> float:
    """Volume of one voxel of the ROI grid; z counts with the distance between slices."""
    return geometry.voxel_volume_ml * roi.step[0] * roi.step[1]
