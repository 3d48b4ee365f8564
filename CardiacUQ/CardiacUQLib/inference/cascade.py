"""One case through the cascade, from the volume to labels, maps and corrections on its grid."""

from __future__ import annotations

from .accumulators import CascadeAccumulator
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
from .passes import Arithmetic, run_cascade
from .plausibility import drop_small_lesions
from .roi import normalise_slices


def segment_cascade(job: Job, arithmetic: Arithmetic) -> Findings:
    """All steps of the cascade on one device; starts from nothing, so that it can be repeated."""
    manifest, timer = job.bundle.manifest, step_timer(arithmetic)
    roi, warnings = find_region(job, arithmetic, timer)
    with timer.step("extract"):
        crop = normalise_slices(roi.extract(job.volume.array))
    accumulator = CascadeAccumulator()
    for one in run_cascade(
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
            accumulator.add(one.p2d, one.p3d)
    with timer.step("maps"):
        maps = {name: values.cpu().numpy() for name, values in accumulator.maps().items()}
        check_finite(maps, manifest)
        final = accumulator.stage3d.mean.cpu().numpy()
        labels, _ = drop_small_lesions(final, roi_voxel_ml(roi, job.volume.geometry), manifest)
        add_error_probability(maps, labels, arg_max(accumulator.stage2d.mean.cpu().numpy()), manifest)
    job.progress(PASSED, "back to the grid of the image")
    job.cancel.check()
    with timer.step("restore"):
        stage2d = arg_max(on_image(accumulator.stage2d.mean, roi))
        voxel_ml = job.volume.geometry.voxel_volume_ml
        segmentation, dropped = drop_small_lesions(
            on_image(accumulator.stage3d.mean, roi), voxel_ml, manifest
        )
        maps = maps_on_image(maps, roi)
    with timer.step("components"):
        corrections = find_corrections(job, stage2d, segmentation, maps)
    return Findings(
        segmentation,
        stage2d,
        maps,
        corrections,
        accumulator.stage3d.class_voxels * roi_voxel_ml(roi, job.volume.geometry),
        arithmetic,
        timer.seconds,
        (*warnings, *dropped),
    )
