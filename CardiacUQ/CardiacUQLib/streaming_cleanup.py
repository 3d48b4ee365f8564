"""A heart has one of each chamber: what lies apart from the largest part of a structure is none of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .manifest import ClassInfo

CONNECTIVITY = np.ones((3, 3, 3), bool)
"""26 neighbours, so that a thin oblique wall between two slices holds together."""


def largest_parts(labels: np.ndarray, classes: Sequence[ClassInfo]) -> np.ndarray:
    """Labels (z, y, x), uint8, with all but the largest connected part of every structure as background.

    The rule of every cine ensemble, chosen on predictions of folds that had not seen the patient.
    """
    cleaned = labels.copy()
    for info in classes:
        mask = labels == info.value
        box = ndimage.find_objects(mask.astype(np.uint8)) if info.value else []
        if not box:
            continue
        parts, count = ndimage.label(mask[box[0]], CONNECTIVITY)
        if count > 1:
            largest = 1 + int(np.bincount(parts.ravel())[1:].argmax())
            cleaned[box[0]][(parts > 0) & (parts != largest)] = 0
    return cleaned
