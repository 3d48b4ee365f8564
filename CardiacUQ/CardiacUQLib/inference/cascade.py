"""One case through the cascade, from the volume to labels, maps and corrections on its grid."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..base.arg_max import arg_max
from ..base.progress import portion
from ..base.timing import StepTimer
from ..bundles.manifest import View
from ..uncertainty.assessment import Assessor
from ..uncertainty.evidence import EvidenceCollector
from ..uncertainty.look import within_loss
from .accumulators import CascadeAccumulator
from .found import Findings, Region
from .jobs import (
    LOCATED,
    PASSED,
    Job,
    add_error_probability,
    assess,
    check_finite,
    contour_bands,
    find_corrections,
    find_region,
    maps_on_image,
    roi_voxel_ml,
    step_timer,
    traits,
)
from .locator import CUT_ANEW, LOCATOR, heart_elsewhere
from .looking import find_looks
from .passes import Arithmetic, CascadePass, run_cascade
from .plausibility import decide
from .roi import Roi, crop_no_image, find_roi, normalise_slices


@dataclass(frozen=True)
class _Seen:
    """What the passes over a region add up to."""

    roi: Roi
    crop: np.ndarray
    accumulator: CascadeAccumulator
    collector: EvidenceCollector
    kept: list[CascadePass] = field(default_factory=list)
    warnings: tuple[str, ...] = ()


def explore_cascade(job: Job, arithmetic: Arithmetic) -> Findings:
    """All steps of the cascade on one device; starts from nothing, so that it can be repeated."""
    manifest, timer = job.source.manifest, step_timer(arithmetic)
    assessor = Assessor(manifest.calibration, manifest.classes)
    roi, warnings = find_region(job, arithmetic, timer)
    seen = _see(job, arithmetic, timer, roi)
    roi, crop, accumulator, collector = seen.roi, seen.crop, seen.accumulator, seen.collector
    samples = _dropout_samples(job, crop, arithmetic)
    with timer.step("maps"):
        maps = {name: values.cpu().numpy() for name, values in accumulator.maps().items()}
        check_finite(maps, manifest)
        evidence = collector.evidence()
        presence = assessor.probabilities(evidence)
        first, final = (stage.mean.cpu().numpy() for stage in (accumulator.stage2d, accumulator.final))
    job.progress(PASSED, "back to the grid of the image")
    job.cancel.check()
    with timer.step("restore"):
        first_on_grid, on_grid = roi.restore(first), roi.restore(final)
        opinion = arg_max(first_on_grid)
        decision = decide(on_grid, job.volume.geometry.voxel_volume_ml, manifest, assessor, presence)
        segmentation, labels = (decision.labels(p, manifest) for p in (on_grid, final))
        evidence |= traits(job, roi, crop, labels, evidence)
        add_error_probability(maps, labels, arg_max(first), manifest)
        restored = maps_on_image(maps, roi)
    with timer.step("looks"):
        looks, proposals = find_looks(job, roi, 0.5 * (first + final), labels, arg_max(first), maps, presence)
    with timer.step("bands"):
        bands, band_maps = contour_bands(job, assessor, 0.5 * (first_on_grid + on_grid), segmentation)
    with timer.step("components"):
        corrections = find_corrections(job, opinion, segmentation, restored)
    judged = assess(job, assessor, evidence, presence, segmentation)
    return Findings(
        Region(
            roi, final, first[None], labels, arg_max(final), arg_max(first), maps, tuple(seen.kept), samples
        ),
        segmentation,
        opinion,
        restored,
        corrections,
        accumulator.final.class_voxels * roi_voxel_ml(roi, job.volume.geometry),
        arithmetic,
        timer.seconds,
        (*warnings, *seen.warnings, *decision.warnings),
        evidence,
        judged,
        within_loss(looks, judged.predicted_dice),
        proposals,
        bands,
        band_maps,
    )


def _see(
    job: Job, arithmetic: Arithmetic, timer: StepTimer, roi: Roi, start: float = LOCATED, again: bool = False
) -> _Seen:
    """All passes over a region. Where those of the first fold find the heart far off its centre, the region
    is cut anew about what they found, once, unless somebody said where the heart is."""
    manifest, geometry = job.source.manifest, job.volume.geometry
    sought = LOCATOR in manifest.networks and job.centre_yx is None and not again
    with timer.step("extract"):
        crop = normalise_slices(roi.extract(job.volume.array), crop_no_image(roi, job.volume))
    collector = EvidenceCollector(manifest.classes, roi_voxel_ml(roi, geometry), crop)
    accumulator = CascadeAccumulator(manifest.stage_rule.score_sharpness)
    seen = _Seen(roi, crop, accumulator, collector, warnings=(CUT_ANEW,) if again else ())
    for one in run_cascade(
        crop,
        job.source,
        arithmetic,
        folds=job.folds,
        views=job.views,
        progress=portion(job.progress, start, PASSED),
        cancel=job.cancel,
        timer=timer,
    ):
        with timer.step("maps"):
            accumulator.add(one.p2d, one.p3d, one.final)
            collector.add(one.fold, one.p2d[None].cpu().numpy(), one.final.cpu().numpy())
        if job.keep_passes:
            seen.kept.append(one)
        if sought and accumulator.final.passes == len(job.views):
            with timer.step("locate"):
                heart = 1 - accumulator.final.mean[0].cpu().numpy()
                centre = heart_elsewhere(heart, roi, geometry)
            if centre is not None:
                done = start + (PASSED - start) / len(job.folds)
                return _see(
                    job, arithmetic, timer, find_roi(job.volume, manifest.roi, centre), done, again=True
                )
    return seen


def _dropout_samples(job: Job, crop: np.ndarray, arithmetic: Arithmetic) -> tuple[CascadePass, ...]:
    """Monte Carlo dropout [paper]: one model, no test-time views, T runs with dropout left on."""
    if not job.dropout_samples:
        return ()
    return tuple(
        run_cascade(
            crop,
            job.source,
            arithmetic,
            folds=job.folds[:1],
            views=(View.IDENTITY,),
            dropout_samples=job.dropout_samples,
            cancel=job.cancel,
        )
    )
