"""How a cine bundle stands scans that differ from those it was trained on: altered copies of ACDC.

    python Testing/benchmarks/bench_robustness.py --data DIR -o OUT --every 5

Every frame is predicted by the fold that did not see it, as it is and altered: larger pixels, every second
slice, noise, contrast and a coil that shines from one side. The reader's labels are altered likewise.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from scipy import ndimage

from CardiacUQLib.base.threads import wait_politely

wait_politely()

from CardiacUQLib.bundles.bundle import load_bundle  # noqa: E402
from CardiacUQLib.bundles.resident import ResidentBundle  # noqa: E402
from CardiacUQLib.images.volume import Volume  # noqa: E402
from CardiacUQTraining.datasets import open_dataset  # noqa: E402
from CardiacUQTraining.evaluation.cine.end_slices import end_coefficient  # noqa: E402
from CardiacUQTraining.evaluation.cine.frames import frame_scores  # noqa: E402
from CardiacUQTraining.evaluation.shared.markdown import PERCENT, markdown_table  # noqa: E402
from CardiacUQTraining.evaluation.shared.predict import Computer, PassOptions, permitted_folds, predict  # noqa: E402
from CardiacUQTraining.evaluation.shared.statistics import paired_wilcoxon  # noqa: E402

Scan = tuple[Volume, np.ndarray]
AS_IT_IS = "as it is"
PAGE = "robustness.md"
SEED = 20


def coarser(scan: Scan, factor: float = 1.5) -> Scan:
    """Pixels of ``factor`` times the size, smoothed before."""
    volume, truth = scan
    zoom = (1.0, 1 / factor, 1 / factor)
    smooth = ndimage.gaussian_filter(volume.array, (0, factor / 2.5, factor / 2.5))
    array = np.asarray(ndimage.zoom(smooth, zoom, order=1), np.float32)
    labels = np.asarray(ndimage.zoom(truth, zoom, order=0), np.uint8)
    x, y, z = volume.geometry.spacing
    rows, columns = (before / after for before, after in zip(truth.shape[1:], array.shape[1:], strict=True))
    return _resized(volume, array, (x * columns, y * rows, z)), labels


def every_second_slice(scan: Scan) -> Scan:
    """Half of the slices, twice as far apart; stacks of fewer than six stay as they are."""
    volume, truth = scan
    if len(truth) < 6:
        return scan
    x, y, z = volume.geometry.spacing
    return _resized(volume, np.ascontiguousarray(volume.array[::2]), (x, y, 2 * z)), truth[::2]


def grey(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Scan], Scan]:
    """A change of grey values from 0 (darkest) to 1 (99th percentile)."""

    def altered(scan: Scan) -> Scan:
        volume, truth = scan
        low, high = float(volume.array.min()), float(np.quantile(volume.array, 0.99))
        array = change((volume.array - low) / max(high - low, 1e-6)).astype(np.float32)
        return dataclasses.replace(volume, array=array), truth

    return altered


def noisy(x: np.ndarray) -> np.ndarray:
    """Rician noise of 5 % of the brightest tissue."""
    generator = np.random.default_rng(SEED)
    real, imaginary = generator.normal(0, 0.05, (2, *x.shape))
    return np.hypot(x + real, imaginary)


def one_sided(x: np.ndarray) -> np.ndarray:
    """Sensitivity that falls to a third from one side of the image to the other."""
    return x * np.linspace(1.0, 1 / 3, x.shape[2])


ALTERED: Mapping[str, Callable[[Scan], Scan]] = {
    AS_IT_IS: lambda scan: scan,
    "pixels 1.5 x as large": coarser,
    "every second slice": every_second_slice,
    "noise of 5 %": grey(noisy),
    "flatter contrast (gamma 0.6)": grey(lambda x: np.clip(x, 0, None) ** 0.6),
    "steeper contrast (gamma 1.6)": grey(lambda x: np.clip(x, 0, None) ** 1.6),
    "one-sided sensitivity": grey(one_sided),
}


def _resized(volume: Volume, array: np.ndarray, spacing: tuple[float, float, float]) -> Volume:
    slices, rows, columns = array.shape
    geometry = dataclasses.replace(volume.geometry, size=(columns, rows, slices), spacing=spacing)
    array = np.ascontiguousarray(array, np.float32)
    return dataclasses.replace(volume, array=array, geometry=geometry, no_image=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="cine-streaming")
    parser.add_argument("--every", type=int, default=5, help="only every Nth patient")
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args()
    bundle = load_bundle(asked.model)
    networks, manifest = ResidentBundle.of(bundle), bundle.manifest
    dataset = open_dataset("acdc", asked.data)
    patients = sorted({case.patient for case in dataset})[:: asked.every]
    options = PassOptions(views=manifest.views, cross_validated=True)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ALTERED}
    for case in dataset:
        if case.patient not in patients:
            continue
        scan, folds = case.load(), permitted_folds(manifest, case.id, options)
        for name, change in ALTERED.items():
            volume, truth = change(scan)
            labels = predict(volume, networks, folds, options, Computer("cpu", "float32")).segmentation
            found[name].append(frame_scores(labels, truth, manifest.classes, None))
        print(case.id, flush=True)
    asked.output.mkdir(parents=True, exist_ok=True)
    (asked.output / PAGE).write_text(page(found, manifest.version, len(patients), asked.every), "utf-8")


def page(found: Mapping[str, list[dict[str, float]]], version: str, patients: int, every: int) -> str:
    """The table of all alterations."""

    def mean(name: str, figure: str) -> float:
        return float(np.mean([one[figure] for one in found[name]]))

    rows = [
        [
            name, f"{PERCENT * mean(name, 'mean_dice'):.2f}",
            *(f"{PERCENT * mean(name, f'dice_{value}'):.1f}" for value in (1, 2, 3)),
            f"{PERCENT * end_coefficient([one['end_dice'] for one in found[name]]):.1f}",
            "" if name == AS_IT_IS else f"{_p(found[name], found[AS_IT_IS]):.2g}",
        ]
        for name in found
    ]  # fmt: skip
    header = ["frames", "mean Dice", "RV", "myocardium", "LV", "EC", "p mean Dice"]
    return (
        f"# cine-streaming {version} on altered scans\n\n    python Testing/benchmarks/bench_robustness.py "
        f"--data DIR -o OUT --every {every}\n\n{len(found[AS_IT_IS])} ACDC frames of {patients} patients, "
        "each predicted by the fold that did not see it, as they are and altered; the reader's labels are "
        f"altered likewise.\n\n{markdown_table(header, rows)}\n\nIn %. p: Wilcoxon over frames against the "
        "frames as they are.\n"
    )


def _p(altered: list[dict[str, float]], plain: list[dict[str, float]]) -> float:
    return paired_wilcoxon(*([one["mean_dice"] for one in several] for several in (altered, plain)))


if __name__ == "__main__":
    main()
