"""One scan from its voxels to its case folder: the steps that every entrance takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..base.errors import NoHeartError
from ..base.lasting_imports import lasting_imports
from ..base.memory import give_back
from ..base.progress import CancelToken, ProgressCallback, ignore_progress, portion
from ..cases.writing import ExtraWriter, claim_case, fill_case, write_case
from ..report import can_render, report_writer
from .choice import better_bundle
from .options import CaseOptions

if TYPE_CHECKING:
    from ..bundles.bundle import Bundle
    from ..images.volume import Volume
    from ..inference.options import NetworkOptions
    from ..inference.result import Result

COMPUTED = 0.9
"""Share of the progress when everything is computed and only the writing is left."""


def segment_with(
    volume: Volume,
    bundle: Bundle,
    options: NetworkOptions,
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
) -> Result:
    """As :func:`CardiacUQLib.inference.segment.segment`, with its options in one piece; a scan that does not
    belong to the bundle is looked at with the others, and one to which it does belong is named."""
    try:
        result = segment_alone(volume, bundle, options, progress, cancel)
    except NoHeartError as error:
        if not (name := better_bundle(volume, bundle, options, cancel)):
            raise
        raise NoHeartError(
            error.path, error.problem, f"the image is {_belongs_to(name)}: choose it with --model"
        ) from None
    if not result.unlike or not (name := better_bundle(volume, bundle, options, cancel)):
        return result
    unlike, verdict = (*result.unlike, _belongs_to(name)), result.verdict
    if verdict is not None:
        verdict = replace(verdict, reason=f"{verdict.reason}; {_belongs_to(name)}")
    return replace(result, unlike=unlike, verdict=verdict)


def _belongs_to(name: str) -> str:
    return f"like those of bundle '{name}'"


def segment_alone(
    volume: Volume,
    bundle: Bundle,
    options: NetworkOptions,
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
) -> Result:
    """The same without a look at other bundles: a film belongs to its kind by its headers."""
    with lasting_imports():
        from ..inference.segment import segment  # loads torch, which a wrong option shall not wait for

    return segment(
        volume,
        bundle,
        device=options.device,
        folds=options.folds,
        views=options.views,
        precision=options.precision,
        progress=progress,
        cancel=cancel,
        rv_insertion_ras=options.rv_insertion_ras,
        seek_insertion=options.seek_insertion,
        keep_probabilities=options.probabilities,
        keep_unlike=options.keep_unlike,
    )


def segment_to_folder(
    volume: Volume,
    bundle: Bundle,
    target: Path,
    options: CaseOptions | None = None,
    *,
    overwrite: bool = False,
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
) -> Result:
    """Segment ``volume``, measure it and write the case folder ``target``; the result as it was written.

    Raises what :func:`segment` and :func:`write_result` raise; then nothing is written.
    """
    options = options or CaseOptions()
    with claim_case(target.parent, target.name, overwrite=overwrite):
        result = segment_with(volume, bundle, options, portion(progress, 0.0, COMPUTED), cancel)
        give_back()  # what the networks took is not needed to write
        progress(COMPUTED, "writing")
        write_result(result, target, options, overwrite=overwrite)
    progress(1.0, "done")
    return result


def write_result(
    result: Result,
    target: Path,
    options: CaseOptions,
    *,
    overwrite: bool,
    extra_writers: Sequence[ExtraWriter] = (),
) -> Path:
    """Write a case folder with its report, where one can be drawn.

    ``extra_writers`` add files of their own before the folder takes its place. Raises UsageError for a place
    that cannot take the case and what the writers raise.
    """
    writers = (*_writers(result, target.name, options), *extra_writers)
    return write_case(result, target.parent, name=target.name, overwrite=overwrite, extra_writers=writers)


def fill_with_result(
    result: Result,
    folder: Path,
    name: str,
    options: CaseOptions,
    *,
    study: str,
    more: Sequence[ExtraWriter] = (),
) -> None:
    """The same into an empty ``folder`` that takes its place as ``name`` with others of ``study``."""
    fill_case(result, folder, name, study=study, extra_writers=(*_writers(result, name, options), *more))


def _writers(result: Result, name: str, options: CaseOptions) -> list[ExtraWriter]:
    writers: list[ExtraWriter] = []
    if options.report and can_render():
        writers.append(report_writer(name))
    return writers


def export_result(result: Result, target: Path, options: CaseOptions) -> str:
    """Write DICOM objects, where asked for, into the case folder ``target`` that is already written.

    Returns "" or, in one line, why there are none.
    """
    if not options.dicom or result.volume.path is None:
        return ""
    from ..dicom.attempt import export_problem

    return export_problem(result, result.volume.path, target)
