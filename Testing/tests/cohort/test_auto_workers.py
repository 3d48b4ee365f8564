"""How many processes a cohort gets when nobody says, and what happens where none can start."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cohort_fixtures import FAST

from CardiacUQLib.base.errors import UsageError
from CardiacUQTraining.cli.cohort import parse_workers
from CardiacUQTraining.cohort import auto_workers
from CardiacUQTraining.cohort import engine as engine_module
from CardiacUQTraining.cohort import local_cluster as local_cluster_module
from CardiacUQTraining.cohort.auto_workers import FEWEST_CASES, pays, workers_for
from CardiacUQTraining.cohort.display import Lines
from CardiacUQTraining.cohort.engine import Engine
from CardiacUQTraining.cohort.inputs import collect
from CardiacUQTraining.cohort.run import run_cohort

MANY = 1000


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with 2 cores and 16 GB; ``setenv`` and ``setattr`` make it another one."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr(auto_workers, "_free_bytes", lambda: 16e9)
    return monkeypatch


@pytest.mark.parametrize(
    ("cores", "workers"), [(1, 0), (2, 2), (3, 3), (4, 4), (6, 3), (8, 4), (16, 8), (128, 10)]
)
def test_every_core_gets_a_process_or_every_two_of_many(
    machine: pytest.MonkeyPatch, cores: int, workers: int
) -> None:
    machine.setenv("OMP_NUM_THREADS", str(cores))
    assert workers_for(MANY, {"cpu"}) == workers  # of 128 cores, 16 GB carry ten processes of 1.5 GB


@pytest.mark.parametrize(("free_gb", "workers"), [(1, 0), (2.9, 0), (3.1, 2), (100, 2)])
def test_memory_must_carry_them(machine: pytest.MonkeyPatch, free_gb: float, workers: int) -> None:
    machine.setattr(auto_workers, "_free_bytes", lambda: free_gb * 1e9)
    assert workers_for(MANY, {"cpu"}) == workers


def test_few_cases_are_done_before_a_process_has_started(machine: pytest.MonkeyPatch) -> None:
    assert not pays(FEWEST_CASES - 1)
    assert workers_for(FEWEST_CASES - 1, {"cpu"}) == 0
    machine.setenv("OMP_NUM_THREADS", "16")
    assert workers_for(FEWEST_CASES, {"cpu"}) == FEWEST_CASES // auto_workers.CASES_EACH


def test_a_gpu_is_served_by_one_process(machine: pytest.MonkeyPatch) -> None:
    class Gpu:
        type = "cuda"

    machine.setattr(auto_workers, "choose_device", lambda name: Gpu())
    assert workers_for(MANY, {"auto"}) == 0


def test_without_dask_there_is_one_process(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(auto_workers.importlib.util, "find_spec", lambda name: None)
    assert not pays(MANY)
    assert workers_for(MANY, {"cpu"}) == 0


def test_the_memory_of_this_machine_is_found() -> None:
    assert 1e8 < auto_workers._free_bytes() < 1e14


@pytest.mark.parametrize(("text", "workers"), [("auto", None), ("0", 0), ("3", 3)])
def test_the_option_is_a_number_or_auto(text: str, workers: int | None) -> None:
    assert parse_workers(text) == workers


@pytest.mark.parametrize("text", ["", "-1", "two", "1.5", "²"])
def test_anything_else_is_one_line_that_says_what_would_be_right(text: str) -> None:
    with pytest.raises(UsageError, match="give a number of processes, 0 for none, or auto"):
        parse_workers(text)


def test_where_no_process_can_start_this_one_does_the_work(
    scans: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def refused(workers: int, places: int) -> Iterator[None]:
        raise PermissionError(1, "no sockets here")
        yield

    monkeypatch.setattr(engine_module, "local_cluster", refused)
    monkeypatch.setattr(engine_module, "workers_for", lambda cases, devices: 2)
    out = tmp_path / "out"
    plan = collect([scans], str(tiny_bundle), FAST)
    outcome = run_cohort(plan, out, Lines(out, quiet=True), engine=Engine(workers=None))
    assert [row.state.value for row in outcome.rows] == ["done"] * len(plan.cases)
    with pytest.raises(PermissionError):  # asked for, they are not replaced in silence
        run_cohort(plan, tmp_path / "two", Lines(out, quiet=True), engine=Engine(workers=2))


def test_what_the_workers_are_copies_of_computes_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str | None]] = []
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

    def started() -> None:
        seen.append({name: os.environ.get(name) for name in names})

    monkeypatch.setattr(local_cluster_module, "BEGIN_AS_COPIES", True)
    monkeypatch.setattr(local_cluster_module.forkserver, "ensure_running", started)
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    local_cluster_module.begin_loading()
    assert seen == [dict.fromkeys(names, "1")]
    assert os.environ["OMP_NUM_THREADS"] == "8"  # of this process
    assert "MKL_NUM_THREADS" not in os.environ
