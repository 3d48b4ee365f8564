"""How soon the Slicer module shows its first picture, and for how long its window ever stands still.

    python Testing/benchmarks/bench_module.py [--model lge-cascade] [--slices 8] [--size 256] [--folds 0,1]

Drives the module's own widget in the Qt host with a real child process and real networks: once as soon as
the module is opened (cold: the child still has to load torch), once when a child waits (warm). On a
busy machine the clock says little; the processor time of the child until its preview was read says more.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "CardiacUQ"), str(REPOSITORY / "Testing"), str(REPOSITORY)]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

COLD_LIMIT_S, WARM_LIMIT_S, STALL_LIMIT_MS = 10.0, 5.0, 100.0


@dataclass(frozen=True)
class Timing:
    """One run: seconds by the clock from the button to preview and to result, processor seconds of the
    child until the preview, longest pause of the window in ms (by the clock, and processor time alone)."""

    preview_s: float
    result_s: float
    child_s: float
    pause_ms: float
    busy_ms: float


def main() -> None:
    """Run cold and warm and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lge-cascade")
    parser.add_argument("--slices", type=int, default=8)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--folds", default="", help="of the full result (default: all)")
    options = parser.parse_args()
    from CardiacUQLib.base.threads import wait_politely

    wait_politely()
    with tempfile.TemporaryDirectory() as scratch:
        from host import application

        host = application.start(Path(scratch) / "host", slice_views=True)
        host.load(REPOSITORY / "CardiacUQ" / "CardiacUQ.py")
        load_scan(Path(scratch), (options.slices, options.size, options.size))
        print(f"{options.size} x {options.size} x {options.slices}, {processors()}, model {options.model}")
        for name, limit in (("cold", COLD_LIMIT_S), ("warm", WARM_LIMIT_S)):
            widget = host.open("CardiacUQ")
            widget.models.choose(options.model)
            widget.ui.foldsEdit.text = options.folds
            if name == "warm":
                host.wait(lambda widget=widget: not widget.busy, 1200)
            print_line(name, limit, one_run(host, widget))
            remove_cases()
            host.leave("CardiacUQ")
        host.stop()


def load_scan(folder: Path, shape: tuple[int, int, int]) -> None:
    """A phantom of ``shape`` (z, y, x) into the scene."""
    from CardiacUQLib import phantom
    from CardiacUQWidgets import case_opening

    heart = phantom.lge_phantom(1, shape=shape, infarct=True, mvo=True)
    case_opening.load_image(phantom.write(heart, folder, "bench")[0])


def one_run(host: Any, widget: Any) -> Timing:
    """Press Segment and watch."""
    from host.application import StallMeter

    runs, meter = widget.runs, StallMeter()
    started = time.monotonic()
    widget.ui.segmentButton.click()
    if runs.run is None:
        raise SystemExit(widget.ui.messageLabel.text)
    child = runs.run.child.pid
    before = processor_seconds(child)
    host.wait(lambda: runs._preview is not None or not widget.busy, 3000)
    preview_s, child_s = time.monotonic() - started, processor_seconds(child) - before
    host.wait(lambda: not widget.busy, 3000)
    if widget.review.session is None:
        raise SystemExit(widget.ui.messageLabel.text)
    result_s = time.monotonic() - started
    meter.stop()
    return Timing(preview_s, result_s, child_s, 1000 * meter.longest_wall, 1000 * meter.longest_busy)


def remove_cases() -> None:
    """Leave the volume alone in the scene."""
    from CardiacUQScene import all_cases, remove_case

    for nodes in all_cases():
        remove_case(nodes)


def processor_seconds(pid: int) -> float:
    """Processor time of a process and its threads so far; 0 where the system does not tell or it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def processors() -> str:
    """Processors and how busy they are with other work."""
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    return f"{os.cpu_count()} processors, {load}, nice {os.nice(0)}"


def print_line(name: str, limit: float, timing: Timing) -> None:
    """One line of the table."""
    print(
        f"{name}: preview {timing.preview_s:.1f} s (aim {limit:.0f} s), processor time of the child until "
        f"then {timing.child_s:.1f} s; result {timing.result_s:.1f} s; window still for at most "
        f"{timing.pause_ms:.0f} ms, busy for {timing.busy_ms:.0f} ms (aim {STALL_LIMIT_MS:.0f} ms); "
        f"{processors()}",
        flush=True,
    )


if __name__ == "__main__":
    main()
