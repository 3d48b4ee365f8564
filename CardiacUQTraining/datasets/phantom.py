"""Phantoms as a data set: made on the fly from seeds, or read from a folder in EMIDEC's layout."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.images.volume import Volume

from .acdc import LABELS as CINE_LABELS
from .case import LabelledCase, LabelledDataset
from .emidec import LABELS, emidec_dataset

FIRST_SEED = 1000
"""Apart from the seeds of demo and tests, so that those stay unseen by a training."""


def phantom_dataset(folder: Path | None, cases: int) -> LabelledDataset:
    """Phantoms of ``folder`` if it is given, else ``cases`` seeded ones with image and truth."""
    if folder is not None:
        return emidec_dataset(Path(folder))
    made = [
        LabelledCase(
            f"Phantom_{seed}",
            "phantom",
            Path(f"phantom-{seed}"),
            Path(f"phantom-{seed}"),
            LABELS,
            maker=partial(_make, seed),
        )
        for seed in range(FIRST_SEED, FIRST_SEED + cases)
    ]
    return LabelledDataset("phantom", LGE_CLASSES, tuple(made))


def cine_phantom_dataset(patients: int) -> LabelledDataset:
    """ED and ES of ``patients`` seeded cine phantoms."""
    cases = []
    for seed in range(FIRST_SEED, FIRST_SEED + patients):
        for phase in ("ED", "ES"):
            name, source = f"CinePhantom_{seed}", Path(f"cine-phantom-{seed}")
            maker = partial(_make_cine, seed, phase)
            cases.append(
                LabelledCase(
                    f"{name}_{phase}", "phantom", source, source, CINE_LABELS, name, phase, maker=maker
                )
            )
    return LabelledDataset("cine-phantom", CINE_CLASSES, tuple(cases))


def _make_cine(seed: int, phase: str) -> tuple[Volume, np.ndarray]:
    from CardiacUQLib.phantom import as_volume, cine_phantom

    pair = cine_phantom(seed)
    phantom = pair.ed if phase == "ED" else pair.es
    return as_volume(phantom), phantom.labels


def _make(seed: int) -> tuple[Volume, np.ndarray]:
    from CardiacUQLib.phantom import as_volume, lge_phantom

    phantom = lge_phantom(seed)
    return as_volume(phantom), phantom.labels
