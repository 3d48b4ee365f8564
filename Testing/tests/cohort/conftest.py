"""Fixtures of this area; their code has a name of its own so that tests may import from it."""

import sys
from pathlib import Path

import pytest
from cohort_fixtures import mounted, scans

sys.path.append(str(Path(__file__).parents[1] / "evaluation"))  # its films with exact truth

__all__ = ["mounted", "scans"]


@pytest.fixture(autouse=True)
def one_thread_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes a test starts compute on one thread, as the test itself does: same bytes, see there."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
