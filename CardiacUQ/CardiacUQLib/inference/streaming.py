"""One cine frame through the ensemble, from the volume to labels, maps and disagreements on its grid."""

from __future__ import annotations

import numpy as np

from ..base.arg_max import arg_max
from ..base.progress import portion
from ..bundles.map_catalogue import MapName
from ..uncertainty.assessment import Assessor
from ..uncertainty.evidence import EvidenceCollector
from ..uncertainty.look import within_loss
from .ensemble import StreamingAccumulator, normalise_frame, other_opinion, run_streaming
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
    pixel_of,
    roi_voxel_ml,
    step_timer,
    traits,
)
from .looking import find_looks
from .passes import Arithmetic
from .roi import crop_no_image, normalise_slices
from .slice_decision import decide_slices


def explore_streaming(job: Job, arithmetic: Arithmetic) -> Findings:
    """All steps of Streaming on one device.

    ``opinion`` of the findings is the dissenting member's label where members disagree, so that the
    corrections, and the review of them, read "one member said, the ensemble says". Parts of a structure
    that lie apart from its largest one become background, and so does what lies beyond base and apex where
    the bundle has learned them, so that both show up as corrections too.
    """
    manifest, timer = job.source.manifest, step_timer(arithmetic)
    assessor = Assessor(manifest.calibration, manifest.classes)
    roi, warnings = find_region(job, arithmetic, timer)
    with timer.step("extract"):
        crop = normalise_frame(roi.extract(job.volume.array), crop_no_image(roi, job.volume))
    accumulator, kept = StreamingAccumulator(), []
    collector = EvidenceCollector(manifest.classes, roi_voxel_ml(roi, job.volume.geometry), crop)
    for one in run_streaming(
        crop,
        job.source,
        arithmetic,
        folds=job.folds,
        views=job.views,
        progress=portion(job.progress, LOCATED, PASSED),
        cancel=job.cancel,
        timer=timer,
    ):
        with timer.step("maps"):
            accumulator.add(one)
            collector.add(one.fold, one.members.cpu().numpy(), one.weighted.cpu().numpy())
        if job.keep_passes:
            kept.append(one)
    with timer.step("maps"):
        maps = {name: values.cpu().numpy() for name, values in accumulator.maps().items()}
        check_finite(maps, manifest)
        final, members = (p.cpu().numpy() for p in (accumulator.final.mean, accumulator.member_means()))
        evidence = collector.evidence()
        undecided = arg_max(final)
        decision = decide_slices(final, manifest, job.folds, *pixel_of(roi, job.volume.geometry))
        labels = decision.labels(final, manifest.classes)
        said = other_opinion(np.stack([arg_max(member) for member in members]), labels)
        evidence |= traits(job, roi, normalise_slices(crop), labels, evidence)
        add_error_probability(maps, labels, said, manifest)
    job.progress(PASSED, "back to the grid of the image")
    job.cancel.check()
    with timer.step("restore"):
        segmentation = decision.labels(roi.restore(final), manifest.classes)
        opinions = np.stack([arg_max(roi.restore(member)) for member in members])
        restored = maps_on_image(maps, roi)
    with timer.step("looks"):
        mean = 0.5 * (final + members.mean(axis=0))
        looks, proposals = find_looks(job, roi, mean, labels, said, maps, {})
    with timer.step("bands"):
        bands, band_maps = contour_bands(job, assessor, roi.restore(mean), segmentation)
    with timer.step("components"):
        opinion = other_opinion(opinions, segmentation)
        corrections = find_corrections(job, opinion, segmentation, restored)
    judged = assess(job, assessor, evidence, {}, segmentation)
    return Findings(
        Region(roi, final, members, labels, undecided, said, maps, tuple(kept)),
        segmentation,
        opinion,
        restored,
        corrections,
        accumulator.final.class_voxels * roi_voxel_ml(roi, job.volume.geometry),
        arithmetic,
        timer.seconds,
        warnings,
        evidence,
        judged,
        within_loss(looks, judged.predicted_dice),
        proposals,
        bands,
        band_maps,
    )


def streaming_labels(job: Job, arithmetic: Arithmetic) -> np.ndarray:
    """The labels (z, y, x), uint8, of :func:`explore_streaming` and nothing else."""
    manifest, timer = job.source.manifest, step_timer(arithmetic)
    roi, _ = find_region(job, arithmetic, timer)
    crop = normalise_frame(roi.extract(job.volume.array), crop_no_image(roi, job.volume))
    passes = run_streaming(
        crop, job.source, arithmetic, folds=job.folds, views=job.views, cancel=job.cancel, timer=timer
    )
    final = np.mean([one.weighted.cpu().numpy() for one in passes], axis=0)
    check_finite({MapName.MAX_PROBABILITY: final}, manifest)
    decision = decide_slices(final, manifest, job.folds, *pixel_of(roi, job.volume.geometry))
    return decision.labels(roi.restore(final), manifest.classes)
