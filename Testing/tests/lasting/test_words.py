"""What a run has to say arrives, or its exit code tells that it did not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_broken_inputs import REPOSITORY

from CardiacUQTraining.cli.app import main

COMMAND = [sys.executable, "-m", "CardiacUQTraining.cli"]


def environment() -> dict[str, str]:
    paths = os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "CardiacUQ")))
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_output_is_no_silent_success(tiny_bundle: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "models", str(tiny_bundle)],
            stdout=full, stderr=subprocess.PIPE, text=True, env=environment(), check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "standard output could not be written (No space left on device)" in done.stderr


def test_a_closed_standard_output_is_no_silent_success(tiny_bundle: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {' '.join(COMMAND)} models {tiny_bundle} >&-"],
        stderr=subprocess.PIPE, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "standard output could not be written (it is closed)" in done.stderr


def test_words_do_not_go_where_native_code_is_muted() -> None:
    """A failure is told while another thread has muted descriptor 2."""
    program = """
import os, sys
from CardiacUQTraining.cli.streams import lasting_streams
with lasting_streams():
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    print("cardiacuq: a reason", file=sys.stderr, flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(), check=True
    )
    assert done.stderr == "cardiacuq: a reason\n"


def test_a_signal_after_the_end_changes_nothing(tiny_bundle: Path) -> None:
    program = """
import os, signal, sys
from CardiacUQTraining.cli import app
heard = app._heard
def late(given):
    code = heard(given)
    os.kill(os.getpid(), signal.SIGTERM)
    return code
app._heard = late
sys.argv = ["cardiacuq", "models", sys.argv[1]]
app.program()
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tiny_bundle)], capture_output=True, env=environment(), check=False
    )
    assert done.returncode == 0


def test_handlers_are_as_before_after_a_call(tiny_bundle: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert main(["models", str(tiny_bundle)]) == 0
    assert signal.getsignal(signal.SIGTERM) is before
