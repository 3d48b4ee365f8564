"""Forty case folders reviewed by keyboard in the Slicer module, without torch: time, pauses and memory.

    python Testing/benchmarks/bench_queue.py [--cases 40] [--slices 10] [--size 256] [--output TABLE.md]

Opens a ``cohort.csv`` in the Qt host and presses nothing but keys: N to a region, K, D, L or a class on it,
painting in every eighth case, N to the next case. A case counts from the key that asks for it to the key
that asks for the next. Pauses are those of the event loop; on a busy machine the clock says little, so the
processor time of the longest one stands beside it. ``sys.modules["torch"] = None`` makes torch absent.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(REPOSITORY / part)
    for part in ("CardiacUQ", "Testing", "Testing/tests/lib", "Testing/tests/module", "")
]
sys.modules["torch"] = None
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

DIFFERENT = 4
PAINTED_EVERY = 8
KEYS = "KDKL3K"


@dataclass(frozen=True)
class Line:
    """One case: seconds until its first region was seen, seconds in all, keys pressed, longest pause in ms
    by the clock and in processor time, memory of the process afterwards in MB."""

    name: str
    open_s: float
    whole_s: float
    keys: int
    pause_ms: float
    busy_ms: float
    memory_mb: float


def main() -> None:
    """Make the cases, review them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--slices", type=int, default=10)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out"
        make_cohort(out, options.cases, (options.slices, options.size, options.size))
        from host import application

        host = application.start(Path(scratch) / "host", slice_views=True)
        host.load(REPOSITORY / "CardiacUQ" / "CardiacUQ.py")
        widget = host.open("CardiacUQ")
        widget.ui.reviewerEdit.text = "Jane Doe"
        widget.queue.open(out / "cohort.csv")
        lines = [review_one(host, widget, number) for number in range(options.cases)]
        host.wait(lambda: not widget.busy, 300)
        if "every case" not in widget.ui.messageLabel.text:
            raise SystemExit(widget.ui.messageLabel.text)
        text = table(lines, options)
        host.stop()
    print(text)
    if options.output is not None:
        options.output.write_text(text + "\n", "utf-8")


def make_cohort(out: Path, count: int, shape: tuple[int, int, int]) -> None:
    """Case folders of ``count`` patients, a few phantoms under different names, and their table."""
    from desk_checks import change_record
    from review_cases import make_result

    from CardiacUQLib.cases.writing import write_case
    from CardiacUQLib.images.reading import read_volume
    from CardiacUQLib.phantom import lge_phantom, write

    made = []
    for seed in range(min(DIFFERENT, count)):
        image, labels = write(lge_phantom(seed, shape=shape, infarct=True), out / "images", f"heart{seed}")
        truth = read_volume(labels)
        stored = truth.storage.to_stored(truth.array).astype("uint8")
        made.append(write_case(make_result(image, stored), out, name=f"patient{seed:02d}"))
    for number in range(len(made), count):
        copy = shutil.copytree(made[number % len(made)], out / f"patient{number:02d}")
        change_record(copy, name=copy.name)
    rows = [f"{number + 1},patient{number:02d},done" for number in range(count)]
    (out / "cohort.csv").write_text("\n".join(["rank,case,state", *rows]) + "\n", "utf-8")


def review_one(host: Any, widget: Any, number: int) -> Line:
    """Wait for the case that was asked for, decide every region of it, ask for the next."""
    from host.application import StallMeter

    meter, started, pressed = StallMeter(), time.monotonic(), 1
    host.wait(lambda: widget.review.session is not None and not widget.desk.opening.busy, 600)
    press = widget.review.keys.press
    press("N")
    host.app.processEvents()
    opened, name, session = time.monotonic() - started, widget.desk.nodes.name, widget.review.session
    while not session.progress().done:
        if number % PAINTED_EVERY == 0 and session.index == 0 and not session.review.decisions:
            paint(host, widget)
            pressed += 3
        key = KEYS[(session.index + number) % len(KEYS)]
        press(key)
        host.app.processEvents()
        pressed += 1
    press("N")  # the next case; the review that is left is written in a thread meanwhile
    pressed += 1
    whole = time.monotonic() - started
    meter.stop()
    return Line(
        name, opened, whole, pressed, 1000 * meter.longest_wall, 1000 * meter.longest_busy, resident_mb()
    )


def paint(host: Any, widget: Any) -> None:
    """E, a stroke of the class 3 in the region, E."""
    press, session = widget.review.keys.press, widget.review.session
    press("E")
    host.app.processEvents()
    press("3")
    region = session.review.mask(session.index)
    widget.review.editor.widget._stroke(session._order.from_stored(region))
    host.app.processEvents()
    press("E")
    host.app.processEvents()


def resident_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def table(lines: list[Line], options: argparse.Namespace) -> str:
    """Markdown: the summary, then every case."""
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    opened = sorted(line.open_s for line in lines)
    memory = [line.memory_mb for line in lines]
    head = [
        "# Forty cases by keyboard",
        "",
        f"{len(lines)} case folders of {options.size} x {options.size} x {options.slices} voxels, torch "
        f"absent, {os.cpu_count()} processors, {load}.",
        "",
        f"First region seen after {opened[len(opened) // 2]:.2f} s (median), {opened[-1]:.2f} s at most; "
        f"longest pause {max(line.pause_ms for line in lines):.0f} ms by the clock, "
        f"{max(line.busy_ms for line in lines):.0f} ms of processor time; memory after the fifth case "
        f"{memory[min(4, len(memory) - 1)]:.0f} MB, after the last {memory[-1]:.0f} MB.",
        "",
        "| case | first region, s | whole, s | keys | longest pause, ms | of it busy, ms | memory, MB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join(
        head
        + [
            f"| {line.name} | {line.open_s:.2f} | {line.whole_s:.2f} | {line.keys} | {line.pause_ms:.0f} "
            f"| {line.busy_ms:.0f} | {line.memory_mb:.0f} |"
            for line in lines
        ]
    )


if __name__ == "__main__":
    main()
