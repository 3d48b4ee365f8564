"""Throughput of the cohort engines: cases per minute, cost per case, memory per worker, bytes per task.

    python Testing/benchmarks/bench_cohort.py --model lge-cascade --cases 20 --memory-cases 100

Synthetic scans; every engine does the same cases without their pages. What the engine itself costs per case
is measured on inputs that do not exist, whose cases fail at once: planning, sending, counting, coming back
and the tables remain. Clock times depend on what else the machine does (its load is in the output),
processor times, summed over all processes of the run, hardly do.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from CardiacUQLib.base.threads import wait_politely

wait_politely()

from CardiacUQLib import phantom  # noqa: E402
from CardiacUQLib.bundles.bundle import load_bundle  # noqa: E402
from CardiacUQLib.bundles.manifest import View  # noqa: E402
from CardiacUQLib.studies.options import CaseOptions  # noqa: E402
from CardiacUQTraining.cohort.case import Plan, Row, State, Ticket  # noqa: E402
from CardiacUQTraining.cohort.display import Lines, Standing  # noqa: E402
from CardiacUQTraining.cohort.engine import Engine  # noqa: E402
from CardiacUQTraining.cohort.inputs import collect  # noqa: E402
from CardiacUQTraining.cohort.run import run_cohort  # noqa: E402
from CardiacUQTraining.cohort.state import read_row  # noqa: E402

ABSENT = 200
"""Cases that cost nothing but the engine."""


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
    """Print one JSON object with all figures; 0 cases leave that part out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="lge-cascade")
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--memory-cases", type=int, default=100)
    parser.add_argument("--folds", default="0")
    asked = parser.parse_args()
    folds = tuple(int(fold) for fold in asked.folds.split(","))
    options = CaseOptions(device="cpu", folds=folds, views=(View.IDENTITY,), report=False)
    figures: dict[str, object] = {"model": asked.model, "load at start": os.getloadavg()}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        scans = write_scans(place / "scans", max(asked.cases, asked.memory_cases))
        if asked.cases:
            absent = [place / f"absent{n:03d}.nii.gz" for n in range(ABSENT)]
            plans = [collect(inputs, asked.model, options) for inputs in (scans[: asked.cases], absent)]
            figures |= speeds(*plans, place, asked.model)
        if asked.memory_cases:
            many = collect(scans[: asked.memory_cases], asked.model, options)
            figures["memory"] = memory_growth(many, place / "memory")
    figures["load at end"] = os.getloadavg()
    print(json.dumps(figures, indent=1))


def speeds(plan: Plan, absent: Plan, place: Path, model: str) -> dict[str, object]:
    """Throughput and own cost of every engine, a resumed run, and what a task weighs."""
    figures: dict[str, object] = {"cases": len(plan.cases)}
    with scheduler() as address:
        engines = {
            "in process": Engine(),
            "--workers 2": Engine(workers=2),
            "--scheduler": Engine(scheduler=address),
        }
        for name, engine in engines.items():
            figures[name] = throughput(plan, place / name, engine)
            figures[f"engine alone, {name}"] = overhead(absent, place / f"{name} alone", engine)
            print(name, figures[name], figures[f"engine alone, {name}"], file=sys.stderr, flush=True)
    done = place / "in process"
    figures["resumed run, ms per kept case"] = resumed_ms(plan, done)
    figures["bytes per task"] = bytes_per_task(plan, done, model)
    return figures


def write_scans(folder: Path, count: int) -> list[Path]:
    """Phantoms, four different ones, repeated."""
    drawn = [phantom.lge_phantom(seed, shape=(8, 128, 128), crop_px=112) for seed in range(4)]
    return [phantom.write(drawn[n % 4], folder, f"case{n:03d}")[0] for n in range(count)]


class Clock(Lines):
    """Notes clock and processor time (of this process and all below it) at the end of every case."""

    def __init__(self, out: Path) -> None:
        super().__init__(out, quiet=True)
        self.ends: list[tuple[float, float]] = []

    def case(self, row: Row, standing: Standing) -> None:
        """Look at the clocks."""
        self.ends.append(now())

    def per_case(self) -> tuple[float, float]:
        """Seconds of clock and processor per case, without the first quarter in which processes warm up."""
        warm = self.ends[len(self.ends) // 4 :]
        first, last, count = warm[0], warm[-1], len(warm) - 1
        return (last[0] - first[0]) / count, (last[1] - first[1]) / count


def now() -> tuple[float, float]:
    """Clock and processor time in s; processes that have ended are left out."""
    import psutil

    spent = 0.0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        times = process.cpu_times()
        spent += times.user + times.system
    return time.perf_counter(), spent


def throughput(plan: Plan, out: Path, engine: Engine) -> dict[str, float]:
    """Cases per minute of the whole run and once warm, and processor seconds per case."""
    clock, start = Clock(out), time.perf_counter()
    outcome = run_cohort(plan, out, clock, engine=engine)
    whole = 60 * len(clock.ends) / (time.perf_counter() - start)
    if outcome.count(State.DONE) < len(plan.cases):
        raise SystemExit(f"a case of the benchmark failed: {outcome.rows[0].reason}")
    seconds, processor = clock.per_case()
    return {
        "per minute, whole run": round(whole, 1),
        "per minute, once warm": round(60 / seconds, 1),
        "processor s per case": round(processor, 2),
    }


def overhead(plan: Plan, out: Path, engine: Engine) -> dict[str, float]:
    """Milliseconds per case that the engine takes for itself."""
    clock = Clock(out)
    out.mkdir(parents=True)  # failing cases are not said on the terminal
    with contextlib.redirect_stderr(io.StringIO()):
        run_cohort(plan, out, clock, engine=engine)
    seconds, processor = clock.per_case()
    return {"clock ms": round(1000 * seconds, 1), "processor ms": round(1000 * processor, 1)}


def resumed_ms(plan: Plan, done: Path) -> float:
    """Time per case of a resumed run in which nothing is left to do: hashing, rows and tables."""
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
