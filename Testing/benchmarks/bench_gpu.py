"""The networks on one card: latency, throughput, memory, parity with the processor, training, CUDA graphs.

    make benchmark-gpu
    python Testing/benchmarks/bench_gpu.py [--device cuda:0] [--seconds 8] [--out FILE]

Prints a Markdown table, which Docs/benchmarks.md has a place for. A phantom goes through all folds and views
of both bundles, in the number format that ``--precision auto`` takes there and in float32 (TF32 off). Parity
is against the processor in float32: no probability of the mean may differ by more than TOLERANCE, and no more
than MOVED of the voxels may change their label. Ends with exit code 1 where it does not hold; without a card
it says so and ends well. Every part takes any device, so that the tests run all of it on the processor.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "CardiacUQ"), str(Path(__file__).parent)]

from CardiacUQLib.base.threads import wait_politely  # noqa: E402

wait_politely()

import numpy as np  # noqa: E402
import torch  # noqa: E402

from CardiacUQLib import phantom  # noqa: E402
from CardiacUQLib.bundles.bundle import load_bundle  # noqa: E402
from CardiacUQLib.bundles.manifest import BundleKind, View  # noqa: E402
from CardiacUQLib.bundles.resident import ResidentBundle  # noqa: E402
from CardiacUQLib.inference.device import (  # noqa: E402
    choose_precision,
    describe,
    peak_gpu_memory_mb,
    peak_memory_mb,
)
from CardiacUQLib.inference.ensemble import normalise_frame, run_streaming  # noqa: E402
from CardiacUQLib.inference.passes import Arithmetic, NetworkSource, run_cascade  # noqa: E402
from CardiacUQLib.inference.roi import normalise_slices  # noqa: E402
from CardiacUQLib.networks.layout import for_inference, last_format  # noqa: E402

BUNDLES = ("lge-cascade", "cine-streaming")
SLICES = 9
TOLERANCE = {torch.float32: 2e-3, torch.bfloat16: 0.15}
"""Largest difference of a probability of the mean over passes from the processor's, float32."""
MOVED = {torch.float32: 1e-4, torch.bfloat16: 5e-3}
"""Largest share of voxels of the region whose label may change."""
NO_CARD = "skipped: torch finds no CUDA device here"
Row = tuple[str, str, str]


@dataclass(frozen=True)
class Case:
    """A bundle that stays in memory and one crop (z, y, x) for it."""

    bundle: NetworkSource
    crop: np.ndarray
    folds: Sequence[int]
    views: Sequence[View]

    def mean(self, arithmetic: Arithmetic) -> torch.Tensor:
        """Mean softmax (C, z, y, x) over all folds and views, on the device."""
        options = {"folds": self.folds, "views": self.views}
        if self.bundle.manifest.kind is BundleKind.CASCADE:
            passes = [one.final for one in run_cascade(self.crop, self.bundle, arithmetic, **options)]
        else:
            passes = [one.weighted for one in run_streaming(self.crop, self.bundle, arithmetic, **options)]
        return torch.stack(passes).mean(dim=0)


def shipped(name: str) -> Case:
    """A shipped bundle and the middle of a phantom."""
    bundle = ResidentBundle.of(load_bundle(name))
    size = bundle.manifest.roi.size_px
    middle = {"shape": (SLICES, 256, 256), "crop_px": size, "offset_mm": (0.0, 0.0)}
    if bundle.manifest.kind is BundleKind.CASCADE:
        image = phantom.lge_phantom(1, infarct=True, mvo=True, **middle).image
    else:
        image = phantom.cine_phantom(1, **middle).ed.image
    grey = np.asarray(image, np.float32)
    crop = normalise_slices(grey) if bundle.manifest.kind is BundleKind.CASCADE else normalise_frame(grey)
    return Case(bundle, np.ascontiguousarray(crop, np.float32), bundle.manifest.folds, bundle.manifest.views)


def wait(device: torch.device) -> None:
    """Until the device has done all it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def latency_ms(run: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Median milliseconds of one run, each waited for, over about ``seconds``; two to warm up."""
    times: list[float] = []
    for _ in range(2):
        run()
    began = time.perf_counter()
    while not times or time.perf_counter() - began < seconds:
        wait(device)
        start = time.perf_counter()
        run()
        wait(device)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def per_second(run: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Runs a second when none is waited for."""
    wait(device)
    count, began = 0, time.perf_counter()
    while not count or time.perf_counter() - began < seconds:
        run()
        count += 1
    wait(device)
    return count / (time.perf_counter() - began)


def passes(case: Case, arithmetic: Arithmetic, seconds: float) -> list[Row]:
    """Latency, throughput and memory of whole stacks."""
    device, name = arithmetic.device, f"{case.bundle.manifest.name}, {_format(arithmetic.dtype)}"
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)

    def run() -> torch.Tensor:
        return case.mean(arithmetic)

    count = len(case.folds) * len(case.views)
    stack = f"one stack of {case.crop.shape[0]} slices, {count} passes"
    rows = [
        (name, stack, f"{latency_ms(run, device, seconds):.1f} ms"),
        (name, "one after another", f"{per_second(run, device, seconds):.1f} stacks/s"),
    ]
    memory = peak_gpu_memory_mb(device) if device.type == "cuda" else peak_memory_mb()
    return [*rows, (name, "most memory", f"{memory:.0f} MB")]


def parity(case: Case, arithmetic: Arithmetic) -> tuple[list[Row], bool]:
    """How far the mean lies from the processor's in float32, and whether that is near enough."""
    reference = case.mean(Arithmetic(torch.device("cpu")))
    found = case.mean(arithmetic).cpu()
    far = float((found - reference).abs().max())
    moved = float((found.argmax(dim=0) != reference.argmax(dim=0)).float().mean())
    held = far <= TOLERANCE[arithmetic.dtype] and moved <= MOVED[arithmetic.dtype]
    name = f"{case.bundle.manifest.name}, {_format(arithmetic.dtype)}"
    limits = f"at most {TOLERANCE[arithmetic.dtype]:g} and {100 * MOVED[arithmetic.dtype]:g} %"
    told = f"{far:.2g}, {100 * moved:.3f} % of labels: {'holds' if held else 'DOES NOT HOLD'}"
    return [(name, f"farthest from the processor ({limits})", told)], held


def graphs(case: Case, device: torch.device, seconds: float) -> list[Row]:
    """One fold's networks called one by one, and replayed as a CUDA graph where there is one."""
    rows: list[Row] = []
    depth, size = case.crop.shape[0], case.crop.shape[-1]
    for name, spec in case.bundle.manifest.networks.items():
        if name == "locator":
            continue
        network = for_inference(case.bundle.network(name, case.folds[0], device))
        flat = not spec.architecture.value.endswith("3d")
        batch = (len(case.views) * depth, spec.in_channels, size, size)
        shape = batch if flat else (len(case.views), spec.in_channels, depth, size, size)
        x = torch.randn(shape, device=device).contiguous(memory_format=last_format(len(shape)))

        @torch.inference_mode()
        def run(network: torch.nn.Module = network, x: torch.Tensor = x) -> torch.Tensor:
            return network(x)

        told = f"{latency_ms(run, device, seconds):.2f} ms"
        if device.type == "cuda":
            told += f", as a graph {latency_ms(_captured(run, device), device, seconds):.2f} ms"
        rows.append((f"{case.bundle.manifest.name}, float32", f"{name}, one fold, all views", told))
    return rows


def _captured(run: Callable[[], torch.Tensor], device: torch.device) -> Callable[[], None]:
    """``run`` recorded once; calling it replays the kernels without asking Python for each."""
    aside = torch.cuda.Stream(device)
    aside.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(aside):
        for _ in range(3):
            run()
    torch.cuda.current_stream(device).wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def training(device: torch.device, seconds: float, recipe_name: str = "cascade-small") -> list[Row]:
    """Optimiser steps a second of both stages of the cascade, data made on the device."""
    import bench_training as parts

    recipe = parts.read_recipe(recipe_name)
    method, size = parts.CascadeMethod(recipe), recipe.roi.size_px
    crops = parts.crop_cases(
        parts.open_dataset("phantom", None, 2).cases, recipe.roi, parts.MARGIN_PX, device
    )
    rows: list[Row] = []
    for name in ("stage2d", "stage3d"):
        stage = method.stages()[name]
        samples = parts.samples_of(crops, 1 if name == "stage2d" else stage.patch_slices)
        network = method.build(name).to(device).train()
        step = parts.training_step(network, stage, mixed=device.type == "cuda")
        batches = parts.our_batches(samples, stage, size)
        rate = per_second(lambda s=step, b=batches: s(next(b)), device, seconds)
        told = f"{rate:.2f} steps/s, {rate * stage.batch:.1f} samples/s"
        rows.append((recipe_name, f"training {name}, batch {stage.batch}", told))
    return rows


def measure(device: torch.device, cases: Sequence[Case], seconds: float) -> tuple[list[Row], bool]:
    """All parts on one device: their rows, and whether parity holds."""
    rows, held = [], True
    formats = dict.fromkeys((choose_precision("auto", device), torch.float32))
    for case in cases:
        for dtype in formats:
            arithmetic = Arithmetic(device, dtype)
            rows += passes(case, arithmetic, seconds)
            found, near = parity(case, arithmetic)
            rows, held = rows + found, held and near
        rows += graphs(case, device, seconds / 4)
    return rows + training(device, seconds), held


def table(rows: Sequence[Row]) -> str:
    """Rows as Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(["| what runs | figure | value |", "| --- | --- | ---: |", *lines])


def _format(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0 without a card too, 1 where parity does not hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--seconds", type=float, default=8.0, help="for each figure")
    parser.add_argument("--out", type=Path, help="write the table here as well")
    options = parser.parse_args(arguments)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print(NO_CARD)
        return 0
    device = torch.device(options.device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    began = time.perf_counter()
    rows, held = measure(device, [shipped(name) for name in BUNDLES], options.seconds)
    took = time.perf_counter() - began
    head = f"{describe(device)}, torch {torch.__version__}, {os.cpu_count()} cores, measured in {took:.0f} s"
    page = f"{head}\n\n{table(rows)}\n"
    print(page)
    if options.out is not None:
        options.out.write_text(page, "utf-8")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
