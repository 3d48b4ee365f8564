"""A cohort from end to end with tiny networks: every engine, every ending, nothing lost."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import distributed
import pytest
from cohort_fixtures import FAST, child_environment, hidden_in, maps_of, write_scan

from CardiacUQLib.base.errors import CancelledError, ExitCode, UsageError
from CardiacUQLib.base.threads import available_threads
from CardiacUQLib.bundles.bundle import Bundle
from CardiacUQLib.studies.options import CaseOptions
from CardiacUQTraining.cohort import engine as engine_module
from CardiacUQTraining.cohort import work
from CardiacUQTraining.cohort.case import Row, State, Ticket
from CardiacUQTraining.cohort.display import JsonLines, Lines
from CardiacUQTraining.cohort.engine import Engine, device_for
from CardiacUQTraining.cohort.inputs import collect
from CardiacUQTraining.cohort.run import CohortOutcome, run_cohort
from CardiacUQTraining.cohort.state import read_row
from CardiacUQTraining.cohort.tries import Tries


def run(
    inputs: Sequence[Path], out: Path, bundle: Path, options: CaseOptions = FAST, **engine: object
) -> CohortOutcome:
    """A quiet run; raises what the command would turn into its exit code."""
    return run_cohort(collect(inputs, str(bundle), options), out, Lines(out, quiet=True), **engine)


def states(outcome: CohortOutcome) -> dict[str, str]:
    return {row.name: row.state.value for row in outcome.rows}


def test_good_cases_are_written_and_bad_ones_listed(
    scans: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (scans / "broken.nii.gz").write_bytes(b"no image")
    out = tmp_path / "out"
    outcome = run([scans], out, tiny_bundle)
    assert outcome.exit_code is ExitCode.PARTIAL
    assert states(outcome) == {"broken": "failed", "heart0": "done", "heart1": "done", "heart2": "done"}
    assert len(maps_of(out)) >= 3 * 8
    assert hidden_in(out) == []
    lines = (out / "cohort.csv").read_text("utf-8").splitlines()
    assert lines[1].startswith("1,broken,failed,")
    assert "broken.nii.gz" in lines[1]
    assert "heart2" in (out / "cohort.html").read_text("utf-8")
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(f"cardiacuq: {scans / 'broken.nii.gz'}: ")
    assert said[1:] == ["cardiacuq: 1 of 4 inputs failed"]
    row = read_row(out / "heart0")
    assert row is not None
    assert row.measures["blood_pool_volume_ml"] >= 0
    assert 0 <= row.uncertainty["mean_scs"] <= 0.4
    assert (row.tries, row.features["slices"]) == (1, 4)


def test_networks_are_loaded_once_for_all_cases(
    scans: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    original = Bundle.network

    def counted(self: object, network: str, fold: int, device: object = "cpu") -> object:
        loaded.append((network, fold))
        return original(self, network, fold, device)

    monkeypatch.setattr(Bundle, "network", counted)
    bundle = shutil.copytree(tiny_bundle, tmp_path / "models" / "mine")
    run([scans], tmp_path / "out", bundle)
    assert sorted(loaded) == [("stage2d", 0), ("stage3d", 0)]


def test_the_next_case_is_read_while_the_networks_work(
    scans: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, segment = (
        importlib.import_module(f"CardiacUQLib.{name}") for name in ("images.reading", "inference.segment")
    )
    second_read = threading.Event()
    reads: list[str] = []
    read, compute = reading.read_volume, segment.segment

    def noted(path: str, **options: object) -> object:
        reads.append(path)
        if len(reads) == 2:
            second_read.set()
        return read(path, **options)

    def waiting(*args: object, **options: object) -> object:
        assert second_read.wait(60), "the first case has the networks, the second must be read by now"
        return compute(*args, **options)

    monkeypatch.setattr(reading, "read_volume", noted)
    monkeypatch.setattr(segment, "segment", waiting)
    outcome = run([scans], tmp_path / "out", tiny_bundle)
    assert outcome.exit_code is ExitCode.DONE


def test_resume_keeps_what_is_unchanged_and_redoes_the_rest(
    scans: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run([scans], out, tiny_bundle)
    with pytest.raises(UsageError, match="--resume"):
        run([scans], out, tiny_bundle)
    before = {path.name: path.stat().st_ino for path in out.iterdir() if path.is_dir()}
    write_scan(scans / "heart1.nii.gz", 99)
    shutil.rmtree(out / "heart2")
    write_scan(scans / "heart3.nii.gz", 3)
    outcome = run([scans], out, tiny_bundle, resume=True)
    assert outcome.exit_code is ExitCode.DONE
    after = {path.name: path.stat().st_ino for path in out.iterdir() if path.is_dir()}
    assert after["heart0"] == before["heart0"]
    assert after["heart1"] != before["heart1"]
    assert set(after) == {"heart0", "heart1", "heart2", "heart3"}
    other = replace(FAST, folds=(1,))
    plan = collect([scans / "heart0.nii.gz"], str(tiny_bundle), other)
    run_cohort(plan, out, Lines(out, quiet=True), resume=True)
    assert (out / "heart0").stat().st_ino != before["heart0"]


def test_json_lines_tell_every_case(
    scans: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = collect([scans / "heart0.nii.gz", scans / "none.nii.gz"], str(tiny_bundle), FAST)
    run_cohort(plan, tmp_path / "out", JsonLines())
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["start", "case", "case", "end"]
    cases = {event["name"]: event for event in events[1:3]}
    assert cases["none"]["state"] == "failed"
    assert "no such file" in cases["none"]["reason"]
    assert cases["heart0"]["measures"]["infarct_volume_ml"] >= 0
    assert {key: events[3][key] for key in ("done", "failed", "left")} == {"done": 1, "failed": 1, "left": 0}


def test_a_case_that_killed_its_process_three_times_fails_with_that_reason_once(
    scans: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for _ in range(3):
        Tries(out, "heart1").begin()
    outcome = run([scans], out, tiny_bundle)
    assert states(outcome) == {"heart0": "done", "heart1": "failed", "heart2": "done"}
    (reason,) = [row.reason for row in outcome.rows if row.name == "heart1"]
    assert "died 3 times" in reason
    assert "--resume" in reason
    assert run([scans], out, tiny_bundle, resume=True).exit_code is ExitCode.DONE


def test_a_process_that_died_just_after_its_case_was_whole_leaves_no_suspicion(
    scans: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run([scans / "heart0.nii.gz"], out, tiny_bundle)
    for _ in range(3):
        Tries(out, "heart0").begin()
    inode = (out / "heart0").stat().st_ino
    assert run([scans], out, tiny_bundle, resume=True).exit_code is ExitCode.DONE
    assert (out / "heart0").stat().st_ino == inode
    assert hidden_in(out) == []


def test_a_full_disk_fails_the_case_and_leaves_nothing_half_written(
    scans: Path, tiny_bundle: Path, tmp_path: Path, mounted: Callable[..., Path]
) -> None:
    out = mounted(tmp_path / "out", "size=512k")  # room for two cases
    for number in range(3, 5):
        write_scan(scans / f"heart{number}.nii.gz", number)
    outcome = run([scans], out, tiny_bundle)
    assert outcome.exit_code is ExitCode.PARTIAL
    failed = [row for row in outcome.rows if row.state is State.FAILED]
    assert failed
    assert all("free some space" in row.reason for row in failed)
    whole = {name.split("/")[0] for name in maps_of(out)}
    assert whole
    assert whole == {row.name for row in outcome.rows if row.state is State.DONE}
    assert [name for name in hidden_in(out) if name != ".cohort"] == []
    subprocess.run(["mount", "-o", "remount,size=64m", str(out)], check=True)
    assert run([scans], out, tiny_bundle, resume=True).exit_code is ExitCode.DONE


def test_an_internal_error_is_a_row_with_a_log(
    scans: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(volume: object) -> None:
        raise ZeroDivisionError("first line\nsecond line")

    monkeypatch.setattr(work, "input_features", broken)
    outcome = run([scans / "heart0.nii.gz"], tmp_path / "out", tiny_bundle)
    (row,) = outcome.rows
    assert "internal error: first line; details in " in row.reason
    assert "ZeroDivisionError" in Path(row.reason.rpartition(" ")[2]).read_text("utf-8")


def test_an_interruption_keeps_the_finished_cases_and_says_how_to_go_on(
    scans: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    class Impatient(Lines):
        def case(self, row: Row, standing: object) -> None:
            raise KeyboardInterrupt

    plan = collect([scans], str(tiny_bundle), FAST)
    out = tmp_path / "out"
    with pytest.raises(CancelledError, match="of 3 cases are done; go on with --resume"):
        run_cohort(plan, out, Impatient(out, quiet=True))
    assert hidden_in(out) == []
    assert "pending" in (out / "cohort.csv").read_text("utf-8")
    assert 1 <= len({name.split("/")[0] for name in maps_of(out)}) < 3
    assert run([scans], out, tiny_bundle, resume=True).exit_code is ExitCode.DONE
    assert "pending" not in (out / "cohort.csv").read_text("utf-8")


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from CardiacUQTraining.cohort.engine import Engine
from test_cohort_runs import run
if __name__ == "__main__":
    scans, out, bundle = map(Path, sys.argv[1:4])
    sys.exit(run([scans], out, bundle, engine=Engine(workers=int(sys.argv[5])), resume=True).exit_code)
"""


def start(scans: Path, out: Path, bundle: Path, workers: int = 0) -> subprocess.Popen[bytes]:
    """A run as a process of its own."""
    program = out.parent / "program.py"
    program.write_text(PROGRAM, "utf-8")
    here = Path(__file__).parent
    arguments = [sys.executable, program, scans, out, bundle, here, str(workers)]
    return subprocess.Popen([*map(str, arguments)], env=child_environment())


def wait_until(condition: Callable[[], bool], seconds: float = 110) -> None:
    """Wait for something to happen in another process."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_a_killed_run_loses_only_what_it_had_in_hand(scans: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    for number in range(3, 7):
        write_scan(scans / f"heart{number}.nii.gz", number)
    out = tmp_path / "out"
    process = start(scans, out, tiny_bundle)
    try:
        wait_until(lambda: any((p / "case.json").exists() for p in out.glob("heart*")))
        process.send_signal(signal.SIGKILL)
    finally:
        process.wait()
    kept = {name.split("/")[0] for name in maps_of_whole(out)}
    assert 1 <= len(kept) < 7
    inodes = {name: (out / name).stat().st_ino for name in kept}
    assert run([scans], out, tiny_bundle, resume=True).exit_code is ExitCode.DONE
    assert hidden_in(out) == []
    assert {name: (out / name).stat().st_ino for name in kept} == inodes
    undisturbed = tmp_path / "undisturbed"
    run([scans], undisturbed, tiny_bundle)
    assert maps_of(out) == maps_of(undisturbed)


def maps_of_whole(out: Path) -> list[str]:
    return [f"{path.parent.name}/{path.name}" for path in out.glob("heart*/case.json")]


def test_a_cluster_gives_the_same_bytes_and_survives_the_death_of_a_worker(
    scans: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    """The fault campaign in short: a worker is killed while it has cases in hand, one input is broken."""
    for number in range(3, 6):
        write_scan(scans / f"heart{number}.nii.gz", number)
    (scans / "broken.nii.gz").write_bytes(b"no image")
    out, undisturbed = tmp_path / "out", tmp_path / "undisturbed"
    run([scans], undisturbed, tiny_bundle)
    killed: list[int] = []

    class Killer(Lines):
        def case(self, row: Row, standing: object) -> None:
            if not killed and row.state is State.DONE:
                killed.append(int(row.worker.rpartition(":")[2]))
                os.kill(killed[0], signal.SIGKILL)

    plan = collect([scans], str(tiny_bundle), FAST)
    outcome = run_cohort(plan, out, Killer(out, quiet=True), engine=Engine(workers=2))
    assert killed
    assert states(outcome) == {"broken": "failed"} | {f"heart{n}": "done" for n in range(6)}
    assert maps_of(out) == maps_of(undisturbed)
    assert hidden_in(out) == []


def test_workers_that_end_too_slowly_are_no_failure(
    scans: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = distributed.LocalCluster.close

    def late(self: distributed.LocalCluster, *args: object, **options: object) -> None:
        close(self, *args, **options)
        raise TimeoutError

    monkeypatch.setattr(distributed.LocalCluster, "close", late)
    outcome = run([scans / "heart0.nii.gz"], tmp_path / "out", tiny_bundle, engine=Engine(workers=1))
    assert states(outcome) == {"heart0": "done"}
    assert outcome.exit_code is ExitCode.DONE


def test_an_address_where_nobody_answers_is_one_line(
    scans: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "CONNECT_TIMEOUT", "1s")
    with pytest.raises(UsageError, match="no scheduler answers there"):
        run([scans], tmp_path / "out", tiny_bundle, engine=Engine(scheduler="tcp://127.0.0.1:9"))
    assert not (tmp_path / "out").exists()


def test_threads_and_gpus_are_divided_among_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    assert available_threads() == 6
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert available_threads() >= 1
    assert [device_for("auto", n, 2) for n in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert device_for("auto", "tcp://node7:8786", 2) == "auto"
    assert device_for("auto", 1, 1) == "auto"
    assert device_for("cpu", 1, 2) == "cpu"


def test_what_travels_to_a_worker_and_back_is_small(tiny_bundle: Path, scans: Path, tmp_path: Path) -> None:
    from distributed.protocol.pickle import dumps

    out = tmp_path / "out"
    run([scans / "heart0.nii.gz"], out, tiny_bundle)
    row = read_row(out / "heart0")
    ticket = Ticket("heart0", str(scans / "heart0.nii.gz"), "", str(out), str(tiny_bundle), "0" * 64, FAST)
    assert len(dumps(ticket)) < 2000
    assert len(dumps(row)) < 8000
