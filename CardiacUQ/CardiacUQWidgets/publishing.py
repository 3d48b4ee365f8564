"""Measures and report of a reviewed case folder, written in a thread when a review is left."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import qt

from CardiacUQLib.base.errors import CardiacUQError
from CardiacUQLib.report import publish
from CardiacUQLib.review import Review

_TICK_MS = 100
Point = tuple[float, float, float]


class Publisher:
    """Writes one folder after the other; ``failed`` gets the line that says why one could not be written."""

    def __init__(self, failed: Callable[[str], None]) -> None:
        self._failed = failed
        self._pool: ThreadPoolExecutor | None = None
        self._pending: list[Future] = []
        self.timer = qt.QTimer()
        self.timer.interval = _TICK_MS
        self.timer.connect("timeout()", self.on_tick)

    @property
    def busy(self) -> bool:
        """True while something is being written."""
        return bool(self._pending)

    def submit(self, review: Review, point: Point | None) -> Future:
        """Write what a review says, from a copy, so that the review may go on."""
        copy = Review(review.case, review.reviewer, record=review.record)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="CardiacUQ-publish")
        task = self._pool.submit(_publish, copy, point)
        self._pending.append(task)
        self.timer.start()
        return task

    def finish(self) -> None:
        """Wait until everything is written."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None
        self.on_tick()

    def on_tick(self) -> None:
        """Tell what went wrong."""
        for task in [task for task in self._pending if task.done()]:
            self._pending.remove(task)
            error = task.exception()
            if isinstance(error, CardiacUQError | OSError):
                self._failed(str(error))
            elif error is not None:
                raise error
        if not self._pending:
            self.timer.stop()


def _publish(review: Review, point: Point | None) -> None:
    review.hold()
    try:
        publish(review, point)
    finally:
        review.release()
