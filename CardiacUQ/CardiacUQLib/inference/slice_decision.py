"""Base and apex of a cine frame: which structures are drawn in which slices, decided on the whole stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.arg_max import arg_max
from ..base.errors import ModelError
from ..base.json_codec import JsonMismatch, decode
from ..bundles.manifest import ClassInfo, Manifest
from ..uncertainty.presence import class_values
from ..uncertainty.slice_presence import KEY, STRUCTURES, SlicePresence, likely_stretch, slice_evidence
from .streaming_cleanup import main_parts, wall_share

DRAWN_SHARE = 0.4
"""Where a structure should be and another class is likelier everywhere, its pixels are those with this share
of the slice's highest probability: the labels of the highest expected Dice lie at half of that Dice, and what
is hardly seen promises little."""


@dataclass(frozen=True)
class SliceDecision:
    """Slices (z,), bool, that each structure is in, by label value; others are drawn as they are likeliest.
    Taken once, in the pixels of the networks, and applied wherever the case is looked at.
    """

    present: Mapping[int, np.ndarray]

    def labels(self, p: np.ndarray, classes: Sequence[ClassInfo]) -> np.ndarray:
        """Labels (z, y, x), uint8, of softmax ``p`` (C, z, y, x), each structure in one part."""
        if self.present:
            p = p.copy()
        for value, slices in self.present.items():
            p[value][~slices] = 0.0
        labels = arg_max(p)
        for value, slices in self.present.items():
            for z in np.flatnonzero(slices & ~(labels == value).any(axis=(1, 2))):
                if (highest := float(p[value][z].max())) > 0:
                    labels[z][p[value][z] > DRAWN_SHARE * highest] = value
        return main_parts(labels, classes)


NO_DECISION = SliceDecision({})
"""Of a bundle without such a fit: the likeliest class everywhere."""


def decide_slices(
    p: np.ndarray, manifest: Manifest, folds: Sequence[int], pixel_mm2: float, slice_mm: float
) -> SliceDecision:
    """What the bundle's fit says of softmax ``p`` (C, z, y, x) that ``folds`` predicted together."""
    fitted = manifest.calibration.get(KEY)
    if fitted is None:
        return NO_DECISION
    try:
        presence = decode(fitted, SlicePresence, KEY)
    except (JsonMismatch, ValueError) as error:
        raise ModelError(f"bundle '{manifest.name}': calibration {KEY}: {error}; fit it anew") from None
    values = class_values(manifest.classes)
    evidence = evidence_of(p, manifest.classes, pixel_mm2, slice_mm)
    likely = presence.probabilities(evidence, folds)
    return SliceDecision({values[name]: likely_stretch(found) for name, found in likely.items()})


def evidence_of(
    p: np.ndarray, classes: Sequence[ClassInfo], pixel_mm2: float, slice_mm: float
) -> dict[str, list[dict[str, float]]]:
    """:func:`slice_evidence` of softmax ``p`` (C, z, y, x). Raises ModelError if a structure has no class."""
    values = class_values(classes)
    if missing := [name for name in STRUCTURES if name not in values]:
        raise ModelError(f"the bundle has no class named '{missing[0]}'; leave {KEY} out of its calibration")
    labels = main_parts(arg_max(p), classes)
    own = p[[values[name] for name in STRUCTURES]]
    drawn = np.stack([labels == values[name] for name in STRUCTURES])
    counts = drawn.sum(axis=(2, 3))
    wall, cavity = (labels == values[name] for name in ("myocardium", "LV"))
    return slice_evidence(
        own.sum(axis=(2, 3), dtype=float),
        own.max(axis=(2, 3)),
        np.where(counts > 0, (own * drawn).sum(axis=(2, 3)) / np.maximum(1, counts), 0.0),
        wall_share(cavity, wall),
        counts[2] > 0,
        pixel_mm2,
        slice_mm,
    )
