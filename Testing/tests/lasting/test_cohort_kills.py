"""Runs that are killed at any moment: nothing lost, nothing mixed, and the same outputs after --resume."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_broken_inputs import TORTURE, run_program

FEW, MANY = 30, 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the runs are forked")
@pytest.mark.timeout(7200)
def test_after_every_kill_all_that_stands_is_whole_and_resuming_gives_the_same(tmp_path: Path) -> None:
    kills = MANY if os.environ.get(TORTURE) else FEW
    found = run_program("cohort_kills.py", kills, tmp_path)
    assert found["faults"] == []
    assert found["died"] >= kills // 3, "most runs were still at work"
    assert found["rivals"] == [[0, 2, 2, 2], [0, 2, 2, 2]], "of four runs into one place one wins"
