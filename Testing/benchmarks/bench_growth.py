"""How time and memory grow with slices, matrix, folds, views, film frames and cases: fitted exponents.

    python Testing/benchmarks/bench_growth.py [--threads 0] [--out Testing/benchmarks/results/growth.md]

Every point is a process of its own, so that its peak memory is its own: the networks are loaded and one small
case is segmented first, then the measured one. Cases go one after another through one process, as in a
cohort, whose memory is read on the way. Phantoms; one fold where another axis is varied. An exponent of 1 is
proportional, 0 is flat; that of memory counts what a point holds above the smallest point. About eight
minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "CardiacUQ")]

from CardiacUQLib.base.threads import wait_politely  # noqa: E402

wait_politely()

import numpy as np  # noqa: E402

AXES: dict[str, tuple[int, ...]] = {
    "slices": (5, 10, 20, 40, 60),
    "matrix": (128, 256, 512, 1024),
    "folds": (1, 2, 3, 5),
    "views": (1, 2, 3),
    "film frames": (5, 10, 20, 40),
    "cases": (1, 10, 50, 100, 200),
}
FLAT_MB = {"folds": 60.0, "views": 60.0, "cases": 60.0}
"""Axes over which memory may not grow by more than this from the second point to the last."""
SLICES, MATRIX = 9, 256


@dataclass(frozen=True)
class Point:
    """What one size took: seconds by the wall's clock and the processor's, and peak memory."""

    size: int
    seconds: float
    busy: float
    memory_mb: float


def stack(slices: int = SLICES, matrix: int = MATRIX):
    """A phantom of this many slices and pixels: one heart, drawn once, stretched."""
    from scipy import ndimage

    from CardiacUQLib import phantom

    heart = phantom.lge_phantom(1, shape=(SLICES, MATRIX, MATRIX), infarct=True, mvo=True)
    taken = np.linspace(0, SLICES - 1, slices).round().astype(int)
    factor = matrix / MATRIX
    image = ndimage.zoom(heart.image[taken], (1, factor, factor), order=1)
    x, y, z = heart.spacing
    made = dataclasses.replace(
        heart, image=image, labels=np.zeros(image.shape, np.uint8), spacing=(x / factor, y / factor, z)
    )
    return phantom.as_volume(made)


def film(frames: int):
    """A film that beats: from end-diastole to end-systole and back, without a heart drawn for each."""
    from CardiacUQLib import phantom
    from CardiacUQLib.images.film import Cine

    beat = phantom.cine_phantom(1, shape=(SLICES, 224, 224))
    volume = phantom.as_volume(beat.ed)
    share = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frames) / frames)
    stored = np.stack([(1 - s) * beat.ed.image + s * beat.es.image for s in share]).astype(np.float32)
    return Cine(Path("film.nii.gz"), stored, volume.geometry, "")


def peak_mb() -> float:
    """Largest memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def measure(axis: str, sizes: Sequence[int], threads: int) -> list[Point]:
    """In the child: the points of one axis that share a process."""
    from CardiacUQLib.base.threads import use_threads
    from CardiacUQLib.bundles.bundle import load_bundle
    from CardiacUQLib.bundles.resident import ResidentBundle
    from CardiacUQLib.inference.cavity import cavity_volumes
    from CardiacUQLib.inference.segment import segment

    use_threads(threads)
    cine = axis == "film frames"
    bundle = ResidentBundle.of(load_bundle("cine-streaming" if cine else "lge-cascade"))
    folds, views = bundle.manifest.folds, bundle.manifest.views

    def one(volume, folds=folds[:1], views=views) -> None:
        segment(
            volume, bundle, device="cpu", folds=folds, views=views, seek_insertion=False, keep_unlike=True
        )

    small = stack(5, 128)
    run: Callable[[int], object]
    if cine:
        cavity_volumes(film(2), bundle, folds=folds[:1], device="cpu")
        films = {size: film(size) for size in sizes}
        run = lambda size: cavity_volumes(films[size], bundle, folds=folds[:1], device="cpu")  # noqa: E731
    elif axis == "cases":
        one(small, views=views[:1])
        done = [0]

        def run(size: int) -> None:
            while done[0] < size:
                one(small, views=views[:1])
                done[0] += 1
    else:
        shapes = {"slices": lambda n: (n, MATRIX), "matrix": lambda n: (SLICES, n)}
        volumes = {size: stack(*shapes.get(axis, lambda n: ())(size)) for size in sizes}
        chosen = {
            "folds": lambda n: {"folds": folds[:n]},
            "views": lambda n: {"folds": folds[:1], "views": views[:n]},
        }.get(axis, lambda n: {})
        run = lambda size: one(volumes[size], **chosen(size))  # noqa: E731
        for size in sizes:  # the networks are in memory before the clock runs
            one(small, **chosen(size))
    points, wall, busy = [], time.perf_counter(), time.process_time()
    for size in sizes:
        if axis != "cases":  # cases add up
            wall, busy = time.perf_counter(), time.process_time()
        run(size)
        points.append(Point(size, time.perf_counter() - wall, time.process_time() - busy, peak_mb()))
    return points


def points_of(axis: str, sizes: Sequence[int], threads: int) -> list[Point]:
    """The points of an axis, each of a process of its own but for cases."""
    groups = [list(sizes)] if axis == "cases" else [[size] for size in sizes]
    found: list[Point] = []
    for group in groups:
        asked = json.dumps([axis, group, threads])
        child = [sys.executable, __file__, "--child", asked]
        done = subprocess.run(child, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{axis} {group}: {done.stderr[-500:]}")
        found += [Point(**one) for one in json.loads(done.stdout.splitlines()[-1])]
    return found


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Slope of values over sizes in double logarithmic scale, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-9)), 1)[0])


def memory_exponent(points: Sequence[Point]) -> float | None:
    """Growth of what lies above the smallest point, of points with 30 MB of it; None for fewer than two."""
    above = {p.size: p.memory_mb - points[0].memory_mb for p in points}
    large = {size: held for size, held in above.items() if held >= 30}
    return exponent(list(large), list(large.values())) if len(large) > 1 else None


def flat(axis: str, points: Sequence[Point]) -> bool:
    """Whether memory stays where it must; the first point is left out, which fills the caches."""
    return points[-1].memory_mb - points[min(1, len(points) - 2)].memory_mb <= FLAT_MB.get(axis, np.inf)


def table(found: dict[str, list[Point]]) -> str:
    """All points, then the exponents."""
    lines = ["| axis | size | seconds | of processor | peak MB |", "| --- | ---: | ---: | ---: | ---: |"]
    for axis, points in found.items():
        for p in points:
            lines.append(f"| {axis} | {p.size} | {p.seconds:.2f} | {p.busy:.2f} | {p.memory_mb:.0f} |")
    lines += ["", "| axis | exponent of time | of memory | flat |", "| --- | ---: | ---: | --- |"]
    for axis, points in found.items():
        time_, memory = exponent([p.size for p in points], [p.busy for p in points]), memory_exponent(points)
        more = points[-1].memory_mb - points[0].memory_mb
        told = f"{more:.0f} MB in all" if memory is None else f"{memory:.2f}"
        asked = ("yes" if flat(axis, points) else "NO") if axis in FLAT_MB else ""
        lines.append(f"| {axis} | {time_:.2f} | {told} | {asked} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all axes; 1 where memory grows with folds, views or cases."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--axes", nargs="*", choices=AXES, default=list(AXES))
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are cores")
    parser.add_argument("--out", type=Path, help="write the page here as well")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        axis, sizes, threads = json.loads(options.child)
        print(json.dumps([dataclasses.asdict(point) for point in measure(axis, sizes, threads)]))
        return 0
    load, began = os.getloadavg()[0], time.monotonic()
    found = {axis: points_of(axis, AXES[axis], options.threads) for axis in options.axes}
    took = time.monotonic() - began
    threads = options.threads or os.cpu_count()
    page = (
        "# How time and memory grow\n\n    python Testing/benchmarks/bench_growth.py\n\n"
        f"{threads} threads, {os.cpu_count()} cores, load before {load:.1f}, measured in {took:.0f} s. "
        f"Stacks of {SLICES} slices of {MATRIX} x {MATRIX}, one fold, all views, unless the axis says "
        "otherwise; cases have 5 slices of 128 x 128, one fold and view.\n\n" + table(found) + "\n"
    )
    print(page)
    if options.out is not None:
        options.out.write_text(page, "utf-8")
    return 0 if all(flat(axis, points) for axis, points in found.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
