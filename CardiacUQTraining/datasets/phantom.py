"""Phantoms as a data set: made on the fly from seeds, or read from a folder in EMIDEC's layout."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from CardiacUQLib.classes import LGE_CLASSES
from CardiacUQLib.volume import Volume

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
            partial(_make, seed),
        )
        for seed in range(FIRST_SEED, FIRST_SEED + cases)
    ]
    return LabelledDataset("phantom", LGE_CLASSES, tuple(made))


def _make(seed: int) -> tuple[Volume, np.ndarray]:
    from CardiacUQLib.phantom import as_volume, lge_phantom

    phantom = lge_phantom(seed)
    return as_volume(phantom), phantom.labels
