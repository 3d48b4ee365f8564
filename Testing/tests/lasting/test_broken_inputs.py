"""Hundreds of broken inputs of all kinds, and none does more harm than one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
FEW, MANY = 126, 2000
SEED = 20
TORTURE = "CARDIACUQ_TORTURE"
"""Environment variable: thousands of trials and hundreds of kills instead of a sample."""


def run_program(name: str, *arguments: str | Path | int) -> dict:
    """Run a program of this folder and return what it prints, JSON."""
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "CardiacUQ"))),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(HERE / name), *map(str, arguments)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the children are forked")
@pytest.mark.timeout(7200)
def test_no_broken_input_does_harm(tmp_path: Path) -> None:
    found = run_program("campaign.py", MANY if os.environ.get(TORTURE) else FEW, SEED, tmp_path)
    assert found["faults"] == []
    assert found["trials"] in (FEW, MANY)
    assert set(found["codes"]) >= {"0", "3"}, "some inputs are good enough, some are refused"
