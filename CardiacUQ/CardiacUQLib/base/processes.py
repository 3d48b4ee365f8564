"""Whether another process of this machine still runs."""

from __future__ import annotations

import os


def process_lives(pid: int) -> bool:
    """True if a process of this number runs on this machine."""
    if pid < 1:
        return False
    if os.name == "nt":
        import psutil  # comes with distributed; os.kill would end the process on Windows

        return psutil.pid_exists(pid)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
