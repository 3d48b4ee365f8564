"""What Dask loads in every worker of this machine: Ctrl-C in a terminal reaches the workers too.

It is meant for the process that was started there, which ends them in order; a worker that hears it would
end in a traceback of its own.
"""

from __future__ import annotations

import signal


def dask_setup(worker: object) -> None:
    """Called by Dask in the process of the worker, before its first case."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
