"""One case as the review and the scene need it, whether it comes from memory or from a case folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import InputError
from ..base.regions import boxes_of
from ..bullseye.picture import bullseyes_picture
from ..bundles.manifest import BundleKind, ClassInfo
from ..bundles.map_catalogue import MapName, Use, maps_used, plain_first
from ..cases.case import CaseView
from ..cases.places import was_looked_through
from ..images.volume import Geometry, StorageOrder
from ..inference.result import Component
from ..uncertainty.bands import Band
from ..uncertainty.look import Look
from ..uncertainty.verdict import Verdict

RANKING = maps_used(Use.OFFERED)
"""Maps in the order in which they are offered to the reader."""

SCORES = plain_first(RANKING)
"""Maps in the order in which they are asked which slice is the most uncertain."""

Box = tuple[slice, slice, slice]
"""Bounding box in stored order (k, j, i)."""

_NOWHERE: Box = (slice(0, 0), slice(0, 0), slice(0, 0))


@dataclass(frozen=True)
class CaseMaps:
    """A case in the order of its files, in which a review is recorded and the scene shows it.

    All arrays are (k, j, i) as stored in the files, on ``geometry``, voxel for voxel: uint8 labels
    ``segmentation`` and ``opinion``, uint8 correction codes ``dcm``, int32 ``component_ids`` (0 outside); the
    last three are None where the method has none. ``storage`` leads from stored order to slice order, in
    which ``components`` count their slices. ``default_map`` is the map to show first, ``warnings`` what was
    odd and what the bundle cannot do. ``case`` is where all this comes from, None for mere arrays. ``looks``
    are the places worth a look, best first, None where nobody has looked; ``proposals`` the uint8 labels of
    what they propose; ``bands`` contour bands and ``band_maps`` their uint8 maps by structure.
    """

    name: str
    kind: BundleKind
    classes: tuple[ClassInfo, ...]
    geometry: Geometry
    storage: StorageOrder
    segmentation: np.ndarray
    opinion: np.ndarray | None
    dcm: np.ndarray | None
    component_ids: np.ndarray | None
    components: tuple[Component, ...]
    maps: Mapping[MapName, np.ndarray]
    bundle: str = ""
    bundle_sha256: str = ""
    measures: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    input_path: Path | None = None
    input_sha256: str = ""
    default_map: MapName | None = None
    warnings: tuple[str, ...] = ()
    verdict: Verdict | None = None
    case: CaseView | None = None
    looks: tuple[Look, ...] | None = None
    proposals: np.ndarray | None = None
    bands: tuple[Band, ...] = ()
    band_maps: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, case: CaseMaps | CaseView) -> CaseMaps:
        """A case in the order of its files; raises :class:`InputError` if a folder's do not fit together."""
        if isinstance(case, CaseMaps):
            return case
        corrected, stored = bool(case.components), case.storage.to_stored
        maps = cls(
            case=case,
            name=case.name,
            kind=case.kind,
            classes=case.classes,
            geometry=case.source_geometry,
            storage=case.storage,
            segmentation=stored(case.segmentation).astype(np.uint8, copy=False),
            opinion=None if case.opinion is None else stored(case.opinion).astype(np.uint8, copy=False),
            dcm=stored(case.dcm).astype(np.uint8, copy=False) if corrected else None,
            component_ids=stored(case.component_ids) if corrected else None,
            components=case.components,
            maps={
                name: stored(case.maps[name]).astype(np.float32, copy=False)
                for name in maps_used(Use.OFFERED, case.maps)
            },
            bundle=case.run.bundle,
            bundle_sha256=case.run.bundle_sha256,
            measures=case.model_measures,
            folder=case.folder,
            input_path=case.input_path,
            input_sha256=case.input_sha256,
            default_map=case.run.default_map,
            warnings=case.warnings,
            verdict=case.verdict,
            looks=case.looks if was_looked_through(case.maps, case.evidence) else None,
            proposals=stored(case.proposals).astype(np.uint8, copy=False)
            if case.proposals is not None
            else None,
            bands=case.bands,
            band_maps={band.structure: stored(case.band_maps[band.structure]) for band in case.bands},
        )
        if case.folder is not None:
            maps.check()
        return maps

    def check(self) -> None:
        """Raise :class:`InputError` unless labels are classes and the component table fits its map."""
        where, remedy = self.folder or self.name, "segment the image again"
        arrays = {
            "segmentation": self.segmentation,
            "overruled opinion": self.opinion,
            "proposals": self.proposals,
        }
        for what, labels in arrays.items():
            if labels is not None and labels.max(initial=0) >= len(self.classes):
                raise InputError(where, f"its {what} holds labels that are no classes", remedy)
        if self.component_ids is None or self.dcm is None:
            if self.components:
                raise InputError(where, "its table of components has no map of them", remedy)
            return
        for component in self.components:
            box = self.component_boxes.get(component.id, _NOWHERE)
            region = self.component_ids[box] == component.id
            code = component.was * len(self.classes) + component.became
            if np.count_nonzero(region) != component.voxels or (self.dcm[box][region] != code).any():
                problem = f"component {component.id} of its table is not in its map of components"
                raise InputError(where, problem, remedy)

    @cached_property
    def component_boxes(self) -> Mapping[int, Box]:
        """Bounding box of every component by its id, found in one pass over the volume."""
        highest = max((component.id for component in self.components), default=0)
        if highest < 1 or self.component_ids is None:
            return {}
        boxes = enumerate(boxes_of(self.component_ids, highest), start=1)
        return {number: (box[0], box[1], box[2]) for number, box in boxes if box is not None}

    @cached_property
    def bullseyes(self) -> np.ndarray | None:
        """Picture of the 17 segments, uint8 (rows, columns, RGB); None without segments. Takes a moment."""
        return bullseyes_picture(self.measures, len(self.classes))

    def class_name(self, label: int) -> str:
        """Name of a label value; raises KeyError for a value that is no class."""
        return {info.value: info.name for info in self.classes}[label]

    @property
    def slices(self) -> int:
        """Number of slices."""
        return self.segmentation.shape[self.storage.axes[0]]

    def slice_mask(self, number: int) -> np.ndarray:
        """Boolean (k, j, i) mask of slice ``number``, counted from 0 in slice order."""
        ordered = np.zeros([self.segmentation.shape[axis] for axis in self.storage.axes], bool)
        ordered[number] = True
        return self.storage.to_stored(ordered)

    @property
    def foreground(self) -> np.ndarray:
        """Boolean (k, j, i): the final or the 2D segmentation sees the heart here."""
        heart = self.segmentation > 0
        return heart if self.opinion is None else heart | (self.opinion > 0)

    def slice_profile(self, name: MapName) -> np.ndarray:
        """Mean of a map over the foreground of every slice, in slice order; NaN where there is none."""
        values = self.storage.from_stored(self.maps[name]).astype(np.float64)
        heart = self.storage.from_stored(self.foreground)
        voxels = heart.sum(axis=(1, 2))
        sums = np.where(heart, values, 0.0).sum(axis=(1, 2))
        return np.divide(sums, voxels, out=np.full(len(voxels), np.nan), where=voxels > 0)
