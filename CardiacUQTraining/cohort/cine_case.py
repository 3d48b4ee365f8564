"""A cine as one case of a cohort: end-diastole and end-systole in two case folders, one row for both."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.report import REPORT_FILE

from ..datasets.scan_features import input_features
from .case import Row, State, Ticket
from .features import case_uncertainty, flat_measures
from .flags import input_flags, result_flags

if TYPE_CHECKING:
    from CardiacUQLib.base.progress import CancelToken
    from CardiacUQLib.bundles.bundle import Bundle
    from CardiacUQLib.inference.result import Result
    from CardiacUQLib.studies.cine import CineStudy


def segment_film(ticket: Ticket, bundle: Bundle, cancel: CancelToken) -> Row:
    """Segment both phases, of a film or two files, into ``NAME_ED`` and ``NAME_ES``; the row without times.

    Features of the input are those of end-diastole, uncertainties means of both phases, regions their
    sum. Raises what :func:`CardiacUQLib.studies.cine.segment_cine` and reading two files raise.
    """
    asked = ticket.options
    if asked.dicom and not Path(ticket.source).is_dir():
        raise InputError(ticket.source, "it is no DICOM folder and has no headers", "leave --dicom out")
    from CardiacUQLib.studies.cine import export_study

    study = _segment(ticket, bundle, cancel)
    problem = export_study(study, Path(ticket.source)) if asked.dicom else ""
    page = study.folders["ED"] / REPORT_FILE
    features = input_features(study.results["ED"].volume)
    manifest = bundle.manifest
    return Row(
        name=ticket.name,
        state=State.DONE,
        source=ticket.source,
        series=ticket.shown_series,
        headline=str(study.measures["headline"]),
        verdict="" if study.verdict is None else study.verdict.word.value,
        verdict_reason="" if study.verdict is None else study.verdict.reason,
        report=f"{page.parent.name}/{REPORT_FILE}" if page.exists() else page.parent.name,
        measures=flat_measures(study.measures),
        uncertainty=_together(study.results.values()),
        features=features,
        flags=(*_flags(study.results.items()), *input_flags(features, manifest)),
        warnings=_warnings(study.results.values()),
        input_sha256=json.loads(study.summary.read_text("utf-8"))["input_sha256"],
        bundle=f"{manifest.name} {manifest.version}",
        bundle_sha256=ticket.bundle_sha256,
        options=asked.key,
        export_problem=problem,
    )


def _segment(ticket: Ticket, bundle: Bundle, cancel: CancelToken) -> CineStudy:
    from CardiacUQLib.images.reading import read_volume
    from CardiacUQLib.studies.cine import segment_cine, segment_pair

    asked, out = ticket.options, Path(ticket.out)
    networks = replace(asked, device=ticket.device or asked.device)
    if ticket.es_source:
        return segment_pair(
            read_volume(ticket.source),
            read_volume(ticket.es_source),
            bundle,
            out,
            ticket.name,
            networks=networks,
            overwrite=True,
            report=asked.report,
            cancel=cancel,
        )
    return segment_cine(
        Path(ticket.source),
        bundle,
        out,
        series=ticket.series or None,
        name=ticket.name,
        ed=None if asked.ed < 0 else asked.ed,
        es=None if asked.es < 0 else asked.es,
        networks=networks,
        overwrite=True,
        report=asked.report,
        cancel=cancel,
    )


def _together(results: Iterable[Result]) -> dict[str, float | None]:
    each = [case_uncertainty(result) for result in results]
    found: dict[str, float | None] = {}
    for key in dict.fromkeys(key for one in each for key in one):
        known = [value for one in each if (value := one.get(key)) is not None]
        found[key] = _joined(key, known) if known else None
    return found


def _joined(key: str, values: Sequence[float]) -> float:
    """Regions add up, the worse phase decides on the risk, everything else is a mean."""
    return sum(values) if key == "regions" else max(values) if key == "risk" else fmean(values)


def _flags(phases: Iterable[tuple[str, Result]]) -> list[str]:
    return [f"{phase}: {flag}" for phase, result in phases for flag in result_flags(result)]


def _warnings(results: Iterable[Result]) -> tuple[str, ...]:
    lines = (line for result in results for line in (*result.volume.warnings, *result.run.warnings))
    return tuple(dict.fromkeys(lines))
