"""``--scheduler FILE``, as Docs/scaling.md starts a cluster without Python; and a scheduler that is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cohort_fixtures import child_environment, write_scan

from CardiacUQLib.base.errors import ExitCode, UsageError
from CardiacUQTraining.cohort.scheduler_file import scheduler_address

FILE = "sched.json"
PATIENCE_S = 90
CASES = 40


class TestTheFile:
    def test_addresses_are_taken_as_they_are(self) -> None:
        assert scheduler_address("tcp://head:8786") == "tcp://head:8786"
        assert scheduler_address("head:8786") == "head:8786"

    def test_a_file_that_comes_late_is_waited_for(self, tmp_path: Path) -> None:
        path = tmp_path / FILE
        path.write_text('{"address": "tc', "utf-8")  # as a reader may find it while it is written

        def finish() -> None:
            time.sleep(0.3)
            path.write_text(json.dumps({"address": "tcp://10.0.0.1:1234"}), "utf-8")

        late = threading.Thread(target=finish)
        late.start()
        assert scheduler_address(str(path)) == "tcp://10.0.0.1:1234"
        late.join()

    @pytest.mark.parametrize(
        ("content", "problem"),
        [(None, "no such file"), ("[]", "no address"), ('{"address": 7}', "no address"), ("{", "no address")],
    )
    def test_no_address_is_one_line(self, tmp_path: Path, content: str | None, problem: str) -> None:
        path = tmp_path / FILE
        if content is not None:
            path.write_text(content, "utf-8")
        with pytest.raises(UsageError, match=rf"sched.json: .*{problem}.*dask scheduler --scheduler-file"):
            scheduler_address(str(path), patience_s=0)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A scheduler and a worker that find each other through the file, as on the page."""
    here = ["--no-dashboard", "--host", "127.0.0.1"]
    lines = [
        ["scheduler", "--port", "0", "--scheduler-file", FILE, *here],
        ["worker", "--scheduler-file", FILE, "--nthreads", "2", "--death-timeout", "60", "--no-nanny", *here],
    ]
    started = []
    try:
        for line in lines:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *line],
                cwd=tmp_path,
                env=child_environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            started.append(process)
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def segment(folder: Path, bundle: Path, *options: str) -> subprocess.Popen[str]:
    words = ["scans", "-o", "out", "--model", str(bundle), "--scheduler", FILE, "--folds", "0", "--no-tta"]
    return subprocess.Popen(
        [sys.executable, "-m", "CardiacUQTraining.cli", "segment", *words, "--no-report", *options],
        cwd=folder,
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.timeout(3 * PATIENCE_S)
def test_a_cohort_through_the_file(
    tmp_path: Path, tiny_bundle: Path, nodes: list[subprocess.Popen[bytes]]
) -> None:
    for number in range(2):
        write_scan(tmp_path / "scans" / f"heart{number}.nii.gz", number)
    run = segment(tmp_path, tiny_bundle)
    out, err = run.communicate(timeout=PATIENCE_S)
    assert (run.returncode, err) == (ExitCode.DONE, ""), out
    assert all((tmp_path / "out" / f"heart{number}" / "case.json").is_file() for number in range(2))


@pytest.mark.slow
@pytest.mark.timeout(3 * PATIENCE_S)
@pytest.mark.parametrize("options", [(), ("--quiet", "--log-json")])
def test_a_lost_scheduler_is_said_in_every_mode(
    tmp_path: Path, tiny_bundle: Path, nodes: list[subprocess.Popen[bytes]], options: tuple[str, ...]
) -> None:
    for number in range(CASES):
        write_scan(tmp_path / "scans" / f"heart{number:02d}.nii.gz", number)
    run = segment(tmp_path, tiny_bundle, *options)
    _until(lambda: any((tmp_path / "out").glob("heart*/case.json")))
    nodes[0].kill()
    out, err = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == ExitCode.PARTIAL
    assert [line for line in err.splitlines() if "scheduler was lost" in line and "--resume" in line], err
    if "--log-json" in options:
        assert "scheduler was lost" in json.loads(out.splitlines()[-1])["problem"]


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
