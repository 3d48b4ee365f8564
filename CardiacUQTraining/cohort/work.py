"""One case from its file to its folder, in whatever process: the engines only decide where and when."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from CardiacUQLib.base.errors import CancelledError, CardiacUQError, ModelError
from CardiacUQLib.base.progress import CancelToken
from CardiacUQLib.base.safe_files import own_folder, write_whole
from CardiacUQLib.base.threads import use_threads
from CardiacUQLib.bundles.bundle import load_bundle
from CardiacUQLib.bundles.resident import ResidentBundle
from CardiacUQLib.inference.device import is_out_of_memory, peak_memory_mb
from CardiacUQLib.report import REPORT_FILE, can_render
from CardiacUQLib.studies.scan import export_result, segment_with, write_result

from ..datasets.scan_features import input_features
from .case import STATE_FOLDER, Row, State, Ticket
from .cine_case import segment_film
from .features import case_uncertainty, flat_measures
from .flags import input_flags, result_flags
from .state import write_row
from .tries import MOST_TRIES, Places, Tries

if TYPE_CHECKING:
    from CardiacUQLib.images.volume import Volume
    from CardiacUQLib.inference.result import Result

PLACES = 2
"""Cases in one process at a time: one on the networks, one being read or written."""

ERRORS_FOLDER = "errors"


class Station:
    """What a process needs for its cases: room for two, one lane for networks, one for writing.

    A lane is one thread, so that two cases never compute at once and that drawing, which is not made
    for threads, happens in one place.
    """

    def __init__(self) -> None:
        self.places = Places(PLACES)
        self.networks = ThreadPoolExecutor(1, "networks")
        self.writing = ThreadPoolExecutor(1, "writing")
        self._bundles: dict[tuple[str, str], ResidentBundle] = {}

    def bundle(self, folder: str, sha256: str) -> ResidentBundle:
        """The bundle in ``folder``; raises ModelError if it is no longer the one of the plan."""
        if (folder, sha256) not in self._bundles:
            found = load_bundle(Path(folder))
            if found.sha256 != sha256:
                raise ModelError(
                    f"{folder}: the bundle was changed during the run; start again with --resume"
                )
            self._bundles[folder, sha256] = ResidentBundle.of(found)
        return self._bundles[folder, sha256]


_first_use = threading.Lock()


def station() -> Station:
    """The one station of this process."""
    with _first_use:  # two first cases may come at the same moment
        return _only_station()


@functools.cache
def _only_station() -> Station:
    return Station()


def process(ticket: Ticket, *, cancel: CancelToken | None = None) -> Row:
    """Segment one case into its folder; whatever goes wrong with it becomes a row with the reason.

    May be called from several threads. Raises nothing but CancelledError.
    """
    tries = Tries(Path(ticket.out), ticket.name)
    with station().places.take(alone=tries.deaths() > 0):
        deaths = tries.deaths()
        tries.begin()
        try:
            if deaths >= MOST_TRIES:
                return failed(ticket, f"{ticket.source}: {death_reason(deaths)}", tries=deaths)
            row = _attempt(ticket, deaths + 1, cancel or CancelToken())
        finally:
            tries.end()
    return row


def failed(ticket: Ticket, reason: str, *, tries: int = 1) -> Row:
    """The row of a case that has no folder."""
    return Row(
        name=ticket.name,
        state=State.FAILED,
        source=ticket.source,
        series=ticket.shown_series,
        reason=" ".join(reason.split()),
        tries=tries,
        worker=_here(),
        finished=_now(),
        bundle_sha256=ticket.bundle_sha256,
        options=ticket.options.key,
    )


def death_reason(deaths: int) -> str:
    """Why a case is given up whose process died again and again."""
    return (
        f"the process that worked on this case died {deaths} times, perhaps out of memory; "
        "try again with --resume on a machine with more memory"
    )


def _attempt(ticket: Ticket, number: int, cancel: CancelToken) -> Row:
    try:
        return (_film if ticket.cine else _segment)(ticket, number, cancel)
    except CancelledError:
        raise
    except CardiacUQError as error:
        return failed(ticket, str(error), tries=number)
    except Exception as error:
        if is_out_of_memory(error):
            return failed(ticket, f"{ticket.source}: out of memory; use --folds 0 or --no-tta", tries=number)
        log = _log_error(ticket)
        line = next(iter(str(error).splitlines()), "") or type(error).__name__
        return failed(ticket, f"{ticket.source}: internal error: {line}; details in {log}", tries=number)


def _segment(ticket: Ticket, number: int, cancel: CancelToken) -> Row:
    from CardiacUQLib.images.reading import read_volume

    here = station()
    start = time.perf_counter()
    volume = read_volume(ticket.source, series=ticket.series or None)
    if ticket.private:
        volume = replace(volume, series="")
    features = input_features(volume)
    busy = time.perf_counter() - start

    def on_networks() -> tuple[Result, float]:
        began = time.perf_counter()
        cancel.check()
        use_threads(ticket.threads)
        asked = replace(ticket.options, device=ticket.device or ticket.options.device)
        bundle = here.bundle(ticket.bundle_folder, ticket.bundle_sha256)
        result = segment_with(volume, bundle, asked, cancel=cancel)
        return result, time.perf_counter() - began

    result, seconds = here.networks.submit(on_networks).result()
    row = _row(ticket, number, volume, result, features, here)
    return here.writing.submit(_write, ticket, row, result, busy + seconds, cancel).result()


def _film(ticket: Ticket, number: int, cancel: CancelToken) -> Row:
    """A cine computes, draws and writes in one go: it takes both lanes at once."""
    here = station()

    def on_both() -> Row:
        start = time.perf_counter()
        cancel.check()
        use_threads(ticket.threads)
        row = segment_film(ticket, here.bundle(ticket.bundle_folder, ticket.bundle_sha256), cancel)
        row = replace(
            row,
            seconds=time.perf_counter() - start,
            peak_memory_mb=peak_memory_mb(),
            tries=number,
            worker=_here(),
            finished=_now(),
        )
        write_row(row, Path(ticket.out) / f"{ticket.name}_ES")
        return row

    return here.networks.submit(lambda: here.writing.submit(on_both).result()).result()


def _row(
    ticket: Ticket,
    number: int,
    volume: Volume,
    result: Result,
    features: dict[str, float | None],
    here: Station,
) -> Row:
    manifest = here.bundle(ticket.bundle_folder, ticket.bundle_sha256).manifest
    return Row(
        name=ticket.name,
        state=State.DONE,
        source=ticket.source,
        series=ticket.shown_series,
        report=f"{ticket.name}/{REPORT_FILE}" if ticket.options.report and can_render() else "",
        headline=str(result.measures.get("headline", "")),
        verdict="" if result.verdict is None else result.verdict.word.value,
        verdict_reason="" if result.verdict is None else result.verdict.reason,
        measures=flat_measures(result.measures),
        uncertainty=case_uncertainty(result),
        features=features,
        flags=(*result_flags(result), *input_flags(features, manifest)),
        warnings=tuple(dict.fromkeys((*volume.warnings, *result.run.warnings))),
        peak_memory_mb=peak_memory_mb(),
        tries=number,
        worker=_here(),
        input_sha256=volume.sha256,
        bundle=f"{manifest.name} {manifest.version}",
        bundle_sha256=ticket.bundle_sha256,
        options=ticket.options.key,
    )


def _write(ticket: Ticket, row: Row, result: Result, seconds: float, cancel: CancelToken) -> Row:
    """Write the case folder with its report and its row, which comes back complete."""
    cancel.check()
    start = time.perf_counter()
    written: list[Row] = []

    def add_row(result: Result, folder: Path) -> None:
        spent = seconds + time.perf_counter() - start
        written.append(replace(row, seconds=spent, finished=_now()))
        write_row(written[0], folder)

    target = Path(ticket.out) / ticket.name
    write_result(result, target, ticket.options, overwrite=True, extra_writers=[add_row])
    return replace(written[0], export_problem=export_result(result, target, ticket.options))


def _log_error(ticket: Ticket) -> str:
    log = Path(ticket.out) / STATE_FOLDER / ERRORS_FOLDER / f"{ticket.name}.log"
    with contextlib.suppress(OSError):
        own_folder(own_folder(log.parents[1]) / ERRORS_FOLDER)
        write_whole(log, traceback.format_exc())
    return str(log)


def _here() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
