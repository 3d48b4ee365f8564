"""A cohort from inputs to tables: plans, resumes, keeps the record, and always ends in good order."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from CardiacUQLib.base.errors import CancelledError, ExitCode, UsageError
from CardiacUQLib.base.leftovers import recover
from CardiacUQLib.bundles.bundle import Bundle, load_bundle
from CardiacUQLib.inference.device import choose_device, choose_precision
from CardiacUQLib.inference.segment import choose_folds, choose_views

from .case import Case, Plan, Row, Skipped, State, Ticket
from .display import CANCELLED, Display, Standing, stopwatch
from .engine import Engine, SchedulerLostError
from .lock import locked
from .page import write_page
from .state import finished_rows, forget_tries
from .table import write_table
from .tries import Tries

TABLE_EVERY_S = 60.0


@dataclass(frozen=True)
class CohortOutcome:
    """What became of every input, in the order of the plan; ``problem`` if the run ended before its end."""

    rows: tuple[Row, ...]
    problem: str = ""

    def count(self, state: State) -> int:
        """Number of inputs with this outcome."""
        return sum(row.state is state for row in self.rows)

    @property
    def exit_code(self) -> ExitCode:
        """0 only if every case succeeded, EXPORT if all did and an export of one did not."""
        if self.problem or self.count(State.FAILED) or self.count(State.PENDING):
            return ExitCode.PARTIAL
        return ExitCode.EXPORT if any(row.export_problem for row in self.rows) else ExitCode.DONE


@dataclass
class _Ledger:
    """The rows so far and the tables made of them."""

    plan: Plan
    out: Path
    rows: dict[str, Row] = field(default_factory=dict)
    problem: str = ""

    def all_rows(self) -> tuple[Row, ...]:
        cases = [self.rows.get(case.name) or _pending(case) for case in self.plan.cases]
        return (*cases, *(_skipped(one) for one in self.plan.skipped))

    def write(self, *, page: bool) -> None:
        """Write the tables; a full disk costs the tables, not the run."""
        try:
            write_table(self.all_rows(), self.out)
            if page:
                write_page(self.all_rows(), self.out)
        except OSError as error:
            self.problem = f"{self.out}: the tables could not be written ({error.strerror or error})"


def run_cohort(
    plan: Plan,
    out: Path,
    display: Display,
    *,
    engine: Engine | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> CohortOutcome:
    """Segment every case of ``plan`` into ``out`` and write ``cohort.csv`` and ``cohort.html`` there.

    ``resume`` keeps cases whose folder is whole and whose input, bundle and options are unchanged, and
    does the others (again); ``overwrite`` does all again. A failing case is a row with its reason.
    Raises UsageError before any work (another run in this folder, existing case folders without either
    option, unusable options), ModelError, and CancelledError after KeyboardInterrupt; whatever was
    finished then is on the disk and in the tables.
    """
    bundles = _open_bundles(plan.cases)
    if engine is None or not engine.scheduler:
        for options in {case.options for case in plan.cases}:
            choose_precision(options.precision, choose_device(options.device))
    _check_targets(plan.cases, out, free=resume or overwrite)
    new = not out.exists()
    try:
        with locked(out):
            return _run_locked(plan, out, display, engine or Engine(), bundles, resume)
    finally:
        if new:  # made in vain if nothing could be written at all
            with contextlib.suppress(OSError):
                out.rmdir()


def _run_locked(
    plan: Plan, out: Path, display: Display, engine: Engine, bundles: dict[str, Bundle], resume: bool
) -> CohortOutcome:
    recover(out)
    ledger = _Ledger(plan, out)
    if resume:
        ledger.rows.update(finished_rows(plan.cases, bundles, out))
        for name in ledger.rows:  # whole, though its process may have died before it could say so
            Tries(out, name).end()
    kept = len(ledger.rows)
    todo = [_ticket(case, bundles[case.bundle], out) for case in plan.cases if case.name not in ledger.rows]
    clock = stopwatch()
    standing = Standing(total=len(plan.cases), kept=kept)
    display.began(standing, len(plan.skipped))
    problem, sent = "", set[str]()
    try:
        written = time.monotonic()
        with contextlib.closing(engine.rows(todo, sent)) as rows:
            for row in rows:
                ledger.rows[row.name] = row
                standing = _counted(standing, row, clock())
                display.case(row, standing)
                if time.monotonic() - written > TABLE_EVERY_S:
                    ledger.write(page=False)
                    written = time.monotonic()
    except KeyboardInterrupt:
        forget_tries(out)
        late = tuple(case for case in plan.cases if case.name in sent and case.name not in ledger.rows)
        ledger.rows.update(finished_rows(late, bundles, out))  # written before they could be told of
        count = sum(row.state is State.DONE for row in ledger.rows.values())
        done = f"{count} of {standing.total} cases are done; go on with --resume"
        display.ended(replace(standing, done=count - standing.kept), CANCELLED)
        raise CancelledError(f"cancelled; {done}") from None
    except SchedulerLostError as error:
        problem = str(error)
    finally:
        if not engine.scheduler:  # on a shared cluster a case may still be under way
            recover(out)
        if ledger.rows or not todo:  # a cluster that is not there leaves nothing
            ledger.write(page=True)
    display.ended(standing, problem or ledger.problem)
    return CohortOutcome(ledger.all_rows(), problem or ledger.problem)


def _open_bundles(cases: Sequence[Case]) -> dict[str, Bundle]:
    """Every bundle of the plan, checked, together with the folds and views asked of it."""
    bundles: dict[str, Bundle] = {}
    for case in cases:
        if case.bundle not in bundles:
            bundles[case.bundle] = load_bundle(case.bundle)
    for bundle, options in {(case.bundle, case.options) for case in cases}:
        choose_folds(bundles[bundle].manifest, options.folds)
        choose_views(bundles[bundle].manifest, options.views)
    return bundles


def _check_targets(cases: Sequence[Case], out: Path, *, free: bool) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: this is a file; give a folder for --output")
    existing = [folder for case in cases for folder in case.folders if (out / folder).exists()]
    if existing and not free:
        others = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise UsageError(
            f"{out / existing[0]}: this case folder exists{others}; "
            "use --resume, --overwrite or another --output"
        )


def _ticket(case: Case, bundle: Bundle, out: Path) -> Ticket:
    return Ticket(
        name=case.name,
        source=case.source,
        series=case.series,
        out=str(out.resolve()),
        bundle_folder=str(bundle.folder.resolve()),
        bundle_sha256=bundle.sha256,
        options=case.options,
        cine=case.cine,
        private=case.private,
        es_source=case.es_source,
    )


def _counted(standing: Standing, row: Row, seconds: float) -> Standing:
    if row.state is State.DONE:
        return replace(standing, done=standing.done + 1, seconds=seconds)
    return replace(standing, failed=standing.failed + 1, seconds=seconds)


def _pending(case: Case) -> Row:
    return Row(case.name, State.PENDING, case.source, "not reached before the run ended", case.shown_series)


def _skipped(one: Skipped) -> Row:
    return Row(one.name, State.SKIPPED, one.source, one.reason, one.series)
