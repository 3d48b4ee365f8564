"""Looking at a data set before a training does: is every case usable, and what are the cases like."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from CardiacUQLib.base.errors import CardiacUQError, UsageError
from CardiacUQLib.images.volume import Volume

from .case import LabelledCase, LabelledDataset

TEST = "test"


@dataclass(frozen=True)
class CaseFacts:
    """What one usable case is like: voxel size (x, y, z) in mm, voxels (x, y, z), grey values (1st, 50th and
    99th percentile), volume in ml of every class by value, hash of the grey values."""

    case: LabelledCase
    spacing_mm: tuple[float, float, float]
    size: tuple[int, int, int]
    grey: tuple[float, float, float]
    class_ml: tuple[float, ...]
    pixels: str


@dataclass(frozen=True)
class Fingerprint:
    """All usable cases of a data set, why others are not, and what is suspicious about the whole."""

    dataset: LabelledDataset
    facts: tuple[CaseFacts, ...]
    unusable: tuple[str, ...]
    doubts: tuple[str, ...]


def training_cases(dataset: LabelledDataset) -> LabelledDataset:
    """The data set without the cases that are kept for a test."""
    return replace(dataset, cases=tuple(case for case in dataset if case.split != TEST))


def of_split(dataset: LabelledDataset, split: str, *, cross_validated: bool) -> LabelledDataset:
    """The cases of one split; of none named all, or those that folds have held out.

    Raises :class:`UsageError` for a split that no case has.
    """
    if not split:
        return training_cases(dataset) if cross_validated else dataset
    cases = tuple(case for case in dataset if case.split == split)
    if not cases:
        known = ", ".join(sorted({case.split for case in dataset if case.split})) or "none"
        raise UsageError(f"--split {split}: no case is of it; the data set has {known}")
    return replace(dataset, cases=cases)


def fingerprint(
    dataset: LabelledDataset,
    look: Callable[[LabelledCase, Volume, np.ndarray], None] = lambda case, volume, labels: None,
) -> Fingerprint:
    """Read every case and describe it; what cannot be read is one line each. ``look`` sees what is read."""
    facts, unusable = [], []
    for case in dataset:
        try:
            volume, labels = case.load()
            facts.append(_facts(case, volume, labels, len(dataset.classes)))
            look(case, volume, labels)
        except CardiacUQError as error:
            unusable.append(f"{case.id}: {error}")
    return Fingerprint(dataset, tuple(facts), tuple(unusable), tuple(_doubts(dataset, facts)))


def _facts(case: LabelledCase, volume: Volume, labels: np.ndarray, classes: int) -> CaseFacts:
    counts = np.bincount(labels.ravel(), minlength=classes) * volume.geometry.voxel_volume_ml
    low, middle, high = np.percentile(volume.array, (1, 50, 99))
    return CaseFacts(
        case,
        volume.geometry.spacing,
        volume.geometry.size,
        (float(low), float(middle), float(high)),
        tuple(float(ml) for ml in counts),
        hashlib.sha256(np.ascontiguousarray(volume.array).tobytes()).hexdigest(),
    )


def _doubts(dataset: LabelledDataset, facts: Sequence[CaseFacts]) -> list[str]:
    doubts = []
    seen: dict[str, LabelledCase] = {}
    for one in facts:
        twin = seen.setdefault(one.pixels, one.case)
        if twin is not one.case:
            leak = "; one is for training, one for the test" if twin.split != one.case.split else ""
            doubts.append(f"{twin.id} and {one.case.id} are the same image{leak}")
        if not sum(one.class_ml[1:]):
            doubts.append(f"{one.case.id}: nothing is labelled")
    doubts += _parted_patients(dataset)
    for info in dataset.classes[1:]:
        with_it = sum(one.class_ml[info.value] > 0 for one in facts)
        if facts and not with_it and info.value not in dataset.cases[0].merged:
            doubts.append(f"no case has any {info.name}: a model cannot learn it")
    return doubts


def _parted_patients(dataset: LabelledDataset) -> list[str]:
    splits: dict[str, set[str]] = {}
    for case in dataset:
        if case.patient:
            splits.setdefault(case.patient, set()).add(TEST if case.split == TEST else "train")
    return [
        f"patient {patient} is in the training and in the test"
        for patient, own in splits.items()
        if len(own) > 1
    ]
