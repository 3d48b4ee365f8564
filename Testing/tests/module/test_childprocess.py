"""The child process on real processes: progress, crash, cancel with grandchildren, UTF-8."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from CardiacUQLib.childprocess import ChildProcess, State


def _run(code: str, *arguments: str) -> ChildProcess:
    child = ChildProcess([sys.executable, "-c", code, *arguments])
    child.start()
    return child


def _until(child: ChildProcess, condition, seconds: float = 20.0) -> list[str]:
    """Poll as a timer would until ``condition`` holds; the log lines that came by."""
    lines: list[str] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        lines += child.poll().lines
        if condition():
            return lines
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {child.state}, {child.last_lines()}")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_progress_lines_are_read_and_kept_out_of_the_log():
    child = _run(
        "print('<filter-comment>fold 2 of 5</filter-comment>');"
        "print('<filter-progress>0.42</filter-progress>'); print('plain')"
    )
    lines = _until(child, lambda: child.state.final)
    assert child.state is State.COMPLETED
    assert (child.share, child.comment, lines) == (0.42, "fold 2 of 5", ["plain"])


def test_progress_outside_the_range_is_clipped_and_nonsense_ignored():
    child = _run(
        "print('<filter-progress>7</filter-progress>'); print('<filter-progress>..</filter-progress>')"
    )
    _until(child, lambda: child.state.final)
    assert child.share == 1.0


def test_output_is_utf8_whatever_the_locale():
    environment = {**os.environ, "LC_ALL": "C", "LANG": "C"}
    child = ChildProcess(
        [sys.executable, "-c", "import sys; print(sys.argv[1])", "顎/Größe"], environment=environment
    )
    child.start()
    assert _until(child, lambda: child.state.final) == ["顎/Größe"]


def test_bytes_that_are_no_utf8_do_not_stop_the_reader():
    child = _run("import sys; sys.stdout.buffer.write(b'\\xff\\xfe\\n'); print('after', flush=True)")
    assert _until(child, lambda: child.state.final)[-1] == "after"


def test_failure_is_the_last_line_the_child_said():
    child = _run("import sys; print('loading'); print('a.nii: 2 slices; give at least 3'); sys.exit(3)")
    _until(child, lambda: child.state.final)
    assert (child.state, child.exit_code) == (State.FAILED, 3)
    assert child.failure() == "a.nii: 2 slices; give at least 3"
    assert child.last_lines() == "loading\na.nii: 2 slices; give at least 3"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_killed_child_is_reported_with_its_signal():
    child = _run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    _until(child, lambda: child.state.final)
    assert child.state is State.FAILED
    assert "SIGKILL" in child.failure() and "memory" in child.failure()


def test_a_silent_crash_still_has_a_reason():
    child = _run("import sys; sys.exit(7)")
    _until(child, lambda: child.state.final)
    assert "exit code 7" in child.failure()


_STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, '-c', 'import signal, time;'
    'signal.signal(signal.SIGTERM, signal.SIG_IGN); print("up", flush=True); time.sleep(60)'])
print('pid', grandchild.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="process groups")
def test_cancel_ends_a_stubborn_child_and_its_child_within_three_seconds():
    child = _run(_STUBBORN)
    lines: list[str] = []
    while len(lines) < 2:
        lines += _until(child, lambda: True)
        time.sleep(0.02)
    grandchild = int(next(line for line in lines if line.startswith("pid")).split()[1])
    asked = time.monotonic()
    child.cancel()
    assert child.state is State.CANCELLING
    assert time.monotonic() - asked < 0.1, "cancel must not wait"
    _until(child, lambda: child.state.final and not _alive(grandchild), seconds=3.0)
    assert child.state is State.CANCELLED
    assert not _alive(child.pid)


@pytest.mark.skipif(os.name == "nt", reason="process groups")
def test_stop_returns_only_when_the_child_is_gone():
    child = _run(_STUBBORN)
    _until(child, lambda: len(child.log) >= 2)
    child.stop()
    assert child.state is State.CANCELLED
    assert not _alive(child.pid)


def test_exit_code_130_means_cancelled():
    child = _run("import sys; sys.exit(130)")
    _until(child, lambda: child.state.final)
    assert child.state is State.CANCELLED


def test_cancelling_twice_or_after_the_end_changes_nothing():
    child = _run("print('done')")
    _until(child, lambda: child.state.final)
    child.cancel()
    child.stop()
    assert child.state is State.COMPLETED


def test_a_run_starts_once():
    child = _run("pass")
    with pytest.raises(RuntimeError, match="started before"):
        child.start()
    _until(child, lambda: child.state.final)


def test_a_program_that_does_not_exist_raises_at_once(tmp_path):
    with pytest.raises(OSError):
        ChildProcess([str(tmp_path / "no such program")]).start()
