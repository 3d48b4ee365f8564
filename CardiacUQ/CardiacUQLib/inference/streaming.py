"""One cine frame through the ensemble, from the volume to labels, maps and disagreements on its grid."""

from __future__ import annotations

import numpy as np

from .ensemble import StreamingAccumulator, normalise_frame, other_opinion, run_streaming
from .jobs import (
    LOCATED,
    PASSED,
    Findings,
    Job,
    add_error_probability,
    arg_max,
    check_finite,
    find_corrections,
    find_region,
    maps_on_image,
    on_image,
    portion,
    roi_voxel_ml,
    step_timer,
)
from .passes import Arithmetic
from .streaming_cleanup import main_parts


def segment_streaming(job: Job, arithmetic: Arithmetic) -> Findings:
    """All steps of Streaming on one device.

    ``stage2d`` of the findings is the dissenting member's label where members disagree, so that the
    corrections, and the review of them, read "one member said, the ensemble says". Parts of a structure
    that lie apart from its largest one become background, so that they show up as corrections too.
    """
    manifest, timer = job.bundle.manifest, step_timer(arithmetic)
    roi, warnings = find_region(job, arithmetic, timer)
    with timer.step("extract"):
        crop = normalise_frame(roi.extract(job.volume.array))
    accumulator = StreamingAccumulator()
    for one in run_streaming(
        crop,
        job.bundle,
        arithmetic,
        folds=job.folds,
        views=job.views,
        progress=portion(job.progress, LOCATED, PASSED),
        cancel=job.cancel,
        timer=timer,
    ):
        with timer.step("maps"):
            accumulator.add(one)
    with timer.step("maps"):
        members = accumulator.member_means()
        maps = {name: values.cpu().numpy() for name, values in accumulator.maps().items()}
        check_finite(maps, manifest)
        final = main_parts(arg_max(accumulator.final.mean.cpu().numpy()), manifest.classes)
        said = np.stack([arg_max(member.cpu().numpy()) for member in members])
        add_error_probability(maps, final, other_opinion(said, final), manifest)
    job.progress(PASSED, "back to the grid of the image")
    job.cancel.check()
    with timer.step("restore"):
        segmentation = main_parts(arg_max(on_image(accumulator.final.mean, roi)), manifest.classes)
        opinions = np.stack([arg_max(on_image(member, roi)) for member in members])
        maps = maps_on_image(maps, roi)
    with timer.step("components"):
        opinion = other_opinion(opinions, segmentation)
        corrections = find_corrections(job, opinion, segmentation, maps)
    return Findings(
        segmentation,
        opinion,
        maps,
        corrections,
        accumulator.final.class_voxels * roi_voxel_ml(roi, job.volume.geometry),
        arithmetic,
        timer.seconds,
        warnings,
    )
