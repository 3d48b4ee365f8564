"""Files of our own: never through a link, whole or not at all; folders that take their places as one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from CardiacUQLib.base.case_lock import LOCK_FILE
from CardiacUQLib.base.errors import ConflictError, UsageError
from CardiacUQLib.base.folder_swap import claimed, new_folder, new_folders
from CardiacUQLib.base.leftovers import recover
from CardiacUQLib.base.safe_files import open_own, own_folder, replacing, write_whole

LIBRARY = Path(__file__).parents[3] / "CardiacUQ"
PAIR = ("a", "b")


def tree(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


def write_pair(folder: Path, text: str) -> None:
    with new_folders(folder, PAIR, files=("a_b.json",), overwrite=True, marker="mark") as made:
        for place in made[:2]:
            (place / "mark").write_text(text)
        made[2].write_text(text)


def test_a_link_is_replaced_and_its_target_left_alone(tmp_path: Path) -> None:
    (tmp_path / "diary").write_text("mine")
    (tmp_path / "report.html").symlink_to(tmp_path / "diary")
    write_whole(tmp_path / "report.html", "page")
    assert (tmp_path / "diary").read_text() == "mine"
    assert not (tmp_path / "report.html").is_symlink()
    assert tree(tmp_path) == {"diary": "mine", "report.html": "page"}


def test_links_pipes_and_folders_in_the_place_of_a_state_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "diary").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "diary")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "way").symlink_to(tmp_path / "folder")
    for name in ("link", "pipe", "folder"):
        with pytest.raises(OSError, match=name):
            open_own(tmp_path / name, os.O_RDWR | os.O_CREAT)
    with pytest.raises(OSError, match="way"):
        own_folder(tmp_path / "way")
    assert (tmp_path / "diary").read_text() == "mine"


def test_a_failing_writer_leaves_the_old_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "x.json", "old")
    with pytest.raises(RuntimeError), replacing(tmp_path / "x.json") as beside:
        beside.write_text("half")
        raise RuntimeError
    assert tree(tmp_path) == {"x.json": "old"}
    assert (tmp_path / "x.json").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_folders_that_belong_together_swap_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pair(tmp_path, "old")
    before = tree(tmp_path)
    rename = Path.rename
    for step in range(6):  # three older ones aside, three new ones in

        def failing(self: Path, target: Path, left: list[None] = [None] * step) -> Path:
            if not left:
                left.extend([None] * 10)  # the way back is free
                raise PermissionError(13, "Permission denied")
            left.pop()
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", failing)
        with pytest.raises(UsageError, match="could not be written"):
            write_pair(tmp_path, "new")
        monkeypatch.undo()
        assert tree(tmp_path) == before, step
    write_pair(tmp_path, "new")
    assert set(tree(tmp_path).values()) == {"new"}


KILLED = """
import os, sys
from pathlib import Path
from CardiacUQLib.base.folder_swap import new_folders
rename, count = Path.rename, 0
def dying(self, target):
    global count
    if count == int(sys.argv[2]):
        os._exit(9)
    count += 1
    return rename(self, target)
Path.rename = dying
with new_folders(Path(sys.argv[1]), ("a", "b"), files=("a_b.json",), overwrite=True, marker="mark") as made:
    for place in made[:2]:
        (place / "mark").write_text("new")
    made[2].write_text("new")
    if sys.argv[2] == "-1":
        os._exit(9)
"""


@pytest.mark.parametrize("step", range(-1, 7))
def test_a_kill_at_any_step_gives_the_old_ones_or_the_new_ones(tmp_path: Path, step: int) -> None:
    write_pair(tmp_path, "old")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(step)],
        env={"PYTHONPATH": str(LIBRARY)}, check=False,
    )  # fmt: skip
    assert done.returncode == (0 if step == 6 else 9)
    recover(tmp_path)
    found = {name: text for name, text in tree(tmp_path).items() if not name.endswith(LOCK_FILE)}
    assert set(found) == {"a/mark", "b/mark", "a_b.json"}
    assert set(found.values()) == {"new" if step == 6 else "old"}


RIVAL = """
import sys
from pathlib import Path
from CardiacUQLib.base.folder_swap import claimed
with claimed(Path(sys.argv[1]), ["case"], overwrite=True, marker="mark"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def rival(tmp_path: Path) -> Callable[[], subprocess.Popen[str]]:
    """Another process that claims "case"."""
    process = subprocess.Popen(
        [sys.executable, "-c", RIVAL, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
        env={"PYTHONPATH": str(LIBRARY)},
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_of_several_runs_into_one_place_one_wins(tmp_path: Path, rival: subprocess.Popen[str]) -> None:
    for overwrite in (False, True):
        with (
            pytest.raises(ConflictError, match=f"another run .process {rival.pid}"),
            new_folder(tmp_path, "case", overwrite=overwrite, marker="mark"),
        ):
            raise AssertionError
    rival.kill()
    rival.wait()
    with (
        claimed(tmp_path, ["case"], overwrite=False, marker="mark"),
        new_folder(tmp_path, "case", overwrite=False, marker="mark") as made,
    ):
        (made / "mark").write_text("mine")
    assert tree(tmp_path) == {"case/mark": "mine"}


def test_one_that_came_later_is_told_of_the_first(tmp_path: Path) -> None:
    with new_folder(tmp_path, "case", overwrite=False, marker="mark") as made:
        (made / "mark").write_text("first")
    with (
        pytest.raises(UsageError, match="exists"),
        new_folder(tmp_path, "case", overwrite=False, marker="mark"),
    ):
        raise AssertionError
    assert tree(tmp_path) == {"case/mark": "first"}


def test_what_a_living_run_is_making_is_left_alone(tmp_path: Path, rival: subprocess.Popen[str]) -> None:
    left = tmp_path / f".case.partial-{rival.pid}-0123456789abcdef"
    left.mkdir()
    assert recover(tmp_path) == 0 and left.is_dir()
    rival.kill()
    rival.wait()
    assert recover(tmp_path) == 1 and list(tmp_path.iterdir()) == []
