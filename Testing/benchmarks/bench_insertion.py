"""How far the insertion of the right ventricle is off when it is found on LGE without a label for it.

    python Testing/benchmarks/bench_insertion.py --data DIR [--store]

LGE training labels know no right ventricle; inference asks the cine ensemble, which never saw an LGE image
(:mod:`CardiacUQLib.inference.insertion`). The angle of the point it finds, about the left ventricle of the
LGE bundle, is compared with that of the reader's labels of both ventricles (MyoPS 2020), in degrees, for fold
0 of the cine ensemble, folds 0 to 2 (which are kept) and all. ``--store`` writes the figures of the chosen
folds into the manifest.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "CardiacUQ")]

from CardiacUQLib.base.threads import wait_politely  # noqa: E402

wait_politely()

from CardiacUQLib.bundles.bundle import load_bundle, open_bundle, write_manifest  # noqa: E402
from CardiacUQLib.bundles.classes import CINE_CLASSES  # noqa: E402
from CardiacUQLib.bundles.manifest import InsertionFinder  # noqa: E402
from CardiacUQLib.bundles.resident import ResidentBundle  # noqa: E402
from CardiacUQLib.images.volume import Volume  # noqa: E402
from CardiacUQLib.inference.insertion import find_insertion  # noqa: E402
from CardiacUQLib.inference.jobs import Job  # noqa: E402
from CardiacUQLib.inference.segment import segment  # noqa: E402
from CardiacUQLib.measures.anatomy import anatomy_of  # noqa: E402
from CardiacUQLib.measures.insertion import insertion_from_point, insertion_from_rv  # noqa: E402
from CardiacUQTraining.datasets import open_dataset  # noqa: E402
from CardiacUQTraining.datasets.case import LabelledCase  # noqa: E402

BOTH_VENTRICLES = {0: 0, 200: 2, 500: 3, 600: 1, 1220: 2, 2221: 2}
"""MyoPS labels as those of a cine frame."""
COMPANION = "cine-streaming"
CHOSEN = "folds 0 to 2"
"""Which choice of folds ``--store`` keeps."""


def reader_angle(case: LabelledCase, volume: Volume) -> float | None:
    """Display angle of the insertion by the reader's labels of both ventricles."""
    _, labels = dataclasses.replace(case, label_map=BOTH_VENTRICLES, merged={}).load()
    found = insertion_from_rv(anatomy_of(labels, CINE_CLASSES, volume.geometry), volume.geometry)
    return None if found is None else found[0]


def our_angle(volume: Volume, labels: np.ndarray, bundle: ResidentBundle) -> float | None:
    """Display angle of the point that inference finds for these labels."""
    job = Job(volume, bundle, bundle.manifest.folds, bundle.manifest.views)
    point = find_insertion(job, labels, bundle, device="cpu").insertion
    if point is None:
        return None
    left = anatomy_of(labels, bundle.manifest.classes, volume.geometry)
    ring = np.flatnonzero(left.wall.any(axis=(1, 2)) & left.cavity.any(axis=(1, 2)))
    return insertion_from_point(left, volume.geometry, ring, point.ras)


def off_by(reader: float | None, ours: float | None) -> float:
    """Between 0 and 180 degrees, NaN where one of them is missing."""
    return float("nan") if reader is None or ours is None else abs((ours - reader + 180) % 360 - 180)


def asking(bundle: ResidentBundle, folds: tuple[int, ...]) -> ResidentBundle:
    """The same networks, with the companion asked by these folds."""
    finder = InsertionFinder(COMPANION, folds, 0.0, 180.0)
    return dataclasses.replace(bundle, manifest=dataclasses.replace(bundle.manifest, insertion=finder))


def main() -> None:
    """Print one line per case and the figures of all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of MyoPS 2020")
    parser.add_argument("--lge", default="lge-cascade")
    parser.add_argument("--store", action="store_true", help="keep the figures in the manifest of --lge")
    options = parser.parse_args()
    plain = ResidentBundle.of(load_bundle(options.lge))
    silent = dataclasses.replace(plain, manifest=dataclasses.replace(plain.manifest, insertion=None))
    choices = {"fold 0": (0,), "folds 0 to 2": (0, 1, 2), "all folds": load_bundle(COMPANION).manifest.folds}
    errors: dict[str, list[float]] = {name: [] for name in choices}
    for case in open_dataset("myops", options.data, complete=False).cases:
        try:
            volume, _ = case.load()
        except Exception as error:  # one broken case must not cost the others
            print(f"{case.id}: {type(error).__name__}: {error}")
            continue
        labels = segment(volume, silent, device="cpu").segmentation
        reader = reader_angle(case, volume)
        for name, folds in choices.items():
            errors[name].append(off_by(reader, our_angle(volume, labels, asking(plain, folds))))
        print(
            f"{case.id}: " + ", ".join(f"{name} off by {values[-1]:.1f}" for name, values in errors.items())
        )
    for name, values in errors.items():
        known = np.array(values)[~np.isnan(values)]
        median, ninety = float(np.median(known)), float(np.percentile(known, 90))
        print(
            f"{name}: found in {len(known)} of {len(values)}; off by {median:.1f} degrees in the median, "
            f"{ninety:.1f} at 90 %"
        )
        if options.store and name == CHOSEN:
            bundle = open_bundle(plain.folder)
            finder = InsertionFinder(COMPANION, choices[name], round(median, 1), round(ninety, 1))
            write_manifest(dataclasses.replace(bundle.manifest, insertion=finder), bundle.folder)


if __name__ == "__main__":
    main()
