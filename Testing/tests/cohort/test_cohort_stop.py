"""Ctrl-C in a terminal: the signal reaches the workers too, and what is told is one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cohort_fixtures import child_environment, write_scan

from CardiacUQLib.base.errors import ExitCode

PATIENCE_S = 90
CASES = 12


@pytest.mark.timeout(3 * PATIENCE_S)
def test_a_stop_from_the_keyboard_is_one_line(tiny_bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="--workers needs distributed: pip install 'cardiacuq[cluster]'")
    for number in range(CASES):
        write_scan(tmp_path / "scans" / f"case{number:02d}.nii.gz", number)
    out = tmp_path / "out"
    program = [sys.executable, "-m", "CardiacUQTraining.cli", "segment", str(tmp_path / "scans")]
    program += ["-o", str(out), "--model", str(tiny_bundle), "--device", "cpu", "--no-report"]
    process = subprocess.Popen(
        [*program, "--workers", "2", "--threads", "1"],
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    try:
        end = time.monotonic() + PATIENCE_S
        while not list(out.glob("case*/case.json")) and process.poll() is None:
            assert time.monotonic() < end, "no case was finished in time"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=PATIENCE_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == ExitCode.CANCELLED, told
    lines = [line for line in told.splitlines() if line]
    assert len(lines) == 1 and lines[0].startswith("cardiacuq: cancelled; "), told
