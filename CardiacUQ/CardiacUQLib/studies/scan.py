"""One scan from its voxels to its case folder: the steps that every entrance takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..base.progress import CancelToken, ProgressCallback, ignore_progress, portion
from ..cases.casefolder import ExtraWriter, write_case
from ..report import can_render, report_writer
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
    """As :func:`CardiacUQLib.inference.segment.segment`, with its options in one piece."""
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
    result = segment_with(volume, bundle, options, portion(progress, 0.0, COMPUTED), cancel)
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
    """Write a case folder with its report, where one can be drawn, and its DICOM objects, where asked for.

    ``extra_writers`` add files of their own before the folder takes its place. Raises UsageError for a place
    that cannot take the case and what the writers raise.
    """
    writers: list[ExtraWriter] = []
    if options.report and can_render():
        writers.append(report_writer(target.name))
    if options.dicom and result.volume.path is not None:
        writers.append(_dicom_writer(result.volume.path))
    return write_case(
        result,
        target.parent,
        name=target.name,
        overwrite=overwrite,
        extra_writers=(*writers, *extra_writers),
    )


def _dicom_writer(source: Path) -> Callable[[Result, Path], None]:
    """Writes the DICOM objects of a result into ``dicom`` of its case folder."""
    from ..dicom import write_dicom_outputs

    def write(result: Result, folder: Path) -> None:
        write_dicom_outputs(result, source, folder / "dicom")

    return write
