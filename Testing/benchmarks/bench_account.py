"""Where the time of a whole command goes: a table that accounts for at least 95 % of it.

    python Testing/benchmarks/bench_account.py [--model lge-cascade] [--cases 1] [--repeats 3] [--threads 0]
        [--processor]

The command runs as a child process, on phantoms, with clocks around its steps; a step that runs inside
another is charged to the inner one alone, and imports are a step of their own wherever they happen. What is
left over is the glue between them. With ``--cases 10`` the folder of phantoms is a cohort in one process, and
the table is per case, without what the command does once: seconds of all threads, of which two work at a
time, so that they add up to more than the whole. Medians over the repeats. ``--processor`` counts the time
of the processor instead of the clock on the wall: with ``--threads 1`` it holds on a busy machine too.
"""

from __future__ import annotations

import argparse
import builtins
import functools
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "CardiacUQ")]

START = "start of Python"
IMPORT = "imports"
STEPS: tuple[tuple[str, str, str], ...] = (
    ("CardiacUQLib.base.checksum", "sha256_of", "hash"),
    ("CardiacUQLib.images.reading", "read_volume", "read"),
    ("CardiacUQLib.bundles.bundle", "load_bundle", "check bundle"),
    ("CardiacUQLib.cases.writing", "write_case", "write"),
    ("CardiacUQLib.report.page", "write_report", "report"),
    ("CardiacUQLib.measures", "measure", "measures"),
    ("CardiacUQLib.inference.insertion", "find_insertion", "RV insertion"),
)
"""Functions with a clock around them: module, name, step. Steps of inference have clocks of their own."""
NETWORKS = ("stage2d", "stage3d", "members")
ONCE = (START, IMPORT, "check bundle")


class OfThread(threading.local):
    """The steps that run in one thread, the innermost last, and since when."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.since = 0.0


@dataclass
class Clock:
    """Seconds by step, each without the steps inside it, of one thread or the sum of all."""

    now: Callable[[], float] = time.monotonic
    only: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    here: OfThread = field(default_factory=OfThread)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def _charge(self) -> None:
        now = self.now()
        if self.here.running and self.only in (None, threading.get_ident()):
            name = self.here.running[-1]
            with self.lock:
                self.seconds[name] = self.seconds.get(name, 0.0) + now - self.here.since
        self.here.since = now

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Charge what happens inside, but for inner steps, to ``name``."""
        self._charge()
        self.here.running.append(name)
        try:
            yield
        finally:
            self._charge()
            self.here.running.pop()

    def around(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """The same function with its time charged to ``name``."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.step(name):
                return function(*args, **kwargs)

        return timed


def measure_command(started: float, arguments: list[str], out: Path, *, cohort: bool) -> None:
    """In the child: run the command with clocks and write their seconds; ``started`` 0: of the processor.

    Of one case the thread that the user waits for counts, whatever goes on beside it.
    """
    now = time.monotonic if started else time.process_time
    clock = Clock(now, None if cohort else threading.get_ident())
    clock.seconds[START] = clock.now() - started
    watch_imports(clock)
    from CardiacUQLib.base.timing import StepTimer

    plain = StepTimer.step

    @contextmanager
    def step(self: StepTimer, name: str) -> Iterator[None]:
        with clock.step(name), plain(self, name):
            yield

    StepTimer.step = step
    for module, name, title in STEPS:
        owner = importlib.import_module(module)
        setattr(owner, name, clock.around(getattr(owner, name), title))
    from CardiacUQTraining.cli.app import main

    code = main(arguments)
    out.write_text(json.dumps({"code": code, "seconds": clock.seconds, "ended": time.monotonic()}), "utf-8")
    sys.stdout.flush()
    os._exit(code)  # the parent's clock runs until the child is gone; nothing of it is left to do


def watch_imports(clock: Clock) -> None:
    """Charge the outermost of nested imports; modules that are there already cost no clock."""
    plain, deep = builtins.__import__, threading.local()

    def timed(name: str, *args: Any, **kwargs: Any) -> Any:
        if getattr(deep, "inside", False) or (name in sys.modules and not (args[2:3] and args[2])):
            return plain(name, *args, **kwargs)
        deep.inside = True
        try:
            with clock.step(IMPORT):
                return plain(name, *args, **kwargs)
        finally:
            deep.inside = False

    builtins.__import__ = timed


def run(
    scans: Path, model: str, threads: int, scratch: Path, *, processor: bool = False
) -> tuple[dict[str, float], float]:
    """Seconds by step of one command, and of the whole of it as its caller sees it."""
    told, out = scratch / "told.json", scratch / "out"
    subprocess.run(["rm", "-rf", str(out)], check=True)
    command = ["segment", str(scans), "-o", str(out), "--model", model, "--device", "cpu"]
    command += ["--threads", str(threads)] if threads else []
    many = scans.is_dir()
    command += ["--workers", "0"] if many else []
    now = processor_of_children if processor else time.monotonic
    began = now()
    started = 0.0 if processor else began
    child = [sys.executable, __file__, "--child", str(told), "--started", str(started)]
    child += [*(["--many"] if many else []), "--", *command]
    done = subprocess.run(
        child, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=as_installed(), check=False
    )
    whole = now() - began
    if done.returncode:
        sys.exit(f"the command failed: {done.stderr.decode(errors='replace')[-500:]}")
    return json.loads(told.read_text("utf-8"))["seconds"], whole


def as_installed() -> dict[str, str]:
    """The environment of a command as users have it: their Python keeps its byte code from run to run."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def processor_of_children() -> float:
    """Seconds of the processor, user and system, of all children that have ended."""
    used = os.times()
    return used.children_user + used.children_system


def write_scans(folder: Path, cases: int, shape: tuple[int, int, int]) -> Path:
    """Phantoms as NIfTI: one file, or a folder of them."""
    from CardiacUQLib import phantom

    path = folder
    for seed in range(1, cases + 1):
        heart = phantom.lge_phantom(seed, shape=shape, infarct=True, mvo=seed % 2 == 1)
        path = phantom.write(heart, folder / "scans", f"case{seed:02d}")[0]
        for labels in (folder / "scans").glob(f"case{seed:02d}*"):
            if labels != path:
                labels.unlink()
    return folder / "scans" if cases > 1 else path


def table(runs: list[tuple[dict[str, float], float]], cases: int) -> str:
    """The steps by their medians, what is left over, and the ratio to the networks' own time."""
    names = {name for seconds, _ in runs for name in seconds}
    middle = {n: statistics.median(seconds.get(n, 0.0) for seconds, _ in runs) for n in names}
    whole = statistics.median(wall for _, wall in runs)
    per_case = cases > 1
    if per_case:
        whole -= sum(middle.get(name, 0.0) for name in ONCE)
        middle = {n: s / cases for n, s in middle.items() if n not in ONCE}
        whole /= cases
    lines = ["| step | seconds | share |", "|---|---|---|"]
    for name, seconds in sorted(middle.items(), key=lambda pair: -pair[1]):
        lines.append(f"| {name} | {seconds:.3f} | {100 * seconds / whole:.1f} % |")
    rest = whole - sum(middle.values())
    lines.append(f"| glue between them | {rest:.3f} | {100 * rest / whole:.1f} % |")
    passes = sum(middle.get(name, 0.0) for name in NETWORKS)
    lines.append(f"| **{'per case' if per_case else 'whole command'}** | **{whole:.3f}** | |")
    if passes:
        lines += ["", f"Over the networks' own time ({passes:.3f} s): {whole / passes:.2f}."]
    return "\n".join(lines)


def main() -> None:
    """Run the repeats and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="lge-cascade")
    parser.add_argument("--cases", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--processor", action="store_true", help="seconds of the processor")
    parser.add_argument("--slices", type=int, default=9)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--many", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        measure_command(options.started, options.arguments, options.child, cohort=options.many)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        scans = write_scans(folder, options.cases, (options.slices, options.size, options.size))
        voxels = f"{options.size} x {options.size} x {options.slices}"
        machine = f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}"
        print(f"{options.cases} phantoms of {voxels}, {machine}, medians of {options.repeats}\n")
        run(scans, options.model, options.threads, folder)  # leaves its byte code and is not counted
        runs = [
            run(scans, options.model, options.threads, folder, processor=options.processor)
            for _ in range(options.repeats)
        ]
        print(table(runs, options.cases))


if __name__ == "__main__":
    main()
