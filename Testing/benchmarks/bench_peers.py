"""Our passes beside those of others, interleaved and repeated in one run.

    python Testing/benchmarks/bench_peers.py --install [--repeats 5] [--threads 0] [--clock wall]

On one crop of a phantom: the cascade (5 folds, mirrored views) beside nnU-Net v2's predictor with networks of
the same widths and kernels, the loop of the reference implementation (a batch of slices, view by view, folds
read anew for each case) and MONAI's SlidingWindowInferer over the same networks; the cine ensemble beside the
loop of its paper. Peers compute with PyTorch's layers as they come, in float32, as they do on a processor.

nnU-Net mirrors both axes together too, which makes four passes a fold for our three: times are compared per
pass. Floating-point operations are counted as they run (torch.utils.flop_counter) and set against the rate of
matrix products in the same rounds. ``--install`` puts the peers of pyproject.toml into build/peers, an
environment on top of this one, and runs there. Two minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "CardiacUQ"), str(Path(__file__).parent)]

from CardiacUQLib.base.threads import wait_politely  # noqa: E402

wait_politely()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from plain_layers import plain_layers  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from CardiacUQLib import phantom  # noqa: E402
from CardiacUQLib.bundles.bundle import load_bundle  # noqa: E402
from CardiacUQLib.bundles.resident import ResidentBundle  # noqa: E402
from CardiacUQLib.images.reading import read_volume  # noqa: E402
from CardiacUQLib.inference.combination import ensemble  # noqa: E402
from CardiacUQLib.inference.device import choose_precision  # noqa: E402
from CardiacUQLib.inference.ensemble import member_names, parse_combination, run_streaming  # noqa: E402
from CardiacUQLib.inference.passes import STAGE_2D, STAGE_3D, Arithmetic, run_cascade  # noqa: E402
from CardiacUQLib.inference.roi import find_roi, normalise_slices  # noqa: E402
from CardiacUQLib.inference.slice_context import with_neighbours  # noqa: E402
from CardiacUQLib.inference.views import from_view, to_view  # noqa: E402
from CardiacUQLib.networks.unet3d import FLAT_LEVELS  # noqa: E402

SLICES = 9
CORRECTED = (3, 4)
PEERS = REPOSITORY / "build" / "peers"
CEILING_SIZES = (1024, 2048)
CPU = torch.device("cpu")


@dataclass
class Contestant:
    """Somebody's passes over one case; ``rival`` names whom of ours they are measured against."""

    name: str
    rival: str
    passes: int
    run: Callable[[], object]
    operations: float = 0.0
    wall: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    def once(self) -> None:
        """One timed run."""
        busy, wall = time.process_time(), time.perf_counter()
        self.run()
        self.wall.append(time.perf_counter() - wall)
        self.busy.append(time.process_time() - busy)

    def seconds(self, clock: str) -> float:
        """Median by the clock on the wall or of the processor."""
        return statistics.median(self.wall if clock == "wall" else self.busy)


def corrected(view: Tensor, labels: Tensor) -> Tensor:
    """Image and masks (1, 3, z, y, x) for the 3D network."""
    return torch.stack([view, *((labels == value).float() for value in CORRECTED)])[None]


def cascade_loop(crop: Tensor, network: Callable[[str, int], nn.Module], folds, views, infer) -> Tensor:
    """The cascade fold by fold and view by view; ``infer(network, batch, roi)`` gives logits."""
    total = torch.zeros(())
    for fold in folds:
        flat, deep = network(STAGE_2D, fold), network(STAGE_3D, fold)
        for view in views:
            shown = to_view(crop, view)
            labels = infer(flat, shown[:, None], crop.shape[1:]).argmax(dim=1)
            p = infer(deep, corrected(shown, labels), crop.shape).softmax(dim=1)
            total = total + from_view(p[0], view)
    return total


def streaming_loop(crop: Tensor, bundle) -> Tensor:
    """The ensemble fold by fold and view by view, members read anew."""
    manifest = bundle.manifest
    rule, numbers = parse_combination(manifest.combination)
    total = torch.zeros(())
    for fold in manifest.folds:
        members = [bundle.network(name, fold) for name in member_names(manifest)]
        channels = manifest.networks["member0"].in_channels
        for view in manifest.views:
            slices = with_neighbours(to_view(crop, view), channels)
            p = torch.stack([member(slices).softmax(dim=1).transpose(0, 1) for member in members])
            total = total + from_view(ensemble(p, rule, numbers=numbers)[0], view)
    return total


def plainly(run: Callable[[], object]) -> Callable[[], object]:
    """The same with plain layers and without gradients."""

    @functools.wraps(run)
    def plain() -> object:
        with plain_layers(), torch.inference_mode():
            return run()

    return plain


def nnunet_passes(crop: Tensor, bundle) -> Callable[[], object]:
    """nnU-Net's own predictor over both stages, five sets of parameters each, mirrored in plane."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    labels = SimpleNamespace(num_segmentation_heads=5)
    plans = SimpleNamespace(get_label_manager=lambda dataset: labels)

    def network(stage: str) -> nn.Module:
        spec, flat = bundle.manifest.networks[stage], stage == STAGE_2D
        levels = len(spec.filters)
        stacked = [[1, 3, 3] if n < FLAT_LEVELS else [3] * 3 for n in range(levels)]
        steps = [1 if n == 0 else 2 if flat else [1, 2, 2] for n in range(levels)]
        return PlainConvUNet(
            spec.in_channels, levels, list(spec.filters), nn.Conv2d if flat else nn.Conv3d,
            [3] * levels if flat else stacked, steps, 2, spec.out_channels, 2, conv_bias=True,
            norm_op=nn.InstanceNorm2d if flat else nn.InstanceNorm3d, norm_op_kwargs={"affine": True},
            nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True},
        )  # fmt: skip

    def predictor(stage: str) -> nnUNetPredictor:
        flat, made = stage == STAGE_2D, [network(stage) for _ in bundle.manifest.folds]
        found = nnUNetPredictor(device=CPU, allow_tqdm=False, perform_everything_on_device=False)
        patch = SimpleNamespace(patch_size=tuple(crop.shape[1:] if flat else crop.shape))
        axes = (0, 1) if flat else (1, 2)
        found.manual_initialization(made[0], plans, patch, [one.state_dict() for one in made], {}, "", axes)
        return found

    first, second = predictor(STAGE_2D), predictor(STAGE_3D)

    def run() -> object:
        logits = first.predict_logits_from_preprocessed_data(crop[None])
        return second.predict_logits_from_preprocessed_data(corrected(crop, logits.argmax(dim=0))[0])

    return run


def crop_of(bundle) -> np.ndarray:
    """Normalised crop (z, y, x) of a phantom as inference would cut it."""
    heart = phantom.lge_phantom(1, shape=(SLICES, 256, 256), infarct=True, mvo=True)
    with tempfile.TemporaryDirectory() as folder:
        volume = read_volume(phantom.write(heart, Path(folder), "peers")[0])
    roi = find_roi(volume, bundle.manifest.roi, None)
    return np.ascontiguousarray(normalise_slices(roi.extract(volume.array)), np.float32)


def contestants(precision: str) -> tuple[list[Contestant], list[str]]:
    """All who take part, and why others do not."""
    arithmetic, absent = Arithmetic(CPU, choose_precision(precision, CPU)), []
    cascade, cine = (load_bundle(name) for name in ("lge-cascade", "cine-streaming"))
    resident, resident_cine = ResidentBundle.of(cascade), ResidentBundle.of(cine)
    plain = ResidentBundle.of(cascade)  # layouts are set in place: others get networks of their own
    folds, views = cascade.manifest.folds, cascade.manifest.views
    array, frame = crop_of(cascade), crop_of(cine)
    crop, passes = torch.from_numpy(array), len(folds) * len(views)

    def straight(network: nn.Module, batch: Tensor, roi) -> Tensor:
        return network(batch)

    def ours() -> object:
        return list(run_cascade(array, resident, arithmetic, folds=folds, views=views))

    def our_cine() -> object:
        found = cine.manifest
        return list(run_streaming(frame, resident_cine, arithmetic, folds=found.folds, views=found.views))

    made = [
        Contestant("cascade, ours", "", passes, ours),
        Contestant(
            "loop of the cascade's paper", "cascade, ours", passes,
            plainly(lambda: cascade_loop(crop, cascade.network, folds, views, straight)),
        ),
    ]  # fmt: skip
    try:
        from monai.inferers.inferer import SlidingWindowInferer

        def sliding(network: nn.Module, batch: Tensor, roi) -> Tensor:
            return SlidingWindowInferer(tuple(roi), sw_batch_size=4)(batch, network)

        loop = plainly(lambda: cascade_loop(crop, plain.network, folds, views, sliding))
        made.append(Contestant("MONAI's SlidingWindowInferer", "cascade, ours", passes, loop))
    except ImportError as error:
        absent.append(f"MONAI is left out: {error}")
    try:
        run = nnunet_passes(crop, cascade)
        made.append(Contestant("nnU-Net v2's predictor", "cascade, ours", 4 * len(folds), run))
    except ImportError as error:
        absent.append(f"nnU-Net is left out: {error}; --install brings it")
    passes = len(cine.manifest.folds) * len(cine.manifest.views)
    members = torch.from_numpy(frame)
    made += [
        Contestant("cine ensemble, ours", "", passes, our_cine),
        Contestant(
            "loop of Streaming's paper", "cine ensemble, ours", passes,
            plainly(lambda: streaming_loop(members, cine)),
        ),
    ]  # fmt: skip
    return made, absent


def ceilings() -> list[Contestant]:
    """Matrix products, of which the fastest is the ceiling of the run."""
    made = []
    for size in CEILING_SIZES:
        one = torch.randn(size, size)
        made.append(Contestant(f"product {size}", "", 1, lambda one=one: one @ one, 2.0 * size**3))
    return made


def race(runners: list[Contestant], repeats: int) -> None:
    """Warm up, count operations, then all in turn, ``repeats`` times."""
    for one in runners:
        with FlopCounterMode(display=False) as counter:
            one.run()
        one.operations = one.operations or counter.get_total_flops()
    for _ in range(repeats):
        for one in runners:
            one.once()


def table(runners: list[Contestant], products: list[Contestant], clock: str) -> str:
    """One line for each, per pass against ours, and against the matrix products of the run."""
    ceiling = max(one.operations / one.seconds(clock) for one in products)
    per_pass = {one.name: one.seconds(clock) / one.passes for one in runners}
    lines = [
        "| who | seconds | of processor | passes | ms a pass | over ours | GFLOP | GFLOP/s | of ceiling |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in runners:
        rate = one.operations / one.seconds(clock)
        over = f"{per_pass[one.name] / per_pass[one.rival]:.2f}" if one.rival else ""
        lines.append(
            f"| {one.name} | {one.seconds('wall'):.2f} | {one.seconds('busy'):.2f} | {one.passes} | "
            f"{1000 * per_pass[one.name]:.0f} | {over} | {one.operations / 1e9:.1f} | {rate / 1e9:.1f} | "
            f"{100 * rate / ceiling:.0f} % |"
        )
    return "\n".join([*lines, "", f"Ceiling, float32 matrix products: {ceiling / 1e9:.0f} GFLOP/s."])


def install() -> Path:
    """Python of the environment with the peers, made where it is not there yet."""
    python = PEERS / "bin" / "python"
    if python.exists():
        return python
    wanted = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    venv.create(PEERS, with_pip=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base = next(path for path in sys.path if path.endswith("site-packages"))
    (PEERS / "lib" / version / "site-packages" / "base.pth").write_text(f"{base}\n", "utf-8")
    peers = wanted["project"]["optional-dependencies"]["peers"]
    command = [python, "-m", "pip", "install", "--quiet", "-c", REPOSITORY / "constraints.txt", *peers]
    subprocess.run(list(map(str, command)), check=True)
    return python


def main() -> None:
    """Run the race and print its table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are cores")
    parser.add_argument("--precision", default="auto", help="of ours")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall", help="what ratios are of")
    parser.add_argument("--install", action="store_true", help="run in build/peers, made if need be")
    options = parser.parse_args()
    if options.install:
        python = str(install())
        rest = [argument for argument in sys.argv[1:] if argument != "--install"]
        sys.exit(subprocess.run([python, __file__, *rest], check=False).returncode)
    torch.set_num_threads(options.threads or os.cpu_count() or 1)
    load = os.getloadavg()[0]
    runners, absent = contestants(options.precision)
    products = ceilings()
    race([*runners, *products], options.repeats)
    threads, cores = torch.get_num_threads(), os.cpu_count()
    print(f"{SLICES} slices, {threads} threads, {cores} cores, load before {load:.1f}, ", end="")
    print(f"torch {torch.__version__}, medians of {options.repeats} interleaved rounds, ", end="")
    print(f"ratios by the clock of the {options.clock}\n")
    print(table(runners, products, options.clock))
    print(*absent, sep="\n")


if __name__ == "__main__":
    main()
