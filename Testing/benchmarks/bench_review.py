"""How fast the review page is in a real browser, how heavy, and what the server needs.

    python Testing/benchmarks/bench_review.py [--cases 200] [-o results.json]

A cohort of phantom cases of 12 slices of 256 x 256 is made in a temporary folder and served by a process of
its own. Measured in a Chromium: from choosing a case to its first picture, from a key to the decision on the
screen and to its answer (which is after ``fsync``), frames per second while a stroke is drawn; and the page's
weight, requests to other places, and the resident memory of the server after all cases were listed and some
opened. Every line names its target; the exit code is 1 if one is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(ROOT),
    str(ROOT / "CardiacUQ"),
    str(ROOT / "Testing" / "tests" / "web"),
    str(ROOT / "Testing" / "tests" / "lib"),
]

SHAPE = (12, 256, 256)
STROKE_POINTS = 240
DECISIONS = 30
OPENED = 12


@dataclass(frozen=True)
class Line:
    """One figure with its target; ``least`` says that more is better."""

    name: str
    value: float
    target: float
    unit: str
    least: bool = False

    @property
    def met(self) -> bool:
        """True if the target is reached."""
        return self.value >= self.target if self.least else self.value <= self.target


def make_cases(folder: Path, count: int) -> Path:
    """One phantom case, and ``count`` - 1 copies under other names."""
    from review_cases import make_result

    from CardiacUQLib.cases.writing import write_case

    z, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    taper = 1.0 - 0.05 * np.abs(z - 5.0)
    radius, angle = np.hypot(y - 130.0, x - 120.0) / taper, np.arctan2(y - 130.0, x - 120.0)
    labels = np.zeros(SHAPE, np.uint8)
    labels[radius < 42] = 2
    labels[radius < 28] = 1
    labels[(labels == 2) & (np.abs(angle - 0.6) < 0.8) & (radius < 38) & (z > 1) & (z < 10)] = 3
    labels[(labels == 3) & (np.abs(angle - 0.6) < 0.3) & (radius < 34) & (z > 3) & (z < 8)] = 4
    grey = np.array([70.0, 160.0, 90.0, 230.0, 110.0])[labels] + np.random.default_rng(2).normal(0, 9, SHAPE)
    image = sitk.GetImageFromArray(np.round(grey).astype(np.int16))
    image.SetSpacing((1.4, 1.4, 8.0))
    sitk.WriteImage(image, str(folder / "scan.nii.gz"))
    out = folder / "out"
    made = write_case(make_result(folder / "scan.nii.gz", labels), out, name="case-000")
    for number in range(1, count):
        shutil.copytree(made, out / f"case-{number:03d}")
    return out


def start(out: Path) -> tuple[subprocess.Popen[str], str]:
    """The server as `cardiacuq review` runs it, and the address that it prints."""
    command = [
        sys.executable,
        "-m",
        "CardiacUQTraining.cli",
        "review",
        str(out),
        "--no-browser",
        "--reviewer",
        "Jane",
    ]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "CardiacUQ")])
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, encoding="utf-8", env={**os.environ, "PYTHONPATH": paths}
    )
    for line in process.stdout:
        if found := re.search(r"http://\S+token=\S+", line):
            return process, found[0]
    raise SystemExit("the server did not start")


def measure(out: Path, count: int) -> list[Line]:
    """All figures of one run."""
    from browser import browsing

    from CardiacUQTraining.web.static import Static

    process, address = start(out)
    try:
        with browsing() as browser:
            browser.driver.get(address)
            browser.wait(lambda: browser.js("return document.body.dataset.ready"), 60)
            assert browser.js("return review.cohort.cases.length") == count
            pictures = open_cases(browser, count)
            shown, stored = decide(browser)
            rate, slow = paint(browser)
            elsewhere = browser.js(
                "const all = performance.getEntriesByType('resource');"
                "return all.filter((one) => !one.name.startsWith(location.origin)).length"
            )
        memory = psutil.Process(process.pid).memory_info().rss / 1e6
    finally:
        process.terminate()
        process.wait(30)
    return [
        Line("first picture after a case is chosen, median", statistics.median(pictures), 300, "ms"),
        Line("first picture after a case is chosen, slowest", max(pictures), 300, "ms"),
        Line("decision on the screen, median", statistics.median(shown), 50, "ms"),
        Line("decision on the screen, slowest but one", sorted(shown)[-2], 50, "ms"),
        Line("decision on the disk and answered, median", statistics.median(stored), 100, "ms"),
        Line("decision on the disk and answered, slowest but one", sorted(stored)[-2], 100, "ms"),
        Line("frames per second while painting", rate, 59, "1/s", least=True),
        Line("slowest of 20 frames while painting", slow, 34, "ms"),
        Line("weight of the page without images", Static().weight / 1000, 300, "kB"),
        Line("requests to other places", elsewhere, 0, ""),
        Line(f"memory of the server with {count} cases", memory, 250, "MB"),
    ]


def open_cases(browser, count: int) -> list[float]:
    """Milliseconds to the first picture of cases all over the list, none of them read ahead."""
    found = []
    for number in range(2, count, max(2, count // OPENED)):
        browser.js("document.body.dataset.ready = ''; review.open(arguments[0])", number)
        browser.ready(f"case-{number:03d}")
        found.append(browser.js("return review.timings.picture"))
        time.sleep(0.3)
    return found


def decide(browser) -> tuple[list[float], list[float]]:
    """Milliseconds from the key to the picture of the next region, and to the answer."""
    shown, stored = [], []
    for number in range(DECISIONS):
        browser.press("kt4"[number % 3])
        browser.settled()
        shown.append(browser.js("return review.timings.shown"))
        stored.append(browser.js("return review.timings.stored"))
        if browser.js("return review.case.state.done"):
            browser.press("z", "z", "z")
            browser.settled()
            browser.js("review.next()")
        time.sleep(0.1)
    return shown, stored


def paint(browser) -> tuple[float, float]:
    """Frames per second and the 95th percentile of the time between two frames during one long stroke."""
    browser.press("e", "4")
    x, y = browser.centre()
    browser.js(
        "window.shown = []; const f = (t) => { shown.push(t); requestAnimationFrame(f); };"
        "requestAnimationFrame(f);"
    )
    place = [(x + 120 * math.cos(n / 12), y + 90 * math.sin(n / 12)) for n in range(STROKE_POINTS)]
    send = browser.driver.execute_cdp_cmd
    mouse = {"button": "left", "buttons": 1}
    send(
        "Input.dispatchMouseEvent",
        {"type": "mousePressed", "x": place[0][0], "y": place[0][1], "clickCount": 1, **mouse},
    )
    browser.js("shown.length = 0")
    for px, py in place:
        send("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": px, "y": py, **mouse})
    times = np.diff(browser.js("return shown"))
    send("Input.dispatchMouseEvent", {"type": "mouseReleased", "x": px, "y": py, "clickCount": 1, **mouse})
    browser.settled()
    return 1000.0 / float(times.mean()), float(np.percentile(times, 95))


def main() -> int:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument(
        "-o", "--output", type=Path, default=ROOT / "Testing" / "benchmarks" / "results" / "review.json"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = measure(make_cases(Path(folder), asked.cases), asked.cases)
    load = os.getloadavg()[0]
    for line in lines:
        print(
            f"{'ok  ' if line.met else 'MISS'} {line.name:<52} {line.value:8.1f} {line.unit:<4} "
            f"(target {line.target:g})"
        )
    print(f"load of the machine during the measurement: {load:.1f} on {os.cpu_count()} processors")
    content = {
        "lines": [asdict(line) | {"met": line.met} for line in lines],
        "load": load,
        "processors": os.cpu_count(),
    }
    asked.output.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    return 0 if all(line.met for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
