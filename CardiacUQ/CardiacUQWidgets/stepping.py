"""Work in steps of some ten milliseconds from a timer, with threads for what never touches a node."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar, cast

import qt

from CardiacUQLib.base.errors import CardiacUQError

Value = TypeVar("Value")
Steps = Generator[None, None, Value]
_TICK_MS = 5
_PAUSE_S = 0.002


def in_thread(work: Callable[[], Value]) -> Steps[Value]:
    """Yield until ``work`` is done in a thread, then return its value or raise what it raised."""
    thread = _Thread(work)
    thread.start()
    while thread.is_alive():
        yield
    if thread.error is not None:
        raise thread.error
    return cast(Value, thread.value)


def run_through(steps: Steps[Value]) -> Value:
    """All steps at once, for scripts; waits."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        time.sleep(_PAUSE_S)


class Stepper:
    """One piece of work at a time; a new one puts an end to the one before.

    ``failed`` gets the CardiacUQError or OSError that ended the work.
    """

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._steps: Steps[Any] | None = None
        self._done: Callable[[Any], object] = lambda value: None
        self.timer = qt.QTimer()
        self.timer.interval = _TICK_MS
        self.timer.connect("timeout()", self.on_tick)

    @property
    def busy(self) -> bool:
        """True while there is something to do."""
        return self._steps is not None

    def start(self, steps: Steps[Value], done: Callable[[Value], object]) -> None:
        """Begin; ``done`` gets what the steps return."""
        self.stop()
        self._steps, self._done = steps, done
        self.timer.start()

    def stop(self) -> None:
        """Leave the work as it is; its generator is closed and tidies up."""
        self.timer.stop()
        steps, self._steps = self._steps, None
        if steps is not None:
            steps.close()

    def on_tick(self) -> None:
        """One step."""
        if self._steps is None:
            self.timer.stop()
            return
        try:
            next(self._steps)
        except StopIteration as end:
            self._end()
            self._done(end.value)
        except (CardiacUQError, OSError) as error:
            self._end()
            self._failed(error)
        except Exception:
            self._end()
            raise

    def _end(self) -> None:
        self._steps = None
        self.timer.stop()


class _Thread(threading.Thread, Generic[Value]):
    def __init__(self, work: Callable[[], Value]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.value: Value | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.value = self._work()
        except BaseException as error:
            self.error = error
