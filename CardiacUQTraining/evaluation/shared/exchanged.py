"""Labels whose class values are exchanged: a reader's 1 is often another's 2, and Dice then means nothing.

Every class of the reader is compared with every class of the model over all judged cases. If giving the
values other names makes the model right, the data are most likely numbered in another order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from CardiacUQLib.bundles.manifest import ClassInfo

from .judged import Judged

GAIN = 0.2
"""Mean Dice that exchanged values must bring before they are named."""


@dataclass(frozen=True)
class Exchange:
    """``renamed`` gives the class that every exchanged label value seems to mean; mean Dice over the classes
    that occur, of all cases taken as one, as the data are and with the values exchanged."""

    renamed: tuple[tuple[int, str], ...]
    dice: float
    exchanged_dice: float

    def as_text(self) -> str:
        """One line for page and terminal."""
        means = ", ".join(f"{value} as '{name}'" for value, name in self.renamed)
        return (
            f"the class values of the data seem to be exchanged: taking label {means} the Dice of all cases "
            f"together would be {self.exchanged_dice:.2f} instead of {self.dice:.2f}; "
            "give the data the model's values, or name the classes in their table"
        )


def overlaps(pairs: Iterable[tuple[np.ndarray, np.ndarray]], classes: int) -> np.ndarray:
    """Voxels (reader's class, model's class) over pairs of label maps of equal shape."""
    counts = np.zeros(classes * classes, np.int64)
    for truth, predicted in pairs:
        codes = truth.astype(np.int64).ravel() * classes + predicted.ravel()
        counts += np.bincount(codes, minlength=classes * classes)
    return counts.reshape(classes, classes)


def find_exchange(counts: np.ndarray, classes: Sequence[ClassInfo]) -> Exchange | None:
    """The exchange of foreground values that makes reader and model agree best; None unless it brings
    :data:`GAIN`. ``counts`` as of :func:`overlaps`."""
    size = counts.sum(axis=1)[:, None] + counts.sum(axis=0)[None, :]
    dice = np.divide(2.0 * counts, size, out=np.zeros(counts.shape), where=size > 0)[1:, 1:]
    known = np.flatnonzero(counts.sum(axis=1)[1:] > 0)  # a value that no reader gave cannot be exchanged
    if not known.size:
        return None
    rows, columns = linear_sum_assignment(dice[known], maximize=True)
    before, after = float(dice[known, known].mean()), float(dice[known[rows], columns].mean())
    if after - before < GAIN:
        return None
    names = {info.value: info.name for info in classes}
    renamed = tuple(
        (int(known[row]) + 1, names[int(column) + 1])
        for row, column in zip(rows, columns, strict=True)
        if known[row] != column
    )
    return Exchange(renamed, before, after)


def exchange_hints(judged: Judged, classes: Sequence[ClassInfo]) -> tuple[str, ...]:
    """What to tell of exchanged class values in the judged cases: one line, or nothing."""
    arrays = (judged.store.arrays(name) for name in judged.figures)
    found = find_exchange(overlaps(((a.truth, a.segmentation) for a in arrays), len(classes)), classes)
    return () if found is None else (found.as_text(),)
