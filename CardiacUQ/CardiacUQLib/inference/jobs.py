"""What one segmentation computes, whichever the method: its inputs, its findings, and the shared steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ..base.errors import ModelError
from ..base.progress import CancelToken, ProgressCallback, ignore_progress
from ..base.timing import StepTimer
from ..bundles.manifest import BundleKind, Manifest, View
from ..bundles.map_catalogue import MapName
from ..images.volume import Geometry, Volume
from ..uncertainty.assessment import Assessment, Assessor
from ..uncertainty.bands import Band, find_bands
from ..uncertainty.body_limits import cut_short, impossible
from ..uncertainty.presence import class_values, drawn_lesions
from ..uncertainty.traits import scan_traits
from ..uncertainty.verdict import doubted, unlike_verdict
from .components import Corrections, find_components
from .locator import LOCATOR, NO_HEART, find_heart
from .maps import discrete_correction_map
from .passes import Arithmetic, NetworkSource
from .roi import Roi, find_roi

VIEWS_LEFT_OUT = "all views of the bundle"
LOCATED, PASSED, RESTORED = 0.05, 0.85, 0.95


@dataclass(frozen=True)
class Job:
    """What to compute, whatever the device.

    ``dropout_samples`` T > 0 adds T Monte Carlo dropout samples of the first fold, without further views, as
    of a single model; they enter no map. ``keep_passes`` keeps the softmax of every pass for those who judge
    methods by it; otherwise memory stays that of one pass. ``centre_yx``, in voxels of the volume, is where
    the heart is known to be: then it is not sought.
    """

    volume: Volume
    source: NetworkSource
    folds: tuple[int, ...]
    views: tuple[View, ...]
    progress: ProgressCallback = ignore_progress
    cancel: CancelToken = field(default_factory=CancelToken)
    dropout_samples: int = 0
    keep_passes: bool = False
    centre_yx: tuple[float, float] | None = None


def find_region(job: Job, arithmetic: Arithmetic, timer: StepTimer) -> tuple[Roi, tuple[str, ...]]:
    """The ROI, centred on the heart where the bundle can find it, and what to tell about that."""
    job.progress(0.0, "finding the heart")
    job.cancel.check()
    centre, warnings = job.centre_yx, ()
    with timer.step("locate"):
        if centre is None and LOCATOR in job.source.manifest.networks:
            centre = find_heart(job.volume, job.source, arithmetic, job.folds, job.cancel)
            warnings = (NO_HEART,) if centre is None else ()
        roi = find_roi(job.volume, job.source.manifest.roi, centre)
    job.progress(LOCATED, "region of interest chosen")
    return roi, warnings


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
    classes = len(job.source.manifest.classes)
    dcm = discrete_correction_map(stage2d, segmentation, classes)
    return find_components(dcm, maps[MapName.SCS], job.volume.geometry, classes)


def maps_on_image(maps: Mapping[MapName, np.ndarray], roi: Roi) -> dict[MapName, np.ndarray]:
    """All maps from the ROI to the image grid at once, float32; outside it nothing is in doubt."""
    doubts = [1 - values if name.info.falling else values for name, values in maps.items()]
    restored = roi.restore(np.stack(doubts))
    return {
        name: np.asarray(1 - doubt if name.info.falling else doubt, np.float32)
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


def traits(
    job: Job, roi: Roi, crop: np.ndarray, labels: np.ndarray, evidence: Mapping[str, float]
) -> dict[str, float]:
    """What the scan and what was found in it look like; ``crop`` is the ROI with slices of variance 1."""
    geometry = job.volume.geometry
    return scan_traits(
        job.volume.array,
        crop,
        roi.inside,
        labels,
        job.source.manifest.classes,
        geometry.spacing[0] * roi.step[1],
        geometry.spacing[2],
        evidence,
    )


def assess(
    job: Job,
    assessor: Assessor,
    evidence: Mapping[str, float],
    presence: Mapping[str, float],
    segmentation: np.ndarray,
) -> Assessment:
    """What is said about the case as a whole.

    Predicted Dice and verdict need all views that the bundle was fitted with: without them nothing is
    known of how they agree, and none is given but that the scan is unlike those of the training.
    """
    manifest = job.source.manifest
    never = impossible(segmentation, manifest.classes, job.volume.geometry)
    stated = _stated(job.volume)
    if set(job.views) != set(manifest.views):
        known = assessor.likeness(evidence, all_views=False).with_stated(stated, never)
        word = unlike_verdict(known, None) if known.reasons else None
        return Assessment(word, (), presence, known.reasons, known.no_heart, (VIEWS_LEFT_OUT,))
    drawn = drawn_lesions(segmentation, class_values(manifest.classes))
    judged = assessor.assess(evidence, presence, drawn, stated, never)
    if manifest.kind is BundleKind.CASCADE:  # the share of an infarct is not spoilt as a cine's volumes are
        return judged
    return replace(judged, verdict=doubted(judged.verdict, cut_short(segmentation, manifest.classes)))


def _stated(volume: Volume) -> tuple[str, ...]:
    """What the headers of the scan say against it; files that are not DICOM say nothing."""
    return () if volume.modality in ("", "MR") else (f"modality {volume.modality} instead of MR",)


def contour_bands(
    job: Job, assessor: Assessor, both: np.ndarray, segmentation: np.ndarray
) -> tuple[tuple[Band, ...], dict[str, np.ndarray]]:
    """Bands of contours and their maps by structure, on the grid of the volume like the mean softmax ``both``
    of both opinions (C, z, y, x); none without a fit."""
    fit = assessor.bands
    if fit is None:
        return (), {}
    x_mm, y_mm = job.volume.geometry.spacing[:2]
    return find_bands(fit, both, segmentation, job.source.manifest.classes, (y_mm, x_mm))


def check_finite(maps: Mapping[MapName, np.ndarray], manifest: Manifest) -> None:
    """Raise ModelError if a map holds NaN or infinity: damaged weights, or too little precision."""
    if not all(np.isfinite(values).all() for values in maps.values()):
        raise ModelError(
            f"the networks of bundle '{manifest.name}' gave values that are no numbers; "
            "try --precision float32, else the weights are damaged"
        )


def roi_voxel_ml(roi: Roi, geometry: Geometry) -> float:
    """Volume of one voxel of the ROI grid; z counts with the distance between slices."""
    return geometry.voxel_volume_ml * roi.step[0] * roi.step[1]


def pixel_of(roi: Roi, geometry: Geometry) -> tuple[float, float]:
    """Area in mm2 of one pixel of the ROI grid, and the distance in mm between slices."""
    x, y, z = geometry.spacing
    return x * y * roi.step[0] * roi.step[1], z
