"""What no heart is: sizes that speak against a result whatever the networks say, and a ventricle cut short.

The traits of :mod:`.likeness` weigh many figures against each other, so that one impossible size among two
dozen usual ones is not heard. These few are asked alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..bundles.manifest import ClassInfo
from ..images.volume import Geometry
from .traits import POOLS, WALLS

LONGEST_MM, LARGEST_ML = 180.0, 1200.0
"""Beyond all left ventricles, cavity and wall; the largest of 180 patients measure 110 mm and 537 ml."""
ABRUPT = 0.6
"""Share of the largest slice from which the smaller end of a ventricle is no apex: at most .58 in 198 of 200
cine frames as readers drew them."""
LEAST_SLICES = 3


def impossible(labels: np.ndarray, classes: Sequence[ClassInfo], geometry: Geometry) -> tuple[str, ...]:
    """In words, what no left ventricle can be of ``labels`` (z, y, x): its length, its volume."""
    areas = _areas(labels, classes)
    shown = np.flatnonzero(areas)
    if not shown.size:
        return ()
    found = []
    length = float(shown[-1] - shown[0] + 1) * geometry.spacing[2]
    if length > LONGEST_MM:
        found.append(f"ventricle of {length:.0f} mm, no heart is longer than {LONGEST_MM:.0f}")
    volume = float(areas.sum()) * geometry.voxel_volume_ml
    if volume > LARGEST_ML:
        found.append(f"ventricle with its wall of {volume:.0f} ml, no heart has more than {LARGEST_ML:.0f}")
    return tuple(found)


def cut_short(labels: np.ndarray, classes: Sequence[ClassInfo]) -> str:
    """In words, that ``labels`` (z, y, x) end in the middle of the ventricle; "" where they taper."""
    areas = _areas(labels, classes)
    shown = np.flatnonzero(areas)
    if shown.size < LEAST_SLICES:
        return ""
    share = min(areas[shown[0]], areas[shown[-1]]) / areas.max()
    if share <= ABRUPT:
        return ""
    how = f"with {100 * share:.0f} % of its largest slice"
    return f"the ventricle ends abruptly, {how}: is the apex in the stack?"


def _areas(labels: np.ndarray, classes: Sequence[ClassInfo]) -> np.ndarray:
    """Voxels of cavity and wall of the left ventricle by slice, (z,)."""
    ventricle = [info.value for info in classes if info.name in (*POOLS, *WALLS)]
    return np.isin(labels, ventricle).sum(axis=(1, 2))
