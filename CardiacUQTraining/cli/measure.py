"""``cardiacuq measure``: measure segmented cases anew, or the two frames of a heartbeat together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.safe_files import write_whole
from CardiacUQLib.base.writable import check_file_writable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from CardiacUQLib.cases.casefolder import CaseFolder
    from CardiacUQLib.measures import Frame

INSERTION_HELP = "Anterior insertion of the right ventricle, R,A,S in mm: gives AHA segments."


def command(
    cases: Annotated[list[Path], typer.Argument(metavar="CASE...", help="One case folder, or ED then ES.")],
    rv_insertion: Annotated[str, typer.Option(help=INSERTION_HELP)] = "",
    model: Annotated[
        str, typer.Option(help="Bundle whose calibrated intervals to use; that of the case if empty.")
    ] = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the measures as JSON.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Print the headline of a segmented case, with its review; two cine cases give the ejection fraction."""
    from CardiacUQLib.cases.casefolder import read_case

    if len(cases) > 2:
        raise UsageError("give one case folder, or two: end-diastole, then end-systole")
    if output is not None and output.exists() and not overwrite:
        raise UsageError(f"{output}: this file exists; use --overwrite or another name")
    if output is not None:
        check_file_writable(output)
    point = parse_point(rv_insertion)
    content = measures_of([read_case(folder) for folder in cases], point, model)
    typer.echo(content.get("headline", ""))
    for note in content.get("notes", ()):
        typer.echo(f"  {note}")
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_whole(output, json.dumps(content, indent=1) + "\n")


def parse_point(text: str) -> tuple[float, float, float] | None:
    """A point such as "12.5,-30,40"; None for an empty text. Raises UsageError."""
    from CardiacUQLib.measures.insertion import parse_insertion

    return parse_insertion(text) if text.strip() else None


def measures_of(
    cases: list[CaseFolder], point: tuple[float, float, float] | None = None, model: str = ""
) -> dict[str, Any]:
    """Measures of one case or of an ED and ES pair; a review is applied and costs the intervals."""
    from CardiacUQLib.bundles.map_catalogue import MapName
    from CardiacUQLib.cases.study_record import check_one_study
    from CardiacUQLib.measures import Frame
    from CardiacUQLib.uncertainty.verdict import measures_of_unlike

    first = cases[0]
    if len({case.folder.resolve() for case in cases}) < len(cases):
        raise UsageError(f"{first.folder} was given twice; give end-diastole, then end-systole")
    if any(case.classes != first.classes for case in cases):
        raise UsageError("the two cases have different classes; give two frames of one cine scan")
    check_one_study(cases)
    frames = []
    for case in cases:
        labels, reviewed = _labels(case)
        passes = None if reviewed else case.pass_volumes_ml
        maps = (case.maps.get(MapName.SCS), case.maps.get(MapName.ERROR_PROBABILITY))
        frames.append(Frame(labels, case.geometry, passes, *maps))
    content = _measured(first, frames, _intervals(first, model), point)
    unlike = [case.verdict for case in cases if case.verdict is not None and case.verdict.unlike]
    return measures_of_unlike(content, max(unlike, key=lambda one: one.nothing_holds)) if unlike else content


def _measured(
    case: CaseFolder, frames: Sequence[Frame], intervals: Any, point: tuple[float, float, float] | None
) -> dict[str, Any]:
    """Measures of one frame of ``case``, or of both phases."""
    from CardiacUQLib.measures import cine_measures, frame_measures, lge_measures, measures_json
    from CardiacUQLib.measures.anatomy import class_values
    from CardiacUQLib.measures.insertion import known_insertion
    from CardiacUQLib.uncertainty.evidence import doubt_of_lesions

    classes, frame = case.classes, frames[0]
    lge = "infarct" in class_values(classes)
    if len(frames) == 2:
        if lge:
            raise UsageError(
                "two cases are the frames of a cine scan; late enhancement is measured one by one"
            )
        return measures_json(
            cine_measures(frame, frames[1], classes, intervals=intervals, rv_insertion_ras=point)
        )
    known = known_insertion(case.measures)
    if not lge:
        return measures_json(
            frame_measures(frame, classes, intervals=intervals, rv_insertion_ras=point, known_insertion=known)
        )
    measures = lge_measures(
        frame.labels, frame.geometry, classes, image=_image(case),
        pass_volumes_ml=frame.pass_volumes_ml, intervals=intervals,
        doubt_ml=doubt_of_lesions(case.record.evidence), scs=frame.scs,
        error_probability=frame.error_probability, rv_insertion_ras=point,
        known_insertion=known,
    )  # fmt: skip
    changed = frame.pass_volumes_ml is None  # by a reader, of whose labels the networks say nothing
    return measures_json(measures, {} if changed else case.presence)


def _labels(case: CaseFolder) -> tuple[Any, bool]:
    """Labels in slice order with whatever a reader changed, and whether one did."""
    from CardiacUQLib.review import corrected_labels

    labels, _ = corrected_labels(case)
    return labels, bool((labels != case.segmentation).any())


def _intervals(case: CaseFolder, model: str) -> Any:
    """The calibrated intervals of the bundle, None if it is not at hand."""
    from CardiacUQLib.base.errors import ModelError
    from CardiacUQLib.bundles.bundle import load_bundle

    try:
        return load_bundle(model or case.run.bundle).manifest.calibration.get("intervals")
    except ModelError:
        if model:
            raise
        return None


def _image(case: CaseFolder) -> Any:
    """The image of the case for the threshold sizes, None where it has moved."""
    from CardiacUQLib.base.errors import InputError
    from CardiacUQLib.images.reading import read_volume

    if case.input_path is None or not case.input_path.exists():
        return None
    try:
        volume = read_volume(case.input_path, series=case.record.series or None)
    except InputError:
        return None
    return volume.array if volume.geometry.matches(case.geometry, 0.01) else None
