"""Workers of Dask that keep the memory they free, as other programs do."""

from __future__ import annotations

import contextlib
import ctypes
import functools

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's malloc.h."""
_KEPT_BYTES, _LARGEST_BYTES = 1 << 28, 1 << 25
"""What may lie free at the end, and the size from which a block comes from the system anyhow: the most that
glibc takes."""


@functools.cache
def keep_freed_memory() -> None:
    """Take back what Dask sets for its workers (MALLOC_TRIM_THRESHOLD_): freed memory goes back at once.

    Every layer of a network would ask for it anew and have it cleared, a quarter of a worker's time. Does
    nothing where the C library is another than glibc.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_BYTES)
