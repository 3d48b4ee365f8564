"""How long ``cardiacuq segment`` takes and how much memory it needs, and where the time goes.

    python Testing/benchmarks/bench_segment.py [--model lge-cascade] [--slices 8] [--size 256]

The whole command runs as a child process on a synthetic scan, so start-up is counted. In the same run the
same networks are driven the way nnU-Net does it, one slice, one view and one fold after another, for the
ratio between the two.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "CardiacUQ")]

WALL_LIMIT_S = 15.0
MEMORY_LIMIT_MB = 2000.0


def main() -> None:
    """Run both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="lge-cascade")
    parser.add_argument("--slices", type=int, default=8)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--skip-baseline", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scan = write_scan(Path(scratch), (options.slices, options.size, options.size))
        wall, busy, peak_mb = run_command(scan, options.model, Path(scratch) / "out")
        record = json.loads((Path(scratch) / "out" / "bench" / "case.json").read_text("utf-8"))["run"]
        print_table(options, record, wall, busy, peak_mb)
        if not options.skip_baseline:
            print_ratio(record["timings"], baseline_seconds(scan, options.model))


def write_scan(folder: Path, shape: tuple[int, int, int]) -> Path:
    """A phantom of ``shape`` (z, y, x) as bench.nii.gz."""
    from CardiacUQLib import phantom

    heart = phantom.lge_phantom(1, shape=shape, infarct=True, mvo=True)
    return phantom.write(heart, folder, "bench")[0]


def run_command(scan: Path, model: str, output: Path) -> tuple[float, float, float]:
    """Wall time and processor time in s, peak memory in MB of the whole command as a child process."""
    arguments = [sys.executable, "-m", "CardiacUQTraining.cli", "segment", str(scan), "-o", str(output)]
    started = time.perf_counter()
    process = os.posix_spawn(
        sys.executable,
        [*arguments, "--model", model, "--device", "cpu"],
        {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path[:2])},
    )
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - started
    if status != 0:
        sys.exit(f"the command failed with exit code {os.waitstatus_to_exitcode(status)}")
    busy = usage.ru_utime + usage.ru_stime
    return wall, busy, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def baseline_seconds(scan: Path, model: str) -> float:
    """Seconds of the networks alone when driven slice by slice, view by view, fold by fold, in float32."""
    from CardiacUQLib.base.threads import wait_politely

    wait_politely()
    import torch

    from CardiacUQLib.bundles.bundle import load_bundle
    from CardiacUQLib.images.reading import read_volume
    from CardiacUQLib.inference.roi import find_roi, normalise_slices

    bundle, volume = load_bundle(model), read_volume(scan)
    crop = normalise_slices(find_roi(volume, bundle.manifest.roi, None).extract(volume.array))
    image = torch.from_numpy(crop)
    started = time.perf_counter()
    with torch.inference_mode():
        for fold in bundle.manifest.folds:
            stage2d = bundle.network("stage2d", fold, "cpu")
            stage3d = bundle.network("stage3d", fold, "cpu")
            for view in bundle.manifest.views:
                flipped = torch.flip(image, view.axes) if view.axes else image
                labels = torch.cat([stage2d(one[None, None]).argmax(1) for one in flipped])
                stacked = torch.stack([flipped, (labels == 3).float(), (labels == 4).float()])
                torch.flip(stage3d(stacked[None]).softmax(1), view.axes)
    return time.perf_counter() - started


def print_table(options: argparse.Namespace, record: dict, wall: float, busy: float, peak_mb: float) -> None:
    """Wall time, memory and the share of every step."""
    passes = len(record["folds"]) * len(record["views"])
    voxels = f"{options.size} x {options.size} x {options.slices} voxels, {passes} passes"
    print(f"{voxels}, {record['device']}, {record['precision']}, {os.cpu_count()} cores")
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}")
    print(f"wall time of the whole command  {wall:6.1f} s   (aim: at most {WALL_LIMIT_S:.0f} s)")
    print(f"processor time (user + system)  {busy:6.1f} s")
    print(f"peak memory                     {peak_mb:6.0f} MB  (aim: at most {MEMORY_LIMIT_MB:.0f} MB)")
    for step, seconds in sorted(record["timings"].items(), key=lambda pair: -pair[1]):
        print(f"  {step:<28} {seconds:8.2f} s  {100 * seconds / wall:5.1f} %")
    rest = wall - sum(record["timings"].values())
    print(f"  {'start-up, reading, writing':<28} {rest:8.2f} s  {100 * rest / wall:5.1f} %")


def print_ratio(timings: dict[str, float], baseline: float) -> None:
    """The same networks one pass at a time against our batches."""
    ours = sum(seconds for step, seconds in timings.items() if step in NETWORK_STEPS)
    print(f"networks one slice, view and fold at a time: {baseline:.2f} s; in batches: {ours:.2f} s", end="")
    print(f"; ratio {baseline / ours:.2f}" if ours else "")


NETWORK_STEPS = ("load", "stage2d", "stage3d")

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
