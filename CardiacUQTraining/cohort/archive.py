"""A DICOM archive, many patients and series in any folders, sorted into cases and skipped series."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.images.dicom_cine import is_film, phases_of
from CardiacUQLib.images.dicom_folder import FolderContent, Series, sort_out
from CardiacUQLib.images.dicom_headers import FrameHeader
from CardiacUQLib.images.dicom_series import files_in_order, several_phases, stack_frames
from CardiacUQLib.images.dicom_suitability import why_no_cine, why_no_late_enhancement
from CardiacUQLib.images.series_selector import SeriesSelector

from .case import Case, Skipped, safe_name


def series_cases(
    root: Path, files: Sequence[Path], model: Case, *, cines: bool = False
) -> tuple[tuple[Case, ...], tuple[Skipped, ...]]:
    """The series of ``files`` below ``root`` that suit the bundle as cases, all others with the reason.

    With ``cines`` the bundle takes short-axis films, otherwise late-enhancement stacks. A single series of
    one patient is what the user chose and is taken as it is. ``model`` gives the cases their bundle and
    options.
    """
    content = sort_out(files)
    if len(content.series) == 1:  # a damaged file beside it is named when the series is read
        (only,) = content.series
        return (_case(root, only, content, model, cine=cines and is_film(root, only)),), ()
    cases: list[Case] = []
    skipped = [Skipped(d.path.name, str(d.path), f"{d.problem}; {d.remedy}") for d in content.damaged]
    for other in content.others:
        what = f"it is {other.what}, no scan"
        skipped.append(Skipped(other.path.name, str(other.path), what, other.series))
    for series in content.series:
        reason = why_not(root, series, cines=cines)
        if reason:
            skipped.append(
                Skipped(_name(root, series), str(_folder_of(series.frames)), reason, series.info.uid)
            )
        else:
            cases.append(_case(root, series, content, model, cine=cines))
    return tuple(sorted(cases, key=lambda case: case.name)), tuple(skipped)


def why_not(root: Path, series: Series, *, cines: bool) -> str:
    """The first reason against a series for a bundle of films, or of late-enhancement stacks."""
    if cines:
        if reason := why_no_cine(series.frames):
            return reason
        try:
            phases_of(root, series.frames)
        except InputError as error:
            return f"it is no film: {error.problem}"
        return ""
    if reason := why_no_late_enhancement(series.frames):
        return reason
    return several_phases(root, series.frames)


def _case(root: Path, series: Series, content: FolderContent, model: Case, *, cine: bool) -> Case:
    same_uid = [other for other in content.series if other.info.uid == series.info.uid]
    selector = SeriesSelector(series.info.uid, series.info.patient if len(same_uid) > 1 else "")
    if not series.info.uid:
        selector = SeriesSelector.parse(model.series)
    return replace(
        model,
        name=_name(root, series),
        source=str(_folder_of(series.frames)),
        series=str(selector),
        files=_files(root, series, cine=cine),
        cine=cine,
    )


def _name(root: Path, series: Series) -> str:
    folder = _folder_of(series.frames)
    patient = series.info.patient or folder.relative_to(root.parent).as_posix()
    return safe_name(f"{patient}-series{series.info.number:03d}")


def _folder_of(frames: Sequence[FrameHeader]) -> Path:
    """The deepest folder that holds the whole series."""
    return Path(os.path.commonpath([frame.path.parent for frame in frames]))


def _files(root: Path, series: Series, *, cine: bool) -> tuple[str, ...]:
    """The files in the order in which they are read, so that their hash is that of the volume read."""
    try:
        if cine:
            slices, _ = phases_of(root, series.frames)
            frames = [frame for phase in zip(*slices, strict=True) for frame in phase]
        else:
            frames, _ = stack_frames(root, series.frames)
    except InputError:
        frames = list(series.frames)
    return tuple(str(path) for path in files_in_order(frames))
