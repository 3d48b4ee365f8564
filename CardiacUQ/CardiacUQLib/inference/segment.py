"""From a volume and a bundle to a :class:`Result`: the one call behind command line, Slicer and tests."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..base.errors import NoHeartError
from ..base.progress import CancelToken, ProgressCallback, ignore_progress
from ..base.version import __version__
from ..bundles.manifest import BundleKind, View
from ..bundles.map_catalogue import MapName
from ..images.volume import Volume
from ..measures import measure
from ..measures.insertion import Insertion, check_insertion
from ..uncertainty.evidence import doubt_of_lesions
from ..uncertainty.verdict import measures_of_unlike
from .device import describe, peak_gpu_memory_mb, peak_memory_mb
from .explore import choose_folds, choose_views, explore
from .found import Findings
from .heat_map import default_heat_map
from .insertion import InsertionSearch, find_insertion
from .jobs import Job
from .result import Result, RunRecord

if TYPE_CHECKING:
    from ..bundles.bundle import Bundle

NO_HEART = "nothing like a heart was found"
NO_HEART_REMEDY = (
    "give a short-axis stack of a heart; --keep-unlike, in Slicer 'even without a heart' under Advanced, "
    "gives a result all the same"
)


def segment(
    volume: Volume,
    bundle: Bundle,
    *,
    device: str = "auto",
    folds: Sequence[int] | None = None,
    views: Sequence[View] | None = None,
    precision: str = "auto",
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
    held_out_case: str | None = None,
    rv_insertion_ras: tuple[float, float, float] | None = None,
    seek_insertion: bool = True,
    keep_probabilities: bool = False,
    keep_unlike: bool = False,
) -> Result:
    """Segment ``volume`` with ``bundle`` and say where the prediction is unsure.

    ``folds`` and ``views`` default to all the bundle has; ``held_out_case`` restricts the folds to
    those that never saw this training case. ``device`` and ``precision`` are names as in
    :mod:`CardiacUQLib.inference.device`. ``rv_insertion_ras`` (mm) is the anterior insertion of the right
    ventricle, from which AHA segments are counted; left out, it is sought (:mod:`.insertion`) if
    ``seek_insertion``.
    ``keep_probabilities`` adds the mean softmax, ``keep_unlike`` gives a result even where nothing like a
    heart was found. How it is computed: :func:`.explore.explore`.

    Raises NoHeartError, UsageError (unknown device, precision, fold or view; insertion outside the heart),
    ModelError (bundle without what its kind needs, or whose networks give no numbers),
    InsufficientMemoryError, CancelledError.
    """
    if rv_insertion_ras is not None:
        check_insertion(volume.geometry, rv_insertion_ras)
    job = Job(
        volume,
        bundle,
        choose_folds(bundle.manifest, folds, held_out_case),
        choose_views(bundle.manifest, views),
        progress,
        cancel or CancelToken(),
    )
    findings = explore(job, device=device, precision=precision)
    if findings.assessment.no_heart and not keep_unlike:
        raise NoHeartError(volume.path or "the image", NO_HEART, NO_HEART_REMEDY)
    search = InsertionSearch()
    if rv_insertion_ras is None and seek_insertion:
        search = find_insertion(job, findings.segmentation, bundle, device=device, precision=precision)
        findings = dataclasses.replace(findings, warnings=(*findings.warnings, *search.warnings))
    result = _as_result(job, bundle, findings, rv_insertion_ras, search.insertion)
    if result.unlike:
        result = dataclasses.replace(result, measures=measures_of_unlike(result.measures, result.verdict))
    if keep_probabilities:
        p = findings.region.roi.restore(findings.region.final)
        result = dataclasses.replace(result, probabilities=p)
    progress(1.0, "segmented")
    return result


def _as_result(
    job: Job,
    bundle: Bundle,
    findings: Findings,
    rv_insertion_ras: tuple[float, float, float] | None,
    found_insertion: Insertion | None,
) -> Result:
    manifest = bundle.manifest
    where = findings.arithmetic.device
    overruled = manifest.kind is BundleKind.CASCADE or bool(findings.corrections.dcm.any())
    return Result(
        volume=job.volume,
        kind=manifest.kind,
        classes=manifest.classes,
        segmentation=findings.segmentation,
        opinion=findings.opinion if overruled else None,
        maps=findings.maps,
        dcm=findings.corrections.dcm,
        component_ids=findings.corrections.component_ids,
        components=findings.corrections.components,
        pass_volumes_ml=findings.pass_volumes_ml,
        run=RunRecord(
            bundle=manifest.name,
            bundle_version=manifest.version,
            bundle_sha256=bundle.sha256,
            device=describe(where),
            precision=str(findings.arithmetic.dtype).removeprefix("torch."),
            folds=job.folds,
            views=tuple(view.value for view in job.views),
            timings=findings.timings,
            peak_memory_mb=peak_memory_mb(),
            peak_gpu_memory_mb=peak_gpu_memory_mb(where),
            versions=_versions(),
            warnings=findings.warnings,
            default_map=default_heat_map(manifest.calibration, findings.maps),
        ),
        measures=measure(
            findings.segmentation,
            job.volume,
            manifest.kind,
            manifest.classes,
            findings.pass_volumes_ml,
            findings.maps.get(MapName.SCS),
            findings.maps.get(MapName.ERROR_PROBABILITY),
            manifest.calibration,
            rv_insertion_ras,
            findings.assessment.presence,
            found_insertion,
            doubt_of_lesions(findings.evidence),
        ),
        verdict=findings.assessment.verdict,
        predicted_dice=findings.assessment.predicted_dice,
        presence=findings.assessment.presence,
        unlike=findings.assessment.unlike,
        evidence=findings.evidence,
        lacking=findings.assessment.lacking,
        looks=findings.looks,
        proposals=findings.proposals if findings.proposals.any() else None,
        bands=findings.bands,
        band_maps=findings.band_maps,
    )


def _versions() -> dict[str, str]:
    found = {"CardiacUQ": __version__, "python": platform.python_version()}
    for package in ("torch", "numpy", "scipy", "SimpleITK"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "unknown"
    return found
