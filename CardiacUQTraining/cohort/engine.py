"""Where cases run: in this process, on a local cluster of processes, or on any Dask scheduler."""

from __future__ import annotations

import contextlib
import queue
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from CardiacUQLib.base.errors import CardiacUQError, ExitCode, UsageError
from CardiacUQLib.base.progress import CancelToken
from CardiacUQLib.base.threads import available_threads, wait_politely

from .auto_workers import workers_for
from .case import Row, Ticket
from .freed_memory import keep_freed_memory
from .local_cluster import dask_modules, local_cluster, quiet_logs
from .scheduler_file import scheduler_address
from .tries import MOST_TRIES, Tries
from .work import PLACES, death_reason, failed, process

if TYPE_CHECKING:
    from distributed import Client

AHEAD = 2
"""Cases that are sent for every one that can run: enough that no worker waits for the mail."""

CONNECT_TIMEOUT = "20s"
_POLL_S = 1.0
_LOST = "the connection to the scheduler was lost; start it again, then go on with --resume"


class SchedulerLostError(CardiacUQError):
    """The scheduler is gone; what was finished is on the disk."""

    exit_code = ExitCode.PARTIAL


@dataclass(frozen=True)
class Engine:
    """How a cohort runs: ``scheduler`` (an address, or the scheduler file that Dask wrote) or ``workers``
    processes, None for as many as pay on this machine; neither: in this process."""

    workers: int | None = 0
    scheduler: str = ""

    def rows(self, tickets: Sequence[Ticket], sent: set[str]) -> Generator[Row, None, None]:
        """Process the tickets and yield the row of each as it ends, in any order.

        ``sent`` holds the names of the cases that were begun, for a run that is stopped.

        Closing the iterator, or an exception such as KeyboardInterrupt inside it, stops the cases under
        way in good order. Raises UsageError if there is no such cluster, SchedulerLostError.
        """
        if not tickets:
            return
        if self.scheduler:
            with _connected(self.scheduler) as client:
                yield from _on_cluster(client, tickets, sent)
            return
        with contextlib.ExitStack() as closing:
            if (workers := self._processes(tickets)) and (client := self._cluster(workers, closing)):
                threads = max(1, available_threads() // workers)
                yield from _on_cluster(client, [replace(one, threads=threads) for one in tickets], sent)
                return
        yield from _in_process(tickets, sent)

    def _processes(self, tickets: Sequence[Ticket]) -> int:
        if self.workers is not None:
            return self.workers
        return workers_for(len(tickets), {one.options.device for one in tickets})

    def _cluster(self, workers: int, closing: contextlib.ExitStack) -> Client | None:
        """A cluster here; None where nobody asked for it and the machine does not allow one."""
        try:
            return closing.enter_context(local_cluster(workers, PLACES))
        except (OSError, RuntimeError, TimeoutError):
            if self.workers is not None:
                raise
            return None


def device_for(device: str, worker: object, gpus: int) -> str:
    """The device of a local worker: "auto" deals the GPUs out by the number of the worker."""
    return f"cuda:{worker % gpus}" if device == "auto" and gpus > 1 and isinstance(worker, int) else device


def _in_process(tickets: Sequence[Ticket], sent: set[str]) -> Generator[Row, None, None]:
    """One case after the other; the next one is read, the last one written while the networks work."""
    cancel = CancelToken()
    running: set[Future[Row]] = set()
    with ThreadPoolExecutor(PLACES, "case") as pool:
        try:
            for ticket in tickets:
                sent.add(ticket.name)
                running.add(pool.submit(process, ticket, cancel=cancel))
                if len(running) >= PLACES:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            cancel.cancel()
            for future in running:
                future.cancel()


def run_on_worker(ticket: Ticket) -> Row:
    """:func:`process` inside a Dask worker, on the GPU that is this worker's."""
    wait_politely()  # a worker of another scheduler was started by another program
    keep_freed_memory()
    import torch
    from distributed import get_worker

    name = get_worker().name
    device = device_for(ticket.options.device, name, torch.cuda.device_count())
    return process(replace(ticket, device=device))


def _on_cluster(client: Client, tickets: Sequence[Ticket], begun: set[str]) -> Generator[Row, None, None]:
    """Keep every worker supplied; a case whose worker died is sent again, at most three times in all."""
    finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
    waiting = list(reversed(tickets))
    under_way: dict[Any, tuple[Ticket, Any]] = {}
    sent: Counter[str] = Counter()
    try:
        while waiting or under_way:
            room = _room(client) if waiting else 0
            while waiting and len(under_way) < room:
                ticket = waiting.pop()
                sent[ticket.name] += 1
                begun.add(ticket.name)
                future = client.submit(run_on_worker, ticket, pure=False)
                under_way[future.key] = (ticket, future)
                future.add_done_callback(finished.put)
            try:
                ended = finished.get(timeout=_POLL_S)
            except queue.Empty:
                _check_scheduler(client)
                continue
            if ended.key not in under_way:
                continue
            ticket, future = under_way.pop(ended.key)
            row = _outcome(client, ticket, future, sent[ticket.name])
            if row is None:
                waiting.insert(0, ticket)
            else:
                yield row
    finally:
        if under_way and client.status == "running":
            with contextlib.suppress(Exception):  # the scheduler may go at this very moment
                client.cancel([future for _, future in under_way.values()], force=True)


def _room(client: Client) -> int:
    """How many cases may be on their way: a few for every thread there is now."""
    try:
        return AHEAD * max(1, sum(cast(dict[str, int], client.nthreads()).values()))
    except (OSError, TimeoutError):
        raise SchedulerLostError(_LOST) from None


def _outcome(client: Client, ticket: Ticket, future: Any, sent: int) -> Row | None:
    """The row of an ended task; None if its worker died and the case may be tried again.

    What a task raises is fetched, never thrown here: an error on the way is a scheduler that is gone.
    """
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker

    try:
        if future.status == "finished":
            return future.result()
        if future.status in ("cancelled", "lost"):
            _check_scheduler(client, certain=True)
        error = future.exception()
    except (OSError, TimeoutError, FutureCancelledError):
        raise SchedulerLostError(_LOST) from None
    if not isinstance(error, KilledWorker):
        return failed(
            ticket, f"{ticket.source}: the worker could not run it ({type(error).__name__}: {error})"
        )
    tries = Tries(Path(ticket.out), ticket.name)
    if tries.deaths() < MOST_TRIES and sent < MOST_TRIES:
        return None
    deaths = max(sent, tries.deaths())
    tries.end()
    return failed(ticket, f"{ticket.source}: {death_reason(deaths)}", tries=deaths)


def _check_scheduler(client: Client, *, certain: bool = False) -> None:
    """Raise SchedulerLostError if the connection to the scheduler is gone."""
    if certain or client.status != "running":
        raise SchedulerLostError(_LOST)


@contextlib.contextmanager
def _connected(scheduler: str) -> Iterator[Client]:
    _, distributed = dask_modules()
    address = scheduler_address(scheduler)
    with quiet_logs():
        try:
            client = distributed.Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"--scheduler {scheduler}: no scheduler answers there ({type(error).__name__}); "
                "start one with: dask scheduler"
            ) from None
        try:
            yield client
        finally:
            with contextlib.suppress(Exception):
                client.close(timeout=2)
