"""What the scans that trained a model look like, so that a cohort can flag those that look different."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.bundle import Bundle, write_manifest

from ..datasets import LabelledCase, LabelledDataset
from ..datasets.scan_features import input_features

INPUT_STATISTICS = "input_statistics"
"""Key of ``Manifest.training`` and of a run's record: feature to [low, high]."""

WIDER, AT_LEAST = 0.5, 0.1
"""A range reaches beyond what was seen by half its span, and by at least a tenth of its largest value,
but of quantities above 0 not below half the smallest."""


def usual_ranges(cases: Iterable[LabelledCase]) -> dict[str, list[float]]:
    """For every feature of :func:`input_features` the range that counts as like the training data.

    The smallest and largest value of all scans, widened so that a scan just beyond them is no alarm and
    a feature that never varied has a width. Raises InputError for a scan that cannot be read.
    """
    seen: dict[str, list[float]] = {}
    for case in cases:
        volume, _ = case.load()
        for name, value in input_features(volume).items():
            if value is not None:
                seen.setdefault(name, []).append(value)
    return {name: _widened(min(values), max(values)) for name, values in seen.items()}


def _widened(low: float, high: float) -> list[float]:
    room = max(WIDER * (high - low), AT_LEAST * max(abs(low), abs(high)))
    lowest = max(low - room, low / 2) if low > 0 else low - room
    return [float(f"{lowest:.4g}"), float(f"{high + room:.4g}")]


def store_input_statistics(bundle: Bundle, dataset: LabelledDataset) -> tuple[int, dict[str, list[float]]]:
    """Write the ranges of the scans that trained ``bundle`` into its manifest; their number and the ranges.

    The scans are those of ``dataset`` that the manifest names as held out by some fold. Raises UsageError
    if there is none, InputError for a scan that cannot be read; the manifest is then as it was.
    """
    named = {case for held_out in bundle.manifest.held_out.values() for case in held_out}
    cases = [case for case in dataset if case.id in named]
    if not cases:
        raise UsageError(
            f"{bundle.folder}: none of the {len(dataset)} scans of {dataset.name} trained this bundle; "
            "give the data set it was trained on"
        )
    ranges = usual_ranges(cases)
    training = {**bundle.manifest.training, INPUT_STATISTICS: ranges}
    write_manifest(dataclasses.replace(bundle.manifest, training=training), bundle.folder)
    return len(cases), ranges
