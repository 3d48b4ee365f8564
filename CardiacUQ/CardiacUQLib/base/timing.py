"""How long each step of a run takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StepTimer:
    """Adds up wall time by step name.

    ``settle`` is called before the clock is read; on a GPU it waits for the queued work, which would
    otherwise be charged to a later step.
    """

    def __init__(self, settle: Callable[[], None] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._settle = settle or (lambda: None)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Charge the time inside the ``with`` block to ``name``."""
        start = time.perf_counter()
        try:
            yield
            self._settle()
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
