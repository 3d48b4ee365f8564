"""Killing the server at any moment loses nothing that was answered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from serving import labels_on_disk

from CardiacUQLib.base.case_lock import LOCK_FILE

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the servers are forked, so that a hundred take a minute")
@pytest.mark.parametrize("kills", [8, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_kills_during_decisions(kills: int, cohort: Path) -> None:
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "CardiacUQ")])
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("kills.py")), str(cohort), str(kills)],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found["answered"]) == len(found["stored"]) == kills
    # what was answered is there; one more may have been stored and killed before its answer
    for answered, stored in zip(found["answered"], found["stored"], strict=True):
        assert stored - 1 <= answered <= stored or answered == 0
    assert found["stored"] == sorted(found["stored"])
    assert sum(b > a for a, b in zip(found["stored"], found["stored"][1:], strict=False)) > kills / 3
    labels_on_disk(cohort / "ann")  # replays
    assert not list(cohort.rglob("*.tmp")) and len(list(cohort.rglob(LOCK_FILE))) <= 1
