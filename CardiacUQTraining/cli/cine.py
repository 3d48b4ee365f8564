"""The cine side of ``cardiacuq segment``: 4D files, and the two phases of one heart as two files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from CardiacUQLib.base.errors import ExitCode, UsageError
from CardiacUQLib.images.phase_pairs import pair_name
from CardiacUQLib.images.volume import case_name

from .notes import tell_notes
from .progress import part_of, shown_progress

if TYPE_CHECKING:
    from CardiacUQLib.base.progress import ProgressCallback
    from CardiacUQLib.bundles.bundle import Bundle
    from CardiacUQLib.studies.cine import CineStudy
    from CardiacUQLib.studies.options import CaseOptions

PHASES_HELP = "What two files of one heart are, in their order: ED,ES or ES,ED."
ED_HELP = "Frame of end-diastole in a film, counted from 0; -1: the largest cavity, found by the model."
ES_HELP = "Frame of end-systole, counted from 0; -1: the smallest cavity, found by the model."


@dataclass(frozen=True)
class CineOptions:
    """Which frames of a 4D file to take; ``phases`` "ED,ES" says that the inputs are one heart."""

    ed: int = -1
    es: int = -1
    phases: str = ""


def segment_cines(
    inputs: Sequence[Path],
    output: Path,
    open_model: Callable[[], Bundle],
    options: CaseOptions,
    cine: CineOptions,
    *,
    as_cohort: bool,
    overwrite: bool,
    quiet: bool,
    progress_lines: bool,
    series: str = "",
) -> bool:
    """Segment one film, or the two phases of one heart; False for other inputs, and nothing was done.

    Raises UsageError for phases with other inputs or with the options of a cohort (``as_cohort``), and
    typer.Exit for DICOM objects that could not be written.
    """
    from CardiacUQLib.images.cine import is_cine

    names = tuple(name.strip().upper() for name in cine.phases.split(",")) if cine.phases else ()
    if not names and len(inputs) > 1:
        return False
    films = [path for path in inputs if is_cine(path, series)]
    if not films and not names:
        if cine != CineOptions():
            raise UsageError(f"--ed and --es choose frames of a 4D file, {inputs[0]} is none")
        return False
    if names:
        _check_phases(names, inputs, films, cine)
    _check_options(as_cohort=as_cohort)
    bundle, source = open_model(), inputs[0]
    with shown_progress(lines=progress_lines, quiet=quiet) as progress:
        if names:
            pair = dict(zip(names, inputs, strict=True))
            study = _pair(pair, bundle, output, options, overwrite, progress)
        else:
            one = part_of(progress, 0, 1, case_name(source))
            study = _film(source, bundle, output, options, cine, overwrite, one, series)
    _tell(study, quiet)
    _export(study, source, options)
    return True


def summary(study: CineStudy) -> str:
    """One line for the terminal: EF and volumes, the frames taken, where to look."""
    taken = ""
    if study.frames is not None:
        taken = "; " + ", ".join(f"{phase} is frame {number}" for phase, number in study.frames.items())
    from CardiacUQLib.cases.places import need_a_look

    regions = need_a_look(tuple(study.results.values()))
    pages = [folder / "report.html" for folder in study.folders.values()]
    where = " and ".join(str(page) for page in pages) if pages[0].exists() else str(study.summary)
    name = study.summary.name.removesuffix("_cine.json")
    word = "" if study.verdict is None else f"{study.verdict.as_text()}; "
    return f"{name}: {word}{study.measures['headline']}{taken}; {regions}; see {where}"


def _film(
    source: Path,
    bundle: Bundle,
    output: Path,
    options: CaseOptions,
    cine: CineOptions,
    overwrite: bool,
    progress: ProgressCallback,
    series: str,
) -> CineStudy:
    from CardiacUQLib.studies.cine import segment_cine

    return segment_cine(
        source,
        bundle,
        output,
        series=series or None,
        ed=None if cine.ed < 0 else cine.ed,
        es=None if cine.es < 0 else cine.es,
        networks=options,
        overwrite=overwrite,
        progress=progress,
    )


def _pair(
    pair: dict[str, Path],
    bundle: Bundle,
    output: Path,
    options: CaseOptions,
    overwrite: bool,
    progress: ProgressCallback,
) -> CineStudy:
    from CardiacUQLib.images.reading import read_volume
    from CardiacUQLib.studies.cine import segment_pair

    ed, es = read_volume(pair["ED"]), read_volume(pair["ES"])
    return segment_pair(
        ed,
        es,
        bundle,
        output,
        pair_name(pair["ED"], pair["ES"]),
        networks=options,
        overwrite=overwrite,
        progress=progress,
    )


def _check_phases(
    names: Sequence[str], inputs: Sequence[Path], films: Sequence[Path], cine: CineOptions
) -> None:
    if sorted(names) != ["ED", "ES"]:
        raise UsageError("--phases names both phases in the order of the files: ED,ES or ES,ED")
    if len(inputs) != 2:
        raise UsageError(f"--phases {','.join(names)} needs two files, {len(inputs)} were given")
    if films:
        raise UsageError(f"{films[0]}: this is a whole cine; give it alone, without --phases")
    if cine != CineOptions(phases=cine.phases):
        raise UsageError("--ed and --es choose frames of one film; --phases names two files, leave one out")


def _check_options(*, as_cohort: bool) -> None:
    if as_cohort:
        problem = "--resume, --workers, --scheduler, --no-report, --log-json and --no-patient-data"
        raise UsageError(
            f"--phases is for the two files of one heart, without {problem}; "
            "for many hearts give a CSV with the column phase"
        )


def _export(study: CineStudy, source: Path, options: CaseOptions) -> None:
    """The DICOM objects that were asked for; raises typer.Exit where the case stays without them."""
    from CardiacUQLib.studies.cine import export_study

    if options.dicom and (problem := export_study(study, source)):
        print(f"cardiacuq: {problem}", file=sys.stderr, flush=True)
        raise typer.Exit(ExitCode.EXPORT)


def _tell(study: CineStudy, quiet: bool) -> None:
    if not quiet:
        tell_notes(line for result in study.results.values() for line in result.volume.warnings)
        print(summary(study), flush=True)
