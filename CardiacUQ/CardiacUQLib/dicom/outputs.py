"""Writing the DICOM objects of one case: all of them or none, and nothing replaced silently."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..base.errors import InputError, UsageError
from ..base.safe_files import replacing
from ..bundles.map_catalogue import REPORT_SERIES, SEGMENTATION_SERIES, MapName
from ..inference.result import Result
from .content import DicomContent, content_of
from .references import point_at_frames
from .source import SourceImages, load_source

if TYPE_CHECKING:
    from pydicom import Dataset

    from ..cases.casefolder import CaseFolder
    from ..review import Review

REVIEWED = "_reviewed"


@dataclass(frozen=True)
class DicomFiles:
    """Paths of what was written; ``segmentation`` is None where no voxel is labelled."""

    segmentation: Path | None
    maps: dict[MapName, Path]
    report: Path


def write_dicom_outputs(
    case: Result | CaseFolder | Review,
    source_folder: str | Path,
    out_folder: str | Path,
    *,
    overwrite: bool = False,
    phase: str = "",
    frame: int | None = None,
    series: str = "",
) -> DicomFiles:
    """Write SEG, parametric maps and structured report of a case beside its source series.

    ``source_folder`` holds the DICOM series the case was segmented from. Files are named
    ``segmentation.dcm``, ``scs.dcm``, ``error_probability.dcm``, ``report.dcm``; those of a case with a
    reader's decisions end in ``_reviewed``, so they stand beside the networks' own. ``phase`` names one
    cine phase ("ED"): every phase is exported by a call of its own. ``frame`` says which phase of the
    source that is, counted from 0, where the source holds the whole cine. ``series`` names the series in
    the folder of a case that does not know it, since its image was written to a file first.

    Raises :class:`UsageError` if a file exists and ``overwrite`` is False or if pydicom and highdicom are
    not installed, :class:`InputError` if the source images do not fit; then nothing was written.
    """
    out_folder = Path(out_folder)
    content = content_of(case)
    source = load_source(source_folder, content.geometry, content.case.series or series, frame)
    suffix = ("_" + phase if phase else "") + (REVIEWED if content.reviewed else "")
    paths = {name: out_folder / f"{name}{suffix}.dcm" for name in ("segmentation", *content.maps, "report")}
    if not (content.labels > 0).any():
        del paths["segmentation"]
    existing = [path for path in paths.values() if path.exists()]
    if existing and not overwrite:
        raise UsageError(f"{existing[0]} exists and is not replaced; use --overwrite or another folder")
    with warnings.catch_warnings():  # pydicom and highdicom remark on every odd value that is copied
        warnings.simplefilter("ignore")
        objects = _objects(content, source, Path(source_folder), phase)
        _write_all({paths[name]: dataset for name, dataset in objects.items()}, out_folder)
    return DicomFiles(
        paths.get("segmentation"), {name: paths[name] for name in content.maps}, paths["report"]
    )


def _objects(content: DicomContent, source: SourceImages, folder: Path, phase: str) -> dict[str, Dataset]:
    try:
        import highdicom  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(
            "DICOM output needs pydicom and highdicom; pip install 'cardiacuq[dicom]'"
        ) from error
    from .parametric_map import parametric_map_object
    from .segmentation import segmentation_object
    from .structured_report import report_object

    number = 100 * source.series_number + (50 if content.reviewed else 0)
    try:
        segmentation = None
        if (content.labels > 0).any():
            segmentation = segmentation_object(
                content, source, series_number=number + SEGMENTATION_SERIES, phase=phase
            )
        objects: dict[str, Dataset] = {} if segmentation is None else {"segmentation": segmentation}
        for name in content.maps:
            if name.info.dicom is not None:
                objects[name] = parametric_map_object(content, source, name, number, phase)
        objects["report"] = report_object(content, source, segmentation, series_number=number + REPORT_SERIES)
        derived = [] if segmentation is None else [segmentation]
        for name, dataset in objects.items():  # last, since the report finds the segmentation's sources by it
            referred = [*source.objects, *derived] if name == "report" else source.objects
            point_at_frames(dataset, source.references, referred)
    except (AttributeError, ValueError, TypeError, LookupError) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        problem = f"the images' headers lack what DICOM output needs ({reason})"
        raise InputError(folder, problem, "export the series again") from error
    return objects


def _write_all(objects: dict[Path, Dataset], folder: Path) -> None:
    """Write temporary files first, then rename them, so that a full disk leaves nothing half-done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as files:
            for path, dataset in objects.items():
                dataset.save_as(files.enter_context(replacing(path)))
    except OSError as error:
        raise UsageError(f"{folder}: DICOM files could not be written ({error.strerror or error})") from error
