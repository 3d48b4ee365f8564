"""Work that no request waits for: measures, report and tables follow the decisions, the next case is read."""

from __future__ import annotations

import threading
import time

from CardiacUQLib.base.errors import CardiacUQError

from ..cohort.renewal import renew_tables
from .cases import Cases, OpenCase

QUIET_S = 15.0
"""A case is brought in line when nothing was decided for this long, or when the next one is opened."""


class Publisher:
    """Remembers which cases are ahead of their measures; :meth:`finish` leaves none."""

    def __init__(self, cases: Cases, address: str) -> None:
        self._cases = cases
        self._next: int | None = 0
        self._address = address
        self._due: dict[int, tuple[OpenCase, float]] = {}
        self._wake = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="publisher", daemon=True)
        self._thread.start()

    def later(self, case: OpenCase, seconds: float = QUIET_S) -> None:
        """Bring a case in line after ``seconds`` without another call for it."""
        with self._wake:
            self._due[id(case)] = (case, time.monotonic() + seconds)
            self._wake.notify()

    def ahead(self, number: int) -> None:
        """Read the case of this number when there is time, so that it opens at once."""
        with self._wake:
            self._next = number
            self._wake.notify()

    def leave_others(self, case: OpenCase) -> None:
        """Another case is on the screen: the ones before can be brought in line now."""
        with self._wake:
            for key, (other, _) in self._due.items():
                if other is not case:
                    self._due[key] = (other, 0.0)
            self._wake.notify()

    def finish(self) -> None:
        """Bring everything in line and end the thread."""
        with self._wake:
            self._ended = True
            self._wake.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._wake:
                now = time.monotonic()
                number, self._next = self._next, None
                ready = [k for k, (_, due) in self._due.items() if due <= now or self._ended]
                if not ready and number is None:
                    if self._ended:
                        return
                    nearest = min((due for _, due in self._due.values()), default=None)
                    self._wake.wait(None if nearest is None else nearest - now)
                    continue
                case = self._due.pop(ready[0])[0] if ready else None
            if number is not None and not self._ended:
                self._cases.prepare(number)
            if case is not None:
                self._publish(case)

    def _publish(self, case: OpenCase) -> None:
        """A failure costs nothing: review.json holds it all, and the next start tries again."""
        try:
            if case.publish():
                renew_tables(self._cases.out, self._address)
        except (CardiacUQError, OSError):
            return
        finally:
            with case.lock:
                if case.published == case.revision:
                    case.review.release()
