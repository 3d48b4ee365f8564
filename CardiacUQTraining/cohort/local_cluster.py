"""Processes of this machine that share a cohort, as a Dask cluster of their own."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import multiprocessing
import os
import sys
from collections.abc import Iterator
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any

from CardiacUQLib.base.errors import UsageError

from . import deaf_worker

if TYPE_CHECKING:
    from distributed import Client

BEGIN_AS_COPIES = sys.platform == "linux"
"""Whether workers begin as copies of one process: elsewhere a copy of one that has loaded the system's
libraries is not safe, and every worker loads its own."""

_RESTART_TIME = "1 hour"
"""A worker that died is started again; Dask gives it up after 15 s, too soon for a busy machine."""
_MORE_THAN_TRIES = 100
_LOADED_ONCE = (
    "distributed",
    "CardiacUQTraining.cohort.engine",
    "CardiacUQLib.inference.segment",
    "CardiacUQLib.images.reading",
    "CardiacUQLib.report.page",
    "SimpleITK",
    "jinja2",
    "PIL.Image",
)
"""What the workers of this machine would each load, seconds of work."""
_INSTALL = "pip install 'cardiacuq[cluster]'"


def begin_loading() -> None:
    """Start the one process that loads what every worker needs, whose copies the workers are.

    It loads beside this process, so the earlier the better, and runs no network, so that no thread and no
    GPU is copied with it. Does nothing where workers are no copies, or without Dask.
    """
    if BEGIN_AS_COPIES and importlib.util.find_spec("distributed") is not None:
        multiprocessing.get_context("forkserver").set_forkserver_preload(list(_LOADED_ONCE))
        with _single_threads():
            forkserver.ensure_running()


@contextlib.contextmanager
def _single_threads() -> Iterator[None]:
    """What starts here computes on one thread, as Dask wants it of workers: numerical libraries read this
    when they load, and their idle threads would spin. Torch is told its threads with every case."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def local_cluster(workers: int, places: int) -> Iterator[Client]:
    """``workers`` processes on this machine that hold ``places`` cases each.

    That they do not end in time, as on a busy machine, is no failure of the cases; they go with this process.
    """
    dask, distributed = dask_modules()
    settings: dict[str, Any] = {
        "distributed.scheduler.allowed-failures": _MORE_THAN_TRIES,
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.worker.memory.terminate": 0.95,
        "distributed.worker.daemon": True,
        "distributed.worker.preload": [deaf_worker.__name__],
        "distributed.deploy.lost-worker-timeout": _RESTART_TIME,
        "distributed.worker.profile.enabled": False,  # looks at every thread a hundred times a second
        "distributed.admin.system-monitor.interval": "5s",
    }
    if BEGIN_AS_COPIES:
        begin_loading()
        settings["distributed.worker.multiprocessing-method"] = "forkserver"
    with dask.config.set(settings), quiet_logs(), contextlib.ExitStack() as closing:
        cluster = distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=places,
            processes=True,
            dashboard_address="127.0.0.1:0",  # any free port: the fixed one warns when it is taken
            silence_logs=logging.CRITICAL,
        )
        closing.callback(_close, cluster)
        client = distributed.Client(cluster, set_as_default=False)
        closing.callback(_close, client)
        yield client


def _close(part: Any) -> None:
    with contextlib.suppress(Exception):
        part.close()


def dask_modules() -> tuple[Any, Any]:
    """The packages dask and distributed. Raises UsageError without them."""
    try:
        import dask
        import distributed
    except ImportError:
        raise UsageError(
            f"--workers and --scheduler need the Python package distributed: {_INSTALL}"
        ) from None
    return dask, distributed


@contextlib.contextmanager
def quiet_logs() -> Iterator[None]:
    """Keep Dask's own log off the terminal: what matters is in the rows."""
    names = ("distributed", "distributed.client", "tornado", "asyncio")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
