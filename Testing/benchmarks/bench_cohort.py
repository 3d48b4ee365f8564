"""Throughput of the cohort engines: cases per minute, cost per case, memory per worker, bytes per task.

    python Testing/benchmarks/bench_cohort.py --model lge-cascade --cases 20 --memory-cases 100

Synthetic scans; every engine does the same cases without their pages. The cost of the engine is the time
per case beyond that of reading, networks and writing, measured where they cannot overlap.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from CardiacUQLib import phantom
from CardiacUQLib.bundle import load_bundle
from CardiacUQLib.manifest import Flip
from CardiacUQTraining.cohort.case import Options, Plan, Row, State, Ticket
from CardiacUQTraining.cohort.display import Lines, Standing
from CardiacUQTraining.cohort.engine import Engine
from CardiacUQTraining.cohort.inputs import collect
from CardiacUQTraining.cohort.run import run_cohort
from CardiacUQTraining.cohort.state import read_row


class MemoryOfWorkers(Lines):
    """Notes the resident memory of the process of every case that ends, in MB."""

    def __init__(self, out: Path) -> None:
        super().__init__(out, quiet=True)
        self.seen: dict[int, list[float]] = {}

    def case(self, row: Row, standing: Standing) -> None:
        """Look at the process that did the case."""
        import psutil

        pid = int(row.worker.rpartition(":")[2])
        self.seen.setdefault(pid, []).append(psutil.Process(pid).memory_info().rss / 2**20)


def main() -> None:
    """Print one JSON object with all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="lge-cascade")
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--memory-cases", type=int, default=100)
    parser.add_argument("--folds", default="0")
    asked = parser.parse_args()
    folds = tuple(int(fold) for fold in asked.folds.split(","))
    options = Options(device="cpu", folds=folds, flips=(Flip.IDENTITY,), report=False)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        scans = write_scans(place / "scans", max(asked.cases, asked.memory_cases))
        few = collect(scans[: asked.cases], asked.model, options)
        figures: dict[str, object] = {"cases": asked.cases}
        figures["in process"] = per_minute(few, place / "in-process", Engine())
        figures["--workers 2"] = per_minute(few, place / "workers", Engine(workers=2))
        with scheduler() as address:
            figures["--scheduler"] = per_minute(few, place / "scheduler", Engine(scheduler=address))
        figures["engine ms per case"] = overhead_ms(few, place / "in-process")
        figures["bytes per task"] = bytes_per_task(few, place / "in-process", asked.model)
        many = collect(scans[: asked.memory_cases], asked.model, options)
        figures["memory"] = memory_growth(many, place / "memory")
    print(json.dumps(figures, indent=1))


def write_scans(folder: Path, count: int) -> list[Path]:
    """Phantoms, four different ones, repeated."""
    drawn = [phantom.lge_phantom(seed, shape=(8, 128, 128), crop_px=112) for seed in range(4)]
    return [phantom.write(drawn[n % 4], folder, f"case{n:03d}")[0] for n in range(count)]


def per_minute(plan: Plan, out: Path, engine: Engine) -> dict[str, float]:
    """Cases per minute from the start of the command and between the first and the last case."""
    ends: list[float] = []

    class Clock(Lines):
        def case(self, row: Row, standing: Standing) -> None:
            if row.state is not State.DONE:
                raise SystemExit(f"a case of the benchmark failed: {row.reason}")
            ends.append(time.perf_counter())

    start = time.perf_counter()
    run_cohort(plan, out, Clock(out, quiet=True), engine=engine)
    steady = 60 * (len(ends) - 1) / (ends[-1] - ends[0])
    whole = 60 * len(ends) / (time.perf_counter() - start)
    return {"whole run": round(whole, 1), "once warm": round(steady, 1)}


def overhead_ms(plan: Plan, done: Path) -> float:
    """Time per case of a resumed run in which nothing is left to do but the engine's own bookkeeping."""
    start = time.perf_counter()
    run_cohort(plan, done, Lines(done, quiet=True), resume=True)
    return round(1000 * (time.perf_counter() - start) / len(plan.cases), 1)


def bytes_per_task(plan: Plan, out: Path, model: str) -> dict[str, int]:
    """Size of what the scheduler carries per case, there and back, as Dask serialises it."""
    from distributed.protocol.pickle import dumps

    case, bundle = plan.cases[0], load_bundle(model)
    row = read_row(out / case.name)
    ticket = Ticket(
        case.name, case.source, case.series, str(out), str(bundle.folder), bundle.sha256, case.options
    )
    return {"there": len(dumps(ticket)), "back": len(dumps(row))}


def memory_growth(plan: Plan, out: Path) -> dict[str, object]:
    """Resident memory of a worker early and late in the run: medians of its 2nd and last tenth of cases."""
    display = MemoryOfWorkers(out)
    run_cohort(plan, out, display, engine=Engine(workers=2))
    found = {}
    for number, seen in enumerate(display.seen.values()):
        tenth = max(1, len(seen) // 10)
        early = sorted(seen[tenth : 2 * tenth])[tenth // 2]
        late = sorted(seen[-tenth:])[tenth // 2]
        found[f"worker {number}"] = {
            "cases": len(seen),
            "early MB": round(early),
            "late MB": round(late),
            "growth %": round(100 * (late / early - 1), 1),
        }
    return found


@contextmanager
def scheduler() -> Iterator[str]:
    """A Dask scheduler with one worker per core pair, as separate processes."""
    port = "8799"
    address = f"tcp://127.0.0.1:{port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-m", "dask"]
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    processes = [subprocess.Popen([*dask, "scheduler", "--port", port, *local], **quiet)]
    worker = [*dask, "worker", address, "--nworkers", "2", "--nthreads", "2", *local]
    processes.append(subprocess.Popen(worker, **quiet))
    try:
        yield address
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
