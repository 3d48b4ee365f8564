"""Does the heart have to lie at the image centre? Real cases padded and cut, so that it lies elsewhere.

Only whole voxels are added or taken away, and never one that the reader labelled: what changes is where
the heart lies in the image, not what it looks like. Any change of the Dice is then the localisation's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from CardiacUQLib.base.progress import ProgressCallback, ignore_progress
from CardiacUQLib.bundles.bundle import Bundle
from CardiacUQLib.images.volume import Geometry, Volume, vector3
from CardiacUQLib.inference.segment import segment

from ...datasets import LabelledCase, LabelledDataset
from ..shared.dice import mean_foreground_dice
from ..shared.judged import check_classes, check_labels, each_case
from ..shared.predict import PassOptions, permitted_folds

CLEARANCE_PX = 4
"""Voxels around the labels that are never cut away."""


@dataclass(frozen=True)
class Move:
    """Voxels added (or, if negative, cut) before and after the image along y and x."""

    name: str
    before_yx: tuple[int, int]
    after_yx: tuple[int, int]


def moves(step_px: int) -> tuple[Move, ...]:
    """Padding on all sides, and the heart shifted by ``step_px`` along each diagonal: by padding alone,
    which also makes the image larger, and by cutting the other side, which keeps its size."""
    s, two = step_px, 2 * step_px
    return (
        Move(f"{s} px added on all sides", (s, s), (s, s)),
        Move(f"shifted by {s} px down and right, larger image", (two, two), (0, 0)),
        Move(f"shifted by {s} px up and left, larger image", (0, 0), (two, two)),
        Move(f"shifted by {s} px down and left, same size", (s, -s), (-s, s)),
        Move(f"shifted by {s} px up and right, same size", (-s, s), (s, -s)),
    )


def moved(volume: Volume, labels: np.ndarray, move: Move) -> tuple[Volume, np.ndarray]:
    """Image and labels (z, y, x) after a move. New voxels have the least grey value of the image and the
    label 0; where a cut would come near a label it is made smaller."""
    before, after = _gentle(labels, move)
    array = _resized(volume.array, before, after, float(volume.array.min()))
    geometry = volume.geometry
    # the first voxel moves against the padding, so that every old voxel stays where it was in the patient
    shift = np.array([-before[1], -before[0], 0.0, 1.0])
    origin = (geometry.index_to_lps @ shift)[:3]
    size = (array.shape[2], array.shape[1], array.shape[0])
    changed = Geometry(size, geometry.spacing, vector3(origin), geometry.direction)
    return (
        dataclasses.replace(volume, array=array, geometry=changed, source_geometry=changed),
        _resized(labels, before, after, 0),
    )


def _gentle(labels: np.ndarray, move: Move) -> tuple[tuple[int, int], tuple[int, int]]:
    """The move's amounts, cuts limited to what leaves :data:`CLEARANCE_PX` around the labels."""
    before, after = [], []
    for axis, (first, last) in enumerate(zip(move.before_yx, move.after_yx, strict=True)):
        own = np.flatnonzero((labels > 0).any(axis=(0, 2 - axis)))
        size = labels.shape[axis + 1]
        low, high = (own[0], own[-1]) if own.size else (size // 2, size // 2)
        before.append(max(first, -max(0, int(low) - CLEARANCE_PX)))
        after.append(max(last, -max(0, size - 1 - int(high) - CLEARANCE_PX)))
    return (before[0], before[1]), (after[0], after[1])


def _resized(array: np.ndarray, before: tuple[int, int], after: tuple[int, int], fill: float) -> np.ndarray:
    cut = array[
        :,
        max(0, -before[0]) : array.shape[1] - max(0, -after[0]),
        max(0, -before[1]) : array.shape[2] - max(0, -after[1]),
    ]
    widths = [(0, 0)] + [(max(0, b), max(0, a)) for b, a in zip(before, after, strict=True)]
    return np.pad(cut, widths, constant_values=fill)


@dataclass(frozen=True)
class Robustness:
    """Mean Dice of every case where it was (``still``) and after each move, cases in order; the cases
    that could not be judged as one line each."""

    cases: tuple[str, ...]
    still: np.ndarray
    after: dict[str, np.ndarray]
    failures: tuple[str, ...]

    def rows(self) -> list[tuple[str, float, float, float]]:
        """Per move: its name, mean Dice, mean change of the Dice and the change of the worst case."""
        return [
            (name, float(dice.mean()), float((dice - self.still).mean()), float((dice - self.still).min()))
            for name, dice in self.after.items()
        ]


def judge_positions(
    bundle: Bundle,
    dataset: LabelledDataset,
    chosen: Sequence[Move],
    passes: PassOptions,
    *,
    device: str = "auto",
    precision: str = "auto",
    progress: ProgressCallback = ignore_progress,
    on_failure: Callable[[str], None] = lambda line: None,
) -> Robustness:
    """Segment every case as it is and after each move, by folds that may judge it, and compare the Dice.

    For every kind of bundle. A case that cannot be judged is one line and the others go on.
    """
    check_classes(bundle, dataset)
    found, failures = each_case(
        dataset.cases,
        lambda case: _judge_case(bundle, case, chosen, passes, device, precision),
        progress,
        on_failure,
    )
    table = np.array(list(found.values()), float).reshape(len(found), 1 + len(chosen))
    after = {move.name: table[:, 1 + n] for n, move in enumerate(chosen)}
    return Robustness(tuple(found), table[:, 0], after, tuple(failures.values()))


def _judge_case(
    bundle: Bundle,
    case: LabelledCase,
    chosen: Sequence[Move],
    passes: PassOptions,
    device: str,
    precision: str,
) -> list[float]:
    volume, labels = case.load()
    classes = len(bundle.manifest.classes)
    check_labels(case, labels, volume.array.shape, classes)
    folds = permitted_folds(bundle.manifest, case.id, passes)
    scans = [(volume, labels), *(moved(volume, labels, move) for move in chosen)]
    return [
        mean_foreground_dice(
            segment(
                scan, bundle, device=device, precision=precision, folds=folds, views=passes.views
            ).segmentation,
            truth,
            classes,
        )
        for scan, truth in scans
    ]
