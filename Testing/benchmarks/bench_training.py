"""Crops per second of the training loop beside a plain PyTorch loop with per-sample MONAI transforms.

    python Testing/benchmarks/bench_training.py [--recipe NAME] [--device cpu] [--threads 1] [--workers 0]

Both train the same network on the same phantoms with the same augmentations (turn, scale, shift, flip,
elastic, bias, contrast, gamma, blur, low resolution, noise, each with the recipe's probability). Ours draws
a batch as one tensor operation where the network lives; the plain loop draws samples one by one in a
DataLoader. Prints a Markdown table with the data side alone, the whole optimiser step, and the ratio that
the network's own share of the step allows at most. A whole step is ours in the precision that the recipe gets
on this device beside the plain loop in float32, then beside the plain loop in the same precision. The plain
loop has PyTorch's layers and memory format as they come. Aim on a processor: 3 times as fast.

Rates are per second of processor time of the process (wall time in brackets), so that other programs on
the machine hardly change them; with --workers the data side also runs elsewhere, and wall time counts.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "CardiacUQ"), str(Path(__file__).parent)]

from CardiacUQLib.base.threads import wait_politely  # noqa: E402

wait_politely()

import torch  # noqa: E402
from plain_layers import plain_layers  # noqa: E402
from torch import Generator, Tensor, nn  # noqa: E402
from torch.utils.data import DataLoader, Dataset  # noqa: E402

from CardiacUQLib.networks.layout import last_format  # noqa: E402
from CardiacUQTraining.datasets import open_dataset  # noqa: E402
from CardiacUQTraining.training.augmentation import spatial  # noqa: E402
from CardiacUQTraining.training.cascade import MARGIN_PX, CascadeMethod  # noqa: E402
from CardiacUQTraining.training.crops import CropSet, crop_cases  # noqa: E402
from CardiacUQTraining.training.intensities import intensity  # noqa: E402
from CardiacUQTraining.training.losses import deep_supervision_loss  # noqa: E402
from CardiacUQTraining.training.optimisation import make_optimiser  # noqa: E402
from CardiacUQTraining.training.ranks import useful_precision  # noqa: E402
from CardiacUQTraining.training.recipe import AugmentationRecipe, StageRecipe, read_recipe  # noqa: E402

CASES = 8
INFARCT, MVO = 3, 4
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Rate:
    """Samples per second of processor time and per second on the clock."""

    busy: float
    wall: float

    def __str__(self) -> str:
        return f"{self.busy:.1f} ({self.wall:.1f})"


@dataclass(frozen=True)
class Samples(Dataset):
    """Whole samples (D, y, x) for the plain loop, one at a time, each through ``change``."""

    images: Tensor
    labels: Tensor
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: int) -> Batch:
        made = self.change({"image": self.images[number], "label": self.labels[number].float()})
        return torch.as_tensor(made["image"]), torch.as_tensor(made["label"]).to(torch.uint8)


def monai_transforms(recipe: AugmentationRecipe, size_px: int) -> Callable:
    """The recipe's augmentations as MONAI has them; the slices of a sample are channels, so that they share
    their parameters, which is also the cheapest way to write it."""
    from monai import transforms as m

    both, image = ["image", "label"], ["image"]
    modes = {"mode": ("bilinear", "nearest"), "padding_mode": ("border", "zeros")}
    turn, zoom = math.radians(recipe.rotation_deg), tuple(s - 1 for s in recipe.scale)
    steps = [
        m.RandAffined(both, prob=recipe.rotation_p, rotate_range=turn, **modes),
        m.RandAffined(both, prob=recipe.scale_p, scale_range=[zoom, zoom], **modes),
        m.RandAffined(both, prob=1.0, translate_range=[recipe.shift_px] * 2, **modes),
        m.Rand2DElasticd(
            both,
            spacing=(size_px / recipe.elastic_grid,) * 2,
            magnitude_range=(0, recipe.elastic_px),
            prob=recipe.elastic_p,
            **modes,
        ),
        m.CenterSpatialCropd(both, (size_px, size_px)),
        m.NormalizeIntensityd(image, channel_wise=True),
        m.RandBiasFieldd(image, degree=1, coeff_range=(-recipe.bias, recipe.bias), prob=recipe.bias_p),
        m.RandScaleIntensityd(image, factors=tuple(c - 1 for c in recipe.contrast), prob=recipe.contrast_p),
        m.RandAdjustContrastd(image, gamma=recipe.gamma, prob=recipe.gamma_p),
        m.RandGaussianSmoothd(
            image, sigma_x=recipe.blur_sigma_px, sigma_y=recipe.blur_sigma_px, prob=recipe.blur_p
        ),
        m.RandSimulateLowResolutiond(
            image, prob=recipe.low_resolution_p, zoom_range=recipe.low_resolution, upsample_mode="bilinear"
        ),
        m.RandGaussianNoised(image, prob=recipe.noise_p, std=recipe.noise_sd[1]),
        m.NormalizeIntensityd(image, channel_wise=True),
        m.EnsureTyped(both, track_meta=False),
    ]
    if recipe.flips:
        steps[3:3] = [m.RandFlipd(both, prob=0.5, spatial_axis=axis) for axis in (0, 1)]
    return m.Compose(steps)


def samples_of(crops: CropSet, depth: int) -> Batch:
    """All stacks of ``depth`` neighbouring slices, (N, D, y, x)."""
    starts = [
        first
        for case in range(len(crops.ids))
        for first in range(crops.slices_of(case).start, crops.slices_of(case).stop - depth + 1)
    ]
    return tuple(
        torch.stack([whole[first : first + depth] for first in starts])
        for whole in (crops.images, crops.labels)
    )


def our_batches(samples: Batch, recipe: StageRecipe, size_px: int) -> Iterator[Batch]:
    """Endless batches drawn as our training draws them."""
    images, labels = samples
    generator = Generator().manual_seed(1)
    while True:
        chosen = torch.randint(0, len(images), (recipe.batch,), generator=generator)
        cut, marks = spatial(images[chosen], labels[chosen], size_px, recipe.augmentation, generator)
        yield intensity(cut, recipe.augmentation, generator), marks


def plain_batches(
    samples: Batch, recipe: StageRecipe, size_px: int, workers: int, device: torch.device
) -> Iterator[Batch]:
    """Endless batches of a DataLoader over single samples."""
    images, labels = (one.cpu() for one in samples)
    data = Samples(images, labels, monai_transforms(recipe.augmentation, size_px))
    loader = DataLoader(data, recipe.batch, shuffle=True, drop_last=True, num_workers=workers)
    while True:
        for cut, marks in loader:
            yield cut.to(device), marks.to(device)


def training_step(
    network: nn.Module, recipe: StageRecipe, *, mixed: bool, plain: bool = False
) -> Callable[[Batch], None]:
    """Forward (``mixed``: in bfloat16 where it may be), loss, backward and optimiser on one batch.

    ``plain``: with PyTorch's layers and memory format as they come.
    """
    optimiser = make_optimiser(network, recipe.optimiser)
    flat = recipe.network.architecture.value.endswith("2d")

    def forward(images: Tensor, labels: Tensor) -> Tensor:
        if flat:
            inputs, target = images, labels[:, 0].long()
        else:
            masks = [(labels == value).float() for value in (INFARCT, MVO)]
            inputs, target = torch.stack([images, *masks], dim=1), labels.long()
        layout = torch.contiguous_format if plain else last_format(inputs.ndim)
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=mixed):
            outputs = network.deep(inputs.contiguous(memory_format=layout))
        return deep_supervision_loss(outputs, target, recipe.loss)

    def step(batch: Batch) -> None:
        with plain_layers() if plain else nullcontext():
            loss = forward(*batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.optimiser.gradient_clip)
        optimiser.step()

    return step


def measured(
    batches: Iterator[Batch], batch: int, seconds: float, use: Callable[[Batch], None] | None = None
) -> Rate:
    """Samples per second over at least ``seconds`` of processor time, after one batch to warm up."""
    use = use or (lambda one: None)
    use(next(batches))
    count, busy, wall = 0, time.process_time(), time.perf_counter()
    while time.process_time() - busy < seconds and time.perf_counter() - wall < 20 * seconds:
        use(next(batches))
        count += 1
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    total = count * batch
    return Rate(total / max(1e-9, time.process_time() - busy), total / (time.perf_counter() - wall))


def main() -> None:
    """Measure both stages and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="cascade-small")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes of the DataLoader")
    parser.add_argument("--seconds", type=float, default=3.0, help="processor time per measurement")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device, recipe = torch.device(options.device), read_recipe(options.recipe)
    method, size_px = CascadeMethod(recipe), recipe.roi.size_px
    crops = crop_cases(open_dataset("phantom", None, CASES).cases, recipe.roi, MARGIN_PX, device)
    print(
        f"recipe {options.recipe}, {device}, {options.threads} threads, {options.workers} workers, ", end=""
    )
    print(f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}, torch {torch.__version__}\n")
    print("| stage | crops/s | ours | plain loop | ratio | at most |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name in ("stage2d", "stage3d"):
        stage = method.stages()[name]
        samples = samples_of(crops, 1 if name == "stage2d" else stage.patch_slices)
        network = method.build(name).to(device).train()
        mixed = useful_precision(recipe.precision, device) == "bf16-mixed"
        ours = training_step(network, stage, mixed=mixed)
        plain, same = (training_step(network, stage, mixed=how, plain=True) for how in (False, mixed))
        batches = {
            "ours": lambda s=stage, x=samples: our_batches(x, s, size_px),
            "plain": lambda s=stage, x=samples: plain_batches(x, s, size_px, options.workers, device),
        }
        data = {who: measured(make(), stage.batch, options.seconds) for who, make in batches.items()}
        whole = {
            who: measured(batches[made](), stage.batch, options.seconds, step)
            for who, made, step in (
                ("ours", "ours", ours),
                ("plain", "plain", plain),
                ("mixed", "plain", same),
            )
        }
        print_rows(name, data, whole, "bf16-mixed" if mixed else "32-true", wall=options.workers > 0)


def print_rows(
    name: str, data: dict[str, Rate], whole: dict[str, Rate], precision: str, *, wall: bool
) -> None:
    """The lines of a stage. The network's share of our step bounds what faster data can bring: with data
    for nothing the step would take what it takes now less our data side."""

    def value(rate: Rate) -> float:
        return rate.wall if wall else rate.busy

    ratio = value(data["ours"]) / value(data["plain"])
    print(f"| {name} | data side | {data['ours']} | {data['plain']} | {ratio:.1f} | |")
    network = max(1e-9, 1 / value(whole["ours"]) - 1 / value(data["ours"]))
    same = {"mixed": f"both in {precision}"} if precision != "32-true" else {}
    for who, how in {"plain": "plain loop in float32", **same}.items():
        ratio = value(whole["ours"]) / value(whole[who])
        most = (1 / network) / value(whole[who])
        print(f"| {name} | whole step, {how} | {whole['ours']} | {whole[who]} | {ratio:.1f} | {most:.1f} |")


if __name__ == "__main__":
    np.random.seed(0)  # noqa: NPY002 - MONAI draws from the global generator
    main()
