"""``cardiacuq segment``: scans in, one case folder each out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from CardiacUQLib.base.errors import ExitCode, UsageError
from CardiacUQLib.base.progress import ProgressCallback
from CardiacUQLib.bundles.fold_numbers import parse_folds
from CardiacUQLib.bundles.manifest import View
from CardiacUQLib.images.volume import case_name
from CardiacUQLib.studies.choice import AUTO
from CardiacUQLib.studies.options import CaseOptions

from .cine import ED_HELP, ES_HELP, PHASES_HELP, CineOptions, segment_cines
from .cohort import WORKERS_HELP, CohortOptions, parse_workers, plan_cohort, segment_cohort
from .measure import INSERTION_HELP, parse_point
from .notes import tell_notes
from .progress import part_of, shown_progress

if TYPE_CHECKING:
    from CardiacUQLib.bundles.bundle import Bundle
    from CardiacUQLib.inference.result import Result

DEFAULT_MODEL = "lge-cascade"


@dataclass(frozen=True)
class Job:
    """One scan and the case folder it becomes."""

    source: Path
    name: str
    target: Path


def command(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT", help="Image files, folders, patterns, a CSV, or a DICOM archive."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder that receives one case folder per input.")
    ],
    model: Annotated[
        str,
        typer.Option(
            help="Name of a bundle, or its folder; auto: the one that suits the image, of one scan."
        ),
    ] = DEFAULT_MODEL,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    folds: Annotated[str, typer.Option(help="Folds to use, such as 0,1; all if empty.")] = "",
    no_tta: Annotated[bool, typer.Option("--no-tta", help="One view of every slice: 3 x faster.")] = False,
    precision: Annotated[str, typer.Option(help="auto, float32 or bf16.")] = "auto",
    series: Annotated[str, typer.Option(help="UID (or its end) of the DICOM series to take.")] = "",
    rv_insertion: Annotated[str, typer.Option(help=INSERTION_HELP)] = "",
    ed: Annotated[int, typer.Option("--ed", min=-1, help=ED_HELP)] = -1,
    es: Annotated[int, typer.Option("--es", min=-1, help=ES_HELP)] = -1,
    phases: Annotated[str, typer.Option(help=PHASES_HELP)] = "",
    dicom: Annotated[
        bool, typer.Option("--dicom", help="Also write SEG, maps and report as DICOM; needs a DICOM input.")
    ] = False,
    probabilities: Annotated[
        bool,
        typer.Option("--probabilities", help="Also write the class probabilities, 8 bits each, one file."),
    ] = False,
    keep_unlike: Annotated[
        bool,
        typer.Option("--keep-unlike", help="Write a result even where nothing like a heart was found."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing case folders.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep finished cases that are unchanged, do the others.")
    ] = False,
    workers: Annotated[str, typer.Option(metavar="N", help=WORKERS_HELP)] = "auto",
    scheduler: Annotated[
        str, typer.Option(help="A Dask scheduler: its address, tcp://HOST:PORT, or its scheduler file.")
    ] = "",
    no_report: Annotated[bool, typer.Option("--no-report", help="Without the page of each case.")] = False,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Print one JSON object per line and case.")
    ] = False,
    no_patient_data: Annotated[
        bool,
        typer.Option("--no-patient-data", help="Write nothing that DICOM headers say of the patient."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print failures only.")] = False,
    progress_lines: Annotated[
        bool, typer.Option("--progress-lines", help="Print progress in Slicer's line protocol.")
    ] = False,
) -> None:
    """Segment scans and write one case folder each: labels, uncertainty maps, regions to check, report.

    Several inputs, a folder of scans, a CSV (path, id, bundle, options) or a DICOM archive become a cohort:
    a broken scan is reported and the others go on (exit code 6), and OUT/cohort.csv and cohort.html list
    every input, those that need a human first.

    A 4D cine with a cine bundle becomes two case folders, NAME_ED and NAME_ES, and NAME_cine.json with the
    ejection fraction; in a cohort it is one row.
    """
    views = (View.IDENTITY,) if no_tta else None
    options = CaseOptions(
        device,
        precision,
        parse_folds(folds),
        views,
        parse_point(rv_insertion),
        dicom=dicom,
        report=not no_report,
        ed=ed,
        es=es,
        probabilities=probabilities,
        keep_unlike=keep_unlike,
    )
    if dicom and (files := [path for path in inputs if path.is_file()]):
        raise UsageError(f"--dicom needs the folder of a DICOM series, {files[0]} is a file")
    if series and all(path.is_file() and path.suffix.lower() != ".csv" for path in inputs):
        raise UsageError(f"--series chooses a series of a DICOM folder, {inputs[0]} is a file")
    if model == AUTO:
        model = choose_model(inputs, options, series, phases)
    asked = CohortOptions(
        resume,
        overwrite,
        parse_workers(workers),
        scheduler,
        not no_report,
        log_json,
        quiet,
        progress_lines,
        no_patient_data,
    )
    cine = CineOptions(ed, es, phases)
    if may_be_films(inputs, cine, asked, series) and segment_cines(
        inputs,
        output,
        lambda: open_bundle(model, options.folds),
        options,
        cine,
        as_cohort=asked.asked_for,
        overwrite=overwrite,
        quiet=quiet,
        progress_lines=progress_lines,
        series=series,
    ):
        return
    if (plan := plan_cohort(inputs, model, options, series, asked, cine)) is not None:
        if code := segment_cohort(plan, output, asked):
            raise typer.Exit(code)
        return
    (job,) = plan_jobs(inputs, output, overwrite=overwrite)
    bundle = open_bundle(model, options.folds)
    with shown_progress(lines=progress_lines, quiet=quiet) as progress:
        result = _segment_file(
            job, bundle, options, series or None, overwrite, part_of(progress, 0, 1, job.name)
        )
    if not quiet:
        tell_notes(result.volume.warnings)
        print(summary(result, job.target), flush=True)
    from CardiacUQLib.studies.scan import export_result

    if problem := export_result(result, job.target, options):
        print(f"cardiacuq: {problem}", file=sys.stderr, flush=True)
        raise typer.Exit(ExitCode.EXPORT)


def choose_model(inputs: Sequence[Path], options: CaseOptions, series: str, phases: str) -> str:
    """The folder of the bundle that suits the image; a film or two phases are cine without a look.

    Raises UsageError for more than one scan, and what :func:`choose_bundle` raises.
    """
    from CardiacUQLib.bundles.bundle import list_bundles
    from CardiacUQLib.bundles.manifest import BundleKind
    from CardiacUQLib.images.cine import is_cine
    from CardiacUQLib.images.reading import read_volume
    from CardiacUQLib.studies.choice import choose_bundle

    if phases or all(is_cine(path, series or None) for path in inputs):
        films = [one for one in list_bundles() if one.manifest.kind is BundleKind.STREAMING]
        if not films:
            raise UsageError("--model auto: no bundle for cine is installed")
        return str(films[0].folder)
    if len(inputs) > 1:
        raise UsageError(
            "--model auto looks at one scan; for several name a bundle, or give a CSV with bundles"
        )
    bundle = choose_bundle(read_volume(inputs[0], series=series or None), options)
    print(f"note: the image suits {bundle.manifest.name}", file=sys.stderr, flush=True)
    return str(bundle.folder)


def may_be_films(inputs: Sequence[Path], cine: CineOptions, cohort: CohortOptions, series: str = "") -> bool:
    """Whether the inputs may be one film, a file or a DICOM folder, or two named phases, which are no
    cohort."""
    from CardiacUQLib.images.cine import is_cine

    if cine.phases or cohort.asked_for:
        return bool(cine.phases)
    return all(path.is_file() for path in inputs) or (len(inputs) == 1 and is_cine(inputs[0], series))


def plan_jobs(inputs: Sequence[Path], output: Path, *, overwrite: bool) -> tuple[Job, ...]:
    """One job per input.

    Raises UsageError, before any work, for names that clash and places where no case can be written.
    """
    from CardiacUQLib.cases.writing import check_case

    jobs: dict[str, Job] = {}
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: this is a file; give a folder for --output")
    for source in inputs:
        name = case_name(source)
        target = output / name
        if (other := jobs.get(name.casefold())) is not None:
            raise UsageError(
                f"{source} and {other.source} would both become {target}; run them with different --output"
            )
        check_case(output, name, overwrite=overwrite)
        jobs[name.casefold()] = Job(source, name, target)
    return tuple(jobs.values())


def open_bundle(model: str, folds: Sequence[int] | None = None) -> Bundle:
    """The bundle called ``model``, which must have the folds asked for. Raises ModelError or UsageError."""
    from CardiacUQLib.bundles.bundle import load_bundle

    bundle = load_bundle(model)
    available = bundle.manifest.folds
    if missing := [fold for fold in folds or () if fold not in available]:
        raise UsageError(
            f"--folds: bundle {bundle.manifest.name} has no fold {missing[0]}; "
            f"it has {','.join(str(fold) for fold in available)}"
        )
    return bundle


def _segment_file(
    job: Job,
    bundle: Bundle,
    options: CaseOptions,
    series: str | None,
    overwrite: bool,
    progress: ProgressCallback,
) -> Result:
    from CardiacUQLib.images.reading import read_volume
    from CardiacUQLib.studies.scan import segment_to_folder

    progress(0.0, "reading")
    volume = read_volume(job.source, series=series)
    return segment_to_folder(volume, bundle, job.target, options, overwrite=overwrite, progress=progress)


def summary(result: Result, target: Path) -> str:
    """One line for the terminal: the verdict, the sizes as every other place states them, where they lie."""
    from CardiacUQLib.cases.places import need_a_look

    word = "" if result.verdict is None else f"{result.verdict.as_text()}; "
    regions = need_a_look([result])
    page = target / "report.html"
    where = f"see {page}" if page.exists() else f"in {target}"
    return f"{target.name}: {word}{result.measures['headline']}; {regions}; {where}"
