"""Labelled cases read once and kept in memory for as long as a training prepares itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from CardiacUQLib.base.errors import CardiacUQError
from CardiacUQLib.images.volume import Volume

from .case import LabelledCase, LabelledDataset

MOST_HELD_BYTES = 2 << 30
"""Cases beyond are read again each time they are needed: a data set need not fit into memory."""


def read_once(
    dataset: LabelledDataset,
    on_skip: Callable[[str], None],
    progress: Callable[[int, int], None] = lambda number, count: None,
    most_bytes: int = MOST_HELD_BYTES,
) -> LabelledDataset:
    """The cases that can be read, each of which gives from now on what was read.

    Every other case is told to ``on_skip`` in one line; ``progress`` hears how many of how many are read.
    """
    kept, held = [], 0
    for number, case in enumerate(dataset):
        progress(number, len(dataset))
        try:
            volume, labels = case.load()
        except CardiacUQError as error:
            on_skip(f"{case.id}: left out: {error}")
            continue
        held += volume.array.nbytes + labels.nbytes
        kept.append(_holding(case, volume, labels) if held <= most_bytes else case)
    return replace(dataset, cases=tuple(kept))


def _holding(case: LabelledCase, volume: Volume, labels: np.ndarray) -> LabelledCase:
    return replace(case, maker=lambda: (volume, labels))
