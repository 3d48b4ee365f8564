"""How many processes a cohort gets on this machine when nobody says."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection

from CardiacUQLib.base.threads import available_threads
from CardiacUQLib.inference.device import choose_device

from .local_cluster import BEGIN_AS_COPIES

FEWEST_CASES = 6 if BEGIN_AS_COPIES else 20
"""Processes start in the time of two cases, or of several where every one loads torch by itself."""
CASES_EACH = 3
MOST_SINGLE = 4
"""Cores up to which every one gets a process: of two threads in one process the second does half the work."""
BYTES_EACH = 1.5e9
"""Room for a process with two cases in hand, twice what it takes of usual ones."""
MOST = 16


def pays(cases: int) -> bool:
    """Whether several processes could pay for so many cases, before anything is loaded to find out."""
    several = cases >= FEWEST_CASES and available_threads() > 1
    return several and importlib.util.find_spec("distributed") is not None


def workers_for(cases: int, devices: Collection[str]) -> int:
    """Processes for ``cases`` that compute on ``devices``; 0: this one, which also serves a GPU.

    A process per core, or per two of many, as memory allows. Raises UsageError for a device that is not here.
    """
    if not pays(cases) or any(choose_device(device).type != "cpu" for device in devices):
        return 0
    cores = available_threads()
    carried = int(_free_bytes() / BYTES_EACH)
    workers = min(cores if cores <= MOST_SINGLE else cores // 2, carried, cases // CASES_EACH, MOST)
    return workers if workers > 1 else 0


def _free_bytes() -> float:
    """Memory that is free and that this process may take, also in a container."""
    import psutil  # comes with distributed
    from distributed.system import MEMORY_LIMIT

    return min(psutil.virtual_memory().available, MEMORY_LIMIT)
