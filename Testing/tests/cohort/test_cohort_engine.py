"""How a task's end is read when the scheduler goes at that very moment."""

from __future__ import annotations

from concurrent.futures import CancelledError
from types import SimpleNamespace

import pytest
from distributed.comm import CommClosedError

from CardiacUQTraining.cohort.engine import SchedulerLostError, _outcome


class Ended:
    """A task that has ended, whose outcome cannot be fetched any more."""

    def __init__(self, status: str, error: Exception) -> None:
        self.status, self.error = status, error

    def result(self) -> object:
        raise self.error

    def exception(self) -> object:
        raise self.error


@pytest.mark.parametrize("status", ["finished", "error"])
@pytest.mark.parametrize("error", [CommClosedError("gone"), TimeoutError(), ConnectionResetError()])
def test_a_scheduler_that_goes_while_a_row_is_fetched_is_named(status: str, error: Exception) -> None:
    with pytest.raises(SchedulerLostError, match="go on with --resume"):
        _outcome(SimpleNamespace(status="running"), SimpleNamespace(), Ended(status, error), 1)


def test_a_task_cancelled_with_its_scheduler_is_no_failed_case() -> None:
    ended = Ended("cancelled", CancelledError())
    with pytest.raises(SchedulerLostError):
        _outcome(SimpleNamespace(status="running"), SimpleNamespace(), ended, 1)
