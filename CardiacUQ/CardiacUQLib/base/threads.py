"""How the threads of numerical libraries behave beside other programs: set before such a library loads.

OpenMP threads that wait for each other spin by default. Alone on a machine that saves microseconds; beside
one other busy program, the normal state of a reader's laptop, threads spin for one that is not running and
everything becomes several times slower. libgomp (Linux wheels of PyTorch) and LLVM's libomp (macOS) read
OMP_WAIT_POLICY; libomp and Intel's libiomp5 (Windows) also KMP_BLOCKTIME, the milliseconds before a waiting
thread sleeps (OpenMP 5.2, section 21.1.7; LLVM OpenMP reference, "Environment Variables").

OpenBLAS, which numpy and scipy bring, has threads of its own that spin after every product; ours are small,
so that it gets one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

_POLITE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "OPENBLAS_NUM_THREADS": "1"}
_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def wait_politely(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let waiting threads sleep; what the user has set stays. Without effect once torch is loaded."""
    for name, value in _POLITE.items():
        environment.setdefault(name, value)


def use_threads(count: int) -> None:
    """Compute on ``count`` threads, in this process and those it starts; 0 leaves it to the library."""
    if count <= 0:
        return
    for name in _COUNTS:
        os.environ[name] = str(count)
    if (torch := sys.modules.get("torch")) is not None and torch.get_num_threads() != count:
        torch.set_num_threads(count)


def available_threads() -> int:
    """Processor cores this program may use: what OMP_NUM_THREADS says, else those it is allowed on."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked):
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
