"""What one segmented case consists of, before it is written anywhere."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..bundles.manifest import BundleKind, ClassInfo
from ..images.volume import Volume
from ..uncertainty.quality import PredictedDice
from ..uncertainty.verdict import Verdict


class MapName(enum.StrEnum):
    """Voxel-wise maps; the value is the file stem in the case folder.

    The plain names belong to the final prediction, ``*_2D`` to the 2D stage of the cascade, ``*_member*``
    to the members of a cine ensemble (of more than four, the first four are kept).
    """

    SCS = "scs"
    VARIANCE = "variance"
    ENTROPY = "entropy"
    MUTUAL_INFORMATION = "mutual_information"
    MAX_PROBABILITY = "max_probability"
    VARIANCE_2D = "variance_2d"
    ENTROPY_2D = "entropy_2d"
    MUTUAL_INFORMATION_2D = "mutual_information_2d"
    MAX_PROBABILITY_2D = "max_probability_2d"
    ERROR_PROBABILITY = "error_probability"
    UNCERTAINTY = "uncertainty"
    SIGMA_0 = "sigma_member0"
    SIGMA_1 = "sigma_member1"
    SIGMA_2 = "sigma_member2"
    SIGMA_3 = "sigma_member3"
    WEIGHT_0 = "weight_member0"
    WEIGHT_1 = "weight_member1"
    WEIGHT_2 = "weight_member2"
    WEIGHT_3 = "weight_member3"


SIGMAS = (MapName.SIGMA_0, MapName.SIGMA_1, MapName.SIGMA_2, MapName.SIGMA_3)
"""How consistently each member of a cine ensemble sees one class over the slices; the same in all slices."""

WEIGHTS = (MapName.WEIGHT_0, MapName.WEIGHT_1, MapName.WEIGHT_2, MapName.WEIGHT_3)
"""What each member counts at each pixel."""


@dataclass(frozen=True)
class Component:
    """One connected region of the Discrete Correction Map (DCM).

    ``was`` is the 2D stage's label, ``became`` the final one; slices count from 0 in slice order;
    ``centroid_ras`` in mm; ``priority`` orders the review queue, highest first.
    """

    id: int
    was: int
    became: int
    voxels: int
    volume_mm3: float
    first_slice: int
    last_slice: int
    centroid_ras: tuple[float, float, float]
    mean_scs: float
    max_scs: float
    priority: float


@dataclass(frozen=True)
class RunRecord:
    """How a result came about; written to ``case.json``. Times in seconds, memory in MB.

    ``default_map`` is the map that the evaluation of the bundle found to say most about errors.
    """

    bundle: str
    bundle_version: str
    bundle_sha256: str
    device: str
    precision: str
    folds: tuple[int, ...]
    views: tuple[str, ...]
    timings: Mapping[str, float]
    peak_memory_mb: float
    versions: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    peak_gpu_memory_mb: float = 0.0
    default_map: MapName | None = None


@dataclass(frozen=True)
class Result:
    """A segmented volume. All arrays are (z, y, x) on ``volume.geometry``, voxel for voxel.

    ``segmentation`` and ``stage2d`` are uint8 labels, ``dcm`` uint8 codes was * C + became with 0
    for no correction, ``component_ids`` int32 ids of the DCM components (0 outside), every map
    float32 and 0 (or 1 for maximum probability) outside the ROI. ``pass_volumes_ml[p, c]`` is the
    volume of class c in pass p of the ensemble, the raw material of the intervals.

    On the case as a whole: its verdict (None where the bundle has no fit for one), the Dice to be expected
    (the mean first), P(lesion) by name, in what the scan differs from those of the training, the
    evidence that these come from (:mod:`CardiacUQLib.uncertainty.evidence`), and what could not be said for
    want of a fit.
    """

    volume: Volume
    kind: BundleKind
    classes: tuple[ClassInfo, ...]
    segmentation: np.ndarray
    stage2d: np.ndarray
    maps: Mapping[MapName, np.ndarray]
    dcm: np.ndarray
    component_ids: np.ndarray
    components: tuple[Component, ...]
    pass_volumes_ml: np.ndarray
    run: RunRecord
    measures: Mapping[str, Any] = field(default_factory=dict)
    verdict: Verdict | None = None
    predicted_dice: tuple[PredictedDice, ...] = ()
    presence: Mapping[str, float] = field(default_factory=dict)
    unlike: tuple[str, ...] = ()
    evidence: Mapping[str, float] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
