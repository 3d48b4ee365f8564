"""What one segmented case consists of, before it is written anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..bundles.manifest import BundleKind, ClassInfo
from ..bundles.map_catalogue import MapName
from ..images.volume import Geometry, StorageOrder, Volume
from ..uncertainty.bands import Band
from ..uncertainty.look import Look
from ..uncertainty.quality import PredictedDice
from ..uncertainty.verdict import Verdict


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


@dataclass(frozen=True, repr=False)
class Result:
    """A segmented volume. All arrays are (z, y, x) on ``volume.geometry``, voxel for voxel.

    ``segmentation`` and ``opinion``, the overruled labels of the 2D stage or of the dissenting member (None
    where no member was overruled), are uint8 labels, ``dcm`` uint8 codes was * C + became with 0
    for no correction, ``component_ids`` int32 ids of the DCM components (0 outside), every map
    float32 and 0 (or 1 for maximum probability) outside the ROI. ``pass_volumes_ml[p, c]`` is the
    volume of class c in pass p of the ensemble, the raw material of the intervals.

    On the case as a whole: its verdict (None where the bundle has no fit for one), the Dice to be expected
    (the mean first), P(lesion) by name, in what the scan differs from those of the training, the
    evidence that these come from (:mod:`CardiacUQLib.uncertainty.evidence`), and what could not be said for
    want of a fit. ``looks`` are the places worth a look, best first; ``proposals`` uint8 labels of lesions
    that are not drawn but may be there; ``probabilities`` the mean softmax (C, z, y, x), on request only.
    ``bands`` are inner and outer contours between which a reader's is expected, ``band_maps`` their uint8
    maps by structure: 2 within the inner one, 1 between both, 0 beyond the outer one.
    """

    volume: Volume
    kind: BundleKind
    classes: tuple[ClassInfo, ...]
    segmentation: np.ndarray
    opinion: np.ndarray | None
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
    looks: tuple[Look, ...] = ()
    proposals: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    bands: tuple[Band, ...] = ()
    band_maps: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __repr__(self) -> str:
        """One line for people: verdict, sizes, how much there is to look at, and which model said so."""
        said = [] if self.verdict is None else [self.verdict.as_text()]
        said += [str(self.measures.get("headline", "")), f"{len(self.components)} regions of corrections"]
        said += [f"{self.run.bundle} {self.run.bundle_version}"]
        return f"<Result {self.name}: {'; '.join(word for word in said if word)}>"

    @property
    def name(self) -> str:
        """Short name of the image."""
        return self.volume.name

    @property
    def geometry(self) -> Geometry:
        """Grid of the arrays, in slice order."""
        return self.volume.geometry

    @property
    def source_geometry(self) -> Geometry:
        """Grid of the files."""
        return self.volume.source_geometry

    @property
    def storage(self) -> StorageOrder:
        """The way from the order of the files to slice order."""
        return self.volume.storage

    @property
    def model_measures(self) -> Mapping[str, Any]:
        """The networks' own measures: these."""
        return self.measures

    @property
    def folder(self) -> Path | None:
        """None: it is in memory."""
        return None

    @property
    def input_path(self) -> Path | None:
        """The segmented image, None for one that never was a file."""
        return self.volume.path

    @property
    def input_sha256(self) -> str:
        """SHA-256 of the segmented image."""
        return self.volume.sha256

    @property
    def series(self) -> str:
        """UID of the DICOM series, "" if it was none."""
        return self.volume.series

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was odd about the image or the run, one line each."""
        return tuple(dict.fromkeys((*self.volume.warnings, *self.run.warnings)))
