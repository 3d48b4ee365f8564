"""The fault campaign: 40 cases, and everything that can go wrong on the way goes wrong."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from cohort_fixtures import FAST, child_environment, hidden_in, maps_of, scan_array, write_scan
from test_cohort_runs import run, states

from CardiacUQLib.base.errors import ExitCode
from CardiacUQTraining.cohort.engine import Engine

CASES = 40
WORKER_KILLS = 3
READ_ONLY = "case05"
PATIENCE_S = 1800
"""Longest wait for anything that must happen; a bound for busy machines, not an expectation."""
PROGRAM = """
import signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from CardiacUQLib.base.errors import CancelledError
from CardiacUQTraining.cohort.engine import Engine
from cohort_fixtures import FAST
from test_cohort_runs import run
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    scans, out, bundle = map(Path, sys.argv[1:4])
    try:
        engine = Engine(scheduler=sys.argv[5])
        sys.exit(run([scans], out, bundle, FAST, engine=engine, resume=True).exit_code)
    except CancelledError as error:
        sys.exit(error.exit_code)
"""


def write_inputs(folder: Path) -> dict[str, str]:
    """40 scans, one in ten broken in its own way; the broken ones by name with a word of their reason."""
    for number in range(CASES):
        write_scan(folder / f"case{number:02d}.nii.gz", number)
    whole = (folder / "case03.nii.gz").read_bytes()
    (folder / "case03.nii.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "case13.nii.gz").write_text("this is no image")
    sitk.WriteImage(sitk.GetImageFromArray(np.full_like(scan_array(0), 7)), str(folder / "case23.nii.gz"))
    sitk.WriteImage(sitk.GetImageFromArray(scan_array(0) * np.nan), str(folder / "case33.nii.gz"))
    return {"case03": "truncated", "case13": "case13", "case23": "constant", "case33": "NaN"}


class Cluster:
    """A scheduler and two workers as processes of their own, as a user starts them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start the "scheduler" or a worker."""
        if name == "scheduler":
            arguments = ["scheduler", "--port", self.address.rpartition(":")[2]]
        else:
            arguments = ["worker", self.address, "--no-nanny", "--nthreads", "2", "--death-timeout", "60"]
            arguments += ["--local-directory", str(self._folder)]
        arguments += ["--host", "127.0.0.1", "--no-dashboard"]
        self._processes[name] = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            env=child_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self, name: str) -> None:
        """End one of them without warning."""
        self._processes[name].kill()
        self._processes[name].wait()

    def kill_all(self) -> None:
        """End all of them."""
        for name in self._processes:
            self.kill(name)


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A running cluster of two workers."""
    running = Cluster(folder)
    try:
        for name in ("scheduler", "worker0", "worker1"):
            running.start(name)
        yield running
    finally:
        running.kill_all()


def cases_in(out: Path) -> int:
    return len(list(out.glob("case*/case.json")))


def bytes_on_disk(folder: Path) -> int:
    """Size of all files, each rounded up to whole blocks as a file system does."""
    return sum(512 * path.stat().st_blocks for path in folder.rglob("*"))


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(3 * PATIENCE_S)
def test_after_every_fault_each_good_case_is_there_and_each_bad_one_is_explained(
    tiny_bundle: Path, tmp_path: Path, mounted: Callable[..., Path]
) -> None:
    """Workers killed at random moments, the scheduler killed once, SIGINT and SIGKILL to the main process,
    four broken inputs, one output folder that cannot be replaced, a disk that runs full: then --resume."""
    chance = random.Random(8)
    scans, undisturbed = tmp_path / "scans", tmp_path / "undisturbed"
    broken = write_inputs(scans)
    assert run([scans], undisturbed, tiny_bundle, FAST).exit_code is ExitCode.PARTIAL
    disk = mounted(tmp_path / "disk", f"size={bytes_on_disk(undisturbed) // 3}")
    out = disk / "out"
    read_only = mounted(out / READ_ONLY, "ro", "size=64k")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, "utf-8")

    def start(address: str) -> subprocess.Popen[bytes]:
        arguments = [program, scans, out, tiny_bundle, Path(__file__).parent, address]
        return subprocess.Popen([sys.executable, *map(str, arguments)], env=child_environment())

    with cluster(tmp_path) as nodes:
        first = start(nodes.address)
        assert first.wait(PATIENCE_S) == ExitCode.PARTIAL, "the disk is full and one folder is read-only"
        assert 0 < cases_in(out) < CASES - len(broken) - 1
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)

        second = start(nodes.address)
        for _ in range(WORKER_KILLS):
            reached = cases_in(out) + 1
            wait_for(lambda at_least=reached: cases_in(out) >= at_least)
            time.sleep(chance.uniform(0, 0.3))
            victim = chance.choice(("worker0", "worker1"))
            nodes.kill(victim)
            nodes.start(victim)
        reached = cases_in(out) + 1
        wait_for(lambda: cases_in(out) >= reached)
        nodes.kill("scheduler")
        assert second.wait(PATIENCE_S) == ExitCode.PARTIAL
        nodes.kill_all()
        for name in ("scheduler", "worker0", "worker1"):
            nodes.start(name)

        for stop, code in ((signal.SIGINT, ExitCode.CANCELLED), (signal.SIGKILL, -signal.SIGKILL)):
            reached = cases_in(out) + 1
            third = start(nodes.address)
            wait_for(lambda at_least=reached: cases_in(out) >= at_least)
            third.send_signal(stop)
            assert third.wait(PATIENCE_S) == code
    outcome = run([scans], out, tiny_bundle, FAST, resume=True)
    assert states(outcome)[READ_ONLY] == "failed"
    assert set(broken) | {READ_ONLY} == {n for n, state in states(outcome).items() if state == "failed"}
    subprocess.run(["umount", str(read_only)], check=True)

    outcome = run([scans], out, tiny_bundle, FAST, engine=Engine(workers=2), resume=True)
    reasons = {row.name: row.reason for row in outcome.rows if row.state == "failed"}
    assert set(reasons) == set(broken)
    assert all(word in reasons[name] for name, word in broken.items())
    assert len(outcome.rows) == CASES
    assert maps_of(out) == maps_of(undisturbed)
    assert [name for name in hidden_in(out) if name != ".cohort"] == []
    assert not (out / ".cohort" / "tries").exists()
