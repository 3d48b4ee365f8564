"""One writer per case: other processes are refused by name, and a dead process holds nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from review_cases import make_case, make_result

from CardiacUQLib.base.case_lock import LOCK_FILE, CaseLock, read_holder, writing
from CardiacUQLib.base.errors import ConflictError, UsageError
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.cases.writing import write_case
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.review import CaseMaps, Review, read_record

HOLDER = """
import sys
from pathlib import Path
from CardiacUQLib.base.case_lock import CaseLock
lock = CaseLock(Path(sys.argv[1]), "Jane")
lock.acquire()
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def jane(tmp_path: Path):
    """Starts another process that holds the lock of a folder as Jane."""
    started = []

    def start(folder: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={"PYTHONPATH": str(Path(__file__).parents[3] / "CardiacUQ")},
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_process_is_refused_by_name(tmp_path: Path, jane) -> None:
    process = jane(tmp_path)
    with pytest.raises(ConflictError, match=rf"Jane \(process {process.pid} on .*is writing to this case"):
        CaseLock(tmp_path, "Joe").acquire()
    process.kill()
    process.wait()
    lock = CaseLock(tmp_path, "Joe")
    lock.acquire()
    assert read_holder(tmp_path).who == "Joe"
    lock.release()
    assert not (tmp_path / LOCK_FILE).exists()


def test_one_process_is_one_writer(tmp_path: Path, jane) -> None:
    first, second = CaseLock(tmp_path, "Joe"), CaseLock(tmp_path, "Joe")
    first.acquire()
    second.acquire()
    second.release()  # held nothing of its own
    assert (tmp_path / LOCK_FILE).exists()
    first.release()
    jane(tmp_path)
    with pytest.raises(ConflictError):
        second.acquire()


def test_what_the_lock_file_holds_can_be_anything(tmp_path: Path) -> None:
    for content in ("", "[]", '{"pid": 1}', "\x00\xff"):
        (tmp_path / LOCK_FILE).write_text(content, "utf-8")
        assert read_holder(tmp_path).who == "someone"
        with writing(tmp_path, "Joe"):
            assert read_holder(tmp_path).is_this_process


def test_decisions_and_new_segmentations_wait_for_the_writer(tmp_path: Path, jane) -> None:
    case = make_case(tmp_path)
    review = Review(CaseMaps.of(case), "Joe")
    process = jane(case.folder)
    with pytest.raises(ConflictError, match="Jane"):
        review.keep(0)
    assert not review.decisions and not (case.folder / "review.json").exists()
    volume = read_volume(tmp_path / "heart.nii.gz")
    result = make_result(tmp_path / "heart.nii.gz", volume.storage.to_stored(case.segmentation))
    with pytest.raises(UsageError, match="Jane"):
        write_case(result, case.folder.parent, overwrite=True)
    process.kill()
    process.wait()
    review.keep(0)
    assert len(read_record(case.folder).events) == 1
    review.release()
    write_case(result, case.folder.parent, overwrite=True)
    assert read_case(case.folder).name == "heart"


def test_a_review_changed_elsewhere_is_not_overwritten(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    mine, other = (Review(CaseMaps.of(case), name) for name in ("Joe", "Jane"))
    other.keep(0)
    before = (case.folder / "review.json").read_bytes()
    with pytest.raises(ConflictError, match=r"changed meanwhile \(Jane: kept .*open the case anew"):
        mine.flag(1)
    assert not mine.decisions and (case.folder / "review.json").read_bytes() == before
    Review(CaseMaps.of(case), "Joe").flag(1)
    (case.folder / "review.json").unlink()  # moved away: ours is written anew
    other.flag(1)
    assert len(other.record.events) == 2
