"""What a whole command and a whole cohort cost over the networks' own passes, and beside other work.

    python Testing/benchmarks/bench_ratios.py [--model lge-cascade] [--cases 20] [--repeats 3] [--threads 0]

Every round runs, one after the other: one scan by the command ``segment``; the same beside one other busy
process; a folder of scans as a cohort as the command deals it out by itself; the same in one process; the
same by two workers. Ratios are taken within a round, and their medians are printed with the lowest and the
highest. Passes are the seconds of the networks in the single command of that round, without the search for
the RV insertion. The machine should do nothing else meanwhile: the load before is printed. About eight
minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench_account import REPOSITORY, as_installed, write_scans

PASSES = ("stage2d", "stage3d", "members")
BUSY = "while True:\n    pass\n"
WORKERS = 2


@dataclass(frozen=True)
class Round:
    """Seconds on the wall of one round, and the most memory of its single command in MB."""

    alone: float
    passes: float
    in_company: float
    cohort: float
    one_process: float
    workers: float
    memory_mb: float


@dataclass(frozen=True)
class Ratio:
    """One line of the table: what is asked and aimed at, and the values of all rounds."""

    name: str
    asked: float
    aim: float
    values: tuple[float, ...]
    more_is_better: bool = False

    def line(self) -> str:
        """The median with its range, and whether it is what was asked."""
        middle = statistics.median(self.values)
        enough = middle >= self.asked if self.more_is_better else middle <= self.asked
        spread = f"{min(self.values):.2f} to {max(self.values):.2f}"
        verdict = "yes" if enough else "no"
        return f"| {self.name} | {middle:.2f} | {spread} | {self.asked:g} | {self.aim:g} | {verdict} |"


def ratios(rounds: Sequence[Round], cases: int) -> list[Ratio]:
    """The ratios of the table from the rounds, for cohorts of ``cases``."""
    whole = tuple(one.alone / one.passes for one in rounds)
    cohort = tuple(one.cohort / cases / one.passes for one in rounds)
    workers = tuple(one.one_process / one.workers for one in rounds)
    company = tuple(one.in_company / one.alone for one in rounds)
    memory = tuple(one.memory_mb / 1e3 for one in rounds)
    return [
        Ratio("whole single command over its passes", 4, 3, whole),
        Ratio("whole cohort, per case, over the passes alone", 1.6, 1.3, cohort),
        Ratio("throughput of two workers over none", 1.1, 1.3, workers, more_is_better=True),
        Ratio("with one other busy process over idle", 1.5, 1.2, company),
        Ratio("peak memory of a single case, GB", 0.5, 0.4, memory),
    ]


def one_round(scan: Path, folder: Path, options: argparse.Namespace, out: Path) -> Round:
    """Run all four once."""
    alone, memory_mb = run(scan, out / "alone", options)
    (record,) = (out / "alone").glob("*/case.json")
    timings = json.loads(record.read_text("utf-8"))["run"]["timings"]
    with busy():
        in_company, _ = run(scan, out / "company", options)
    cohort, _ = run(folder, out / "cohort", options)
    one_process, _ = run(folder, out / "one", options, "--workers", "0")
    workers, _ = run(folder, out / "workers", options, "--workers", str(WORKERS))
    passes = sum(timings.get(name, 0.0) for name in PASSES)
    return Round(alone, passes, in_company, cohort, one_process, workers, memory_mb)


def run(scans: Path, out: Path, options: argparse.Namespace, *more: str) -> tuple[float, float]:
    """Seconds on the wall of one command, and the most memory (MB) that its process held."""
    command = [sys.executable, "-m", "CardiacUQTraining.cli", "segment", str(scans), "-o", str(out), "-q"]
    command += ["--model", options.model, "--device", "cpu", "--overwrite", *more]
    command += ["--threads", str(options.threads)] if options.threads else []
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "CardiacUQ")])
    with tempfile.TemporaryFile() as told:
        began = time.monotonic()
        child = subprocess.Popen(command, stderr=told, env={**as_installed(), "PYTHONPATH": paths})
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
        if code := os.waitstatus_to_exitcode(status):
            told.seek(0)
            sys.exit(f"the command ended with {code}: {told.read().decode(errors='replace')[-500:]}")
    child.returncode = 0
    return seconds, used.ru_maxrss / 2**10


@contextmanager
def busy() -> Iterator[None]:
    """One other process that keeps a core busy."""
    other = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        other.kill()
        other.wait()


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="lge-cascade")
    parser.add_argument("--cases", type=int, default=20, help="scans of the cohort")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--slices", type=int, default=9)
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    shape = (options.slices, options.size, options.size)
    with tempfile.TemporaryDirectory() as scratch:
        scan = write_scans(Path(scratch) / "one", 1, shape)
        folder = write_scans(Path(scratch) / "many", options.cases, shape)
        print(
            f"{options.size} x {options.size} x {options.slices}, {options.cases} cases, "
            f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}, {options.repeats} rounds\n"
        )
        run(scan, Path(scratch) / "first", options)  # leaves its byte code and is not counted
        rounds = [one_round(scan, folder, options, Path(scratch)) for _ in range(options.repeats)]
    print("| ratio | median | range | asked | aim | reached |\n|---|---|---|---|---|---|")
    print("\n".join(ratio.line() for ratio in ratios(rounds, options.cases)))
    middle = [
        statistics.median(v)
        for v in zip(*((r.alone, r.passes, r.cohort, r.one_process, r.workers) for r in rounds), strict=True)
    ]
    print(
        f"\nSeconds: command {middle[0]:.2f}, passes {middle[1]:.2f}, cohort {middle[2]:.1f}, "
        f"in one process {middle[3]:.1f}, by two {middle[4]:.1f}."
    )


if __name__ == "__main__":
    main()
