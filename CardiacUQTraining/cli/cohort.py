"""The cohort side of ``cardiacuq segment``: when there is one, and how it runs and shows itself."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from CardiacUQLib.base.errors import InputError, UsageError
from CardiacUQLib.base.lasting_imports import lasting_imports
from CardiacUQLib.base.progress import ignore_progress, print_filter_progress

from .cine import CineOptions

if TYPE_CHECKING:
    from CardiacUQLib.studies.options import CaseOptions

    from ..cohort.case import Plan, Skipped


WORKERS_HELP = "Processes on this machine for many scans; auto: as many as pay; 0: none but this one."
LISTED = 8
"""Skipped inputs that the error about a folder without a scan names."""


@dataclass(frozen=True)
class CohortOptions:
    """How to run many cases and what to print meanwhile; ``workers`` None: as many as pay."""

    resume: bool = False
    overwrite: bool = False
    workers: int | None = 0
    scheduler: str = ""
    report: bool = True
    log_json: bool = False
    quiet: bool = False
    progress_lines: bool = False
    private: bool = False

    @property
    def asked_for(self) -> bool:
        """True if an option only makes sense for a cohort."""
        return bool(
            self.resume or self.workers or self.scheduler or self.log_json or self.private or not self.report
        )


def parse_workers(text: str) -> int | None:
    """The number of processes, None for "auto". Raises UsageError for anything else."""
    if text == "auto":
        return None
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"--workers {text}: give a number of processes, 0 for none, or auto")
    return int(text)


def plan_cohort(
    inputs: Sequence[Path],
    model: str,
    options: CaseOptions,
    series: str,
    cohort: CohortOptions,
    cine: CineOptions = CineOptions(),
) -> Plan | None:
    """The cases of the inputs; None if that is one plain scan and nothing asks for a cohort.

    Raises UsageError for options that exclude each other or inputs that cannot be sorted into cases, and
    ModelError for the bundle of a 4D file that cannot be loaded.
    """
    from ..cohort.inputs import collect
    from ..cohort.privacy import without_patient_data

    if cohort.workers and cohort.scheduler:
        raise UsageError("--workers starts a cluster here, --scheduler uses another one; give one of them")
    if cohort.resume and cohort.overwrite:
        raise UsageError("--resume keeps finished cases, --overwrite replaces them; give one of them")
    if cohort.private and options.dicom:
        raise UsageError("--dicom writes the patient's header into its objects; leave --no-patient-data out")
    plan = collect(inputs, model, options, series, functools.cache(_takes_cines))
    if cine != CineOptions() and not any(case.cine and not case.es_source for case in plan.cases):
        raise UsageError(f"--ed and --es choose frames of a 4D file, {inputs[0]} is none")
    if not cohort.asked_for and _is_one_scan(inputs, plan):
        return None
    if options.rv_insertion_ras is not None:
        raise UsageError("--rv-insertion is a point in one patient; give that scan alone")
    return without_patient_data(plan) if cohort.private else plan


def _takes_cines(model: str) -> bool:
    from CardiacUQLib.bundles.bundle import load_bundle
    from CardiacUQLib.bundles.manifest import BundleKind

    return load_bundle(model).manifest.kind is BundleKind.STREAMING


def _is_one_scan(inputs: Sequence[Path], plan: Plan) -> bool:
    """True for one file or one DICOM series; also for a folder without a scan, which then is refused."""
    if len(inputs) > 1 or inputs[0].suffix.lower() == ".csv":
        return False
    if not plan.cases and plan.skipped:
        listed = "; ".join(f"{_shown(one)}: {one.reason}" for one in plan.skipped[:LISTED])
        more = f"; and {len(plan.skipped) - LISTED} more" if len(plan.skipped) > LISTED else ""
        remedy = "choose one with --series" if any(one.series for one in plan.skipped) else "give a scan"
        raise InputError(inputs[0], f"nothing in it is a scan for this bundle ({listed}{more})", remedy)
    if not plan.cases:
        return True
    (first, *others) = plan.cases
    itself = bool(first.series) or Path(first.source) == inputs[0]
    return itself and not others and not plan.skipped


def _shown(one: Skipped) -> str:
    """What names a skipped input: the end of its series UID, or its file."""
    return one.series[-12:] or Path(one.source).name


def segment_cohort(plan: Plan, output: Path, asked: CohortOptions) -> int:
    """Run the cohort and return its exit code: 0 only if every case succeeded."""
    from ..cohort.auto_workers import pays
    from ..cohort.local_cluster import begin_loading

    if asked.workers or (asked.workers is None and not asked.scheduler and pays(len(plan.cases))):
        begin_loading()
    with lasting_imports():
        from ..cohort.display import shown
        from ..cohort.engine import Engine
        from ..cohort.run import run_cohort

    callback = print_filter_progress if asked.progress_lines else ignore_progress
    with shown(output, quiet=asked.quiet, json_lines=asked.log_json, callback=callback) as display:
        outcome = run_cohort(
            plan,
            output,
            display,
            engine=Engine(asked.workers, asked.scheduler),
            resume=asked.resume,
            overwrite=asked.overwrite,
        )
    return int(outcome.exit_code)
