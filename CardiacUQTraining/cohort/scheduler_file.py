"""The file in which ``dask scheduler --scheduler-file`` says where it listens."""

from __future__ import annotations

import json
import time
from pathlib import Path

from CardiacUQLib.base.errors import UsageError

PATIENCE_S = 20.0
"""How long a scheduler that was started in the same breath may take to write its file."""
_LARGEST = 1_000_000
_POLL_S = 0.2


def scheduler_address(given: str, patience_s: float = PATIENCE_S) -> str:
    """The address that ``--scheduler`` means: itself, or what stands in the scheduler file of that name.

    A name that ends in ``.json``, or a file that is there, is a scheduler file; one that is not yet there,
    or not yet whole, is waited for. Raises UsageError if it does not come or holds no address.
    """
    path = Path(given)
    if "://" in given or not (path.suffix == ".json" or path.is_file()):
        return given
    end = time.monotonic() + patience_s
    while (address := _address_in(path)) is None:
        if time.monotonic() > end:
            problem = "it holds no address" if path.exists() else "there is no such file"
            start = f"start the scheduler with: dask scheduler --scheduler-file {given}"
            raise UsageError(f"--scheduler {given}: {problem}; {start}")
        time.sleep(_POLL_S)
    return address


def _address_in(path: Path) -> str | None:
    """The address of a whole scheduler file; None as long as there is none."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    address = content.get("address") if isinstance(content, dict) else None
    return address if isinstance(address, str) and address else None
