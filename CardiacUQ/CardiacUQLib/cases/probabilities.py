"""The class probabilities of a case at one point, in words: "infarct 62 %, healthy myocardium 30 %"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from ..bundles.manifest import ClassInfo
from ..images.image_file import read_components
from ..images.probability_file import WHOLE
from ..images.volume import Geometry
from .casefolder import PROBABILITIES_FILE

NOT_STORED = "class probabilities were not stored"
"""What is said at the cursor of a case without them."""

LEAST_PERCENT = 5
"""What is less probable is not named, unless it is the only class."""


@dataclass(frozen=True)
class ClassProbabilities:
    """Probabilities in 255ths, uint8 (class, k, j, i) on ``geometry``, of ``classes`` in this order."""

    values: np.ndarray
    geometry: Geometry
    classes: tuple[ClassInfo, ...]

    def words(self, voxel: tuple[int, int, int]) -> str:
        """The probable classes at a voxel (k, j, i), most probable first."""
        percent = np.round(self.values[:, *voxel] * (100.0 / WHOLE)).astype(int)
        order = sorted(range(len(percent)), key=lambda value: (-percent[value], value))
        named = [value for value in order if percent[value] >= LEAST_PERCENT] or order[:1]
        return ", ".join(f"{self.classes[value].name} {percent[value]} %" for value in named)

    def words_at(self, ras: Sequence[float]) -> str:
        """The same at a point in mm; "" outside."""
        lps = np.array([-ras[0], -ras[1], ras[2], 1.0])
        i, j, k = np.round(np.linalg.solve(self.geometry.index_to_lps, lps)[:3]).astype(int).tolist()
        inside = all(0 <= at < n for at, n in zip((k, j, i), self.geometry.shape, strict=True))
        return self.words((k, j, i)) if inside else ""


def read_class_probabilities(folder: Path, classes: tuple[ClassInfo, ...]) -> ClassProbabilities | None:
    """Those of a case folder, None if it has none; raises InputError for a file of other classes."""
    path = folder / PROBABILITIES_FILE
    if not path.exists():
        return None
    values, geometry = read_components(path)
    if len(values) != len(classes) or values.dtype != np.uint8:
        problem = f"holds {len(values)} values of type {values.dtype} per voxel, not {len(classes)} bytes"
        raise InputError(path, problem, "segment the image again with --probabilities")
    return ClassProbabilities(values, geometry, classes)
