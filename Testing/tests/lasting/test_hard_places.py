"""A full disk, a folder that cannot be written, a clock set back, no network: one line, nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_words import COMMAND, environment

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.folder_swap import new_folders
from CardiacUQLib.base.leftovers import recover
from CardiacUQLib.base.safe_files import write_whole
from CardiacUQTraining.cohort.lock import locked


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB; skips the test where mounting is not permitted."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], capture_output=True, check=False)


def write_pair(folder: Path, content: bytes) -> None:
    with new_folders(folder, ("a", "b"), overwrite=True, marker="mark") as made:
        for place in made:
            (place / "mark").write_bytes(content)


def test_a_full_disk_keeps_both_phases_as_they_were(disk: Path) -> None:
    write_pair(disk, b"old")
    with pytest.raises(UsageError, match="No space left on device"):
        write_pair(disk, bytes(200_000))
    assert {path.name: (path / "mark").read_bytes() for path in disk.iterdir()} == {"a": b"old", "b": b"old"}
    with pytest.raises(OSError, match="No space left"):
        write_whole(disk / "review.json", bytes(400_000))
    assert sorted(path.name for path in disk.iterdir()) == ["a", "b"]


def test_a_folder_that_cannot_be_written_is_told_before_the_work(disk: Path, tiny_bundle: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    done = subprocess.run(
        [*COMMAND, "segment", "no.nii.gz", "-o", str(disk), "--model", str(tiny_bundle), "--resume"],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode in (2, 6)
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert list(disk.iterdir()) == []


def test_a_clock_that_was_set_back_loses_nothing(tmp_path: Path) -> None:
    write_pair(tmp_path, b"old")
    ahead = time.time() + 10 * 365 * 86_400
    for path in [*tmp_path.rglob("*"), tmp_path]:
        os.utime(path, (ahead, ahead))
    with locked(tmp_path):
        os.utime(tmp_path / ".cohort" / "lock", (ahead, ahead))
        with pytest.raises(UsageError, match="another run"), locked(tmp_path):
            raise AssertionError
    write_pair(tmp_path, b"new")
    assert recover(tmp_path) == 0
    assert {(tmp_path / name / "mark").read_bytes() for name in "ab"} == {b"new"}


def test_a_worker_needs_no_network_but_this_machine(tmp_path: Path, tiny_bundle: Path) -> None:
    """Without even the loopback device a cluster cannot start, and that is one line."""
    command = [*COMMAND, "segment", str(tmp_path / "no.nii.gz"), "-o", str(tmp_path / "out")]
    command += ["--model", str(tiny_bundle), "--scheduler", "tcp://127.0.0.1:1"]
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-n", "true"], check=False).returncode:
        pytest.skip("a network of its own is not permitted here")
    done = subprocess.run(
        ["unshare", "-n", *command], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1 and "no scheduler answers" in done.stderr
