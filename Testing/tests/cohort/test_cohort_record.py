"""The memory of a cohort on the disk: lock, tries, debris and what a resumed run may keep."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cohort_fixtures import row

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.leftovers import recover
from CardiacUQTraining.cohort import lock
from CardiacUQTraining.cohort.case import STATE_FOLDER, Row
from CardiacUQTraining.cohort.state import read_row, write_row
from CardiacUQTraining.cohort.tries import Places, Tries


def dead_pid() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_second_run_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    with lock.locked(tmp_path) as taken_over:
        assert not taken_over
        with pytest.raises(UsageError) as caught, lock.locked(tmp_path):
            pass
        line = str(caught.value)
        assert f"process {os.getpid()} on {socket.gethostname()}" in line
        assert "\n" not in line
    assert list(tmp_path.iterdir()) == []
    with lock.locked(tmp_path):
        pass


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / STATE_FOLDER / lock.LOCK_FILE
    path.parent.mkdir()
    path.write_text(json.dumps({"pid": dead_pid(), "host": socket.gethostname(), "born": "1"}))
    with lock.locked(tmp_path) as taken_over:
        assert taken_over
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_a_reused_process_number_does_not_keep_a_lock(tmp_path: Path) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("this system does not tell when a process was born")
    path = tmp_path / STATE_FOLDER / lock.LOCK_FILE
    path.parent.mkdir()
    path.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "born": "1"}))
    with lock.locked(tmp_path) as taken_over:
        assert taken_over


def test_the_lock_of_another_machine_lives_by_its_heartbeat(tmp_path: Path) -> None:
    path = tmp_path / STATE_FOLDER / lock.LOCK_FILE
    path.parent.mkdir()
    path.write_text(json.dumps({"pid": 1, "host": "elsewhere", "started": "2026-01-01"}))
    with pytest.raises(UsageError, match="elsewhere"), lock.locked(tmp_path):
        pass
    old = time.time() - lock.STALE_S - 10
    os.utime(path, (old, old))
    with lock.locked(tmp_path) as taken_over:
        assert taken_over


def test_an_output_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="cannot be written"), lock.locked(tmp_path / "file" / "out"):
        pass
    assert (tmp_path / "file").read_text() == "mine"


def test_tries_count_only_those_that_did_not_end(tmp_path: Path) -> None:
    tries = Tries(tmp_path, "heart")
    assert tries.deaths() == 0
    tries.begin()
    Tries(tmp_path, "heart").begin()
    assert Tries(tmp_path, "heart").deaths() == 2
    assert Tries(tmp_path, "other").deaths() == 0
    tries.end()
    assert tries.deaths() == 0


def test_a_suspect_gets_the_process_for_itself() -> None:
    places, inside, most = Places(2), [], []
    together = threading.Barrier(2)

    def work(name: str, alone: bool) -> None:
        with places.take(alone=alone):
            inside.append(name)
            if name in ("0", "1"):  # neither leaves before the other is there
                together.wait(60)
            most.append(tuple(inside))
            time.sleep(0.02)
            inside.remove(name)

    threads = [threading.Thread(target=work, args=(str(n), n == 2)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(most) == 6
    assert max(map(len, most)) == 2
    assert all(names == ("2",) for names in most if "2" in names)


def test_debris_goes_whole_cases_stay_and_a_case_moved_aside_returns(tmp_path: Path) -> None:
    pid, tokens = dead_pid(), iter(f"{number:016x}" for number in range(10))
    for name in (f".a.partial-{pid}", f".b.replaced-{pid}", f".c.replaced-{pid}"):
        folder = tmp_path / f"{name}-{next(tokens)}"
        folder.mkdir()
        (folder / "case.json").write_text(name)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "case.json").write_text("c")
    reviewed = tmp_path / f".e.replaced-{pid}-{next(tokens)}"
    reviewed.mkdir()
    (reviewed / "review.json").write_text("a morning's work")
    (tmp_path / "e").mkdir()
    (tmp_path / f".cohort.csv.partial-{pid}-{next(tokens)}").write_text("half")
    (tmp_path / ".a.claim").touch()
    (tmp_path / "notes.partial-1.txt").write_text("mine")
    assert recover(tmp_path) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "b", "c", "e", "e.reviewed-1", "notes.partial-1.txt",
    ]  # fmt: skip
    assert (tmp_path / "b" / "case.json").read_text() == f".b.replaced-{pid}"
    assert (tmp_path / "c" / "case.json").read_text() == "c"


def test_a_row_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = row(
        "heart", measures={"lv_mass_g": 101.25, "ef_percent": None}, flags=("odd",), seconds=1.5, tries=1
    )
    write_row(written, tmp_path)
    assert read_row(tmp_path) is None, "a folder without case.json is not whole"
    (tmp_path / "case.json").write_text("{}")
    assert read_row(tmp_path) == written
    assert isinstance(read_row(tmp_path), Row)
    (tmp_path / "cohort-row.json").write_text('{"name": "older version"}')
    assert read_row(tmp_path) is None
