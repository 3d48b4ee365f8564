"""Regions of the Discrete Correction Map: connected, large enough to mean something, in order of need."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ..base.regions import connected
from ..images.volume import Geometry
from .maps import decode_dcm
from .result import Component

MIN_VOXELS = 10
"""Components with fewer voxels are dropped (the paper's threshold)."""

Indices = tuple[np.ndarray, np.ndarray, np.ndarray]
Priority = Callable[[Component, Indices], float]
"""Urgency of a component, given its record and the (z, y, x) indices of its voxels."""


class Connectivity(enum.StrEnum):
    """Which voxels count as neighbours; the paper does not say, the first is our default."""

    VOLUME_26 = "volume_26"
    SLICE_8 = "slice_8"

    @property
    def structure(self) -> np.ndarray:
        """The 3 x 3 x 3 neighbourhood for scipy, axes (z, y, x)."""
        neighbours = np.ones((3, 3, 3), bool)
        if self is Connectivity.SLICE_8:
            neighbours[[0, 2]] = False
        return neighbours


@dataclass(frozen=True)
class Corrections:
    """A cleaned DCM (uint8), the component each voxel belongs to (int32, 0 = none) and the components."""

    dcm: np.ndarray
    component_ids: np.ndarray
    components: tuple[Component, ...]


def score_times_volume(component: Component, indices: Indices) -> float:
    """Mean SCS times volume in mm3: large and strongly corrected regions first."""
    return component.mean_scs * component.volume_mm3


def find_components(
    dcm: np.ndarray,
    scs: np.ndarray,
    geometry: Geometry,
    n_classes: int,
    *,
    min_voxels: int = MIN_VOXELS,
    connectivity: Connectivity = Connectivity.VOLUME_26,
    priority: Priority = score_times_volume,
) -> Corrections:
    """Split a DCM into connected components, code by code, and drop those under ``min_voxels``.

    ``dcm`` (codes) and ``scs`` are (z, y, x) on ``geometry``. Components are numbered 1, 2, ... from
    the highest priority to the lowest; equal priorities keep the order of code and position. Raises
    ValueError for shapes that differ from the geometry's or a code that no two labels give.
    """
    if dcm.shape != geometry.shape or scs.shape != geometry.shape:
        raise ValueError(f"DCM {dcm.shape} and SCS {scs.shape} do not lie on the grid {geometry.shape}")
    found = []
    for code, indices in _regions(dcm, connectivity):
        if indices[0].size >= min_voxels:
            component = _describe(code, indices, scs, geometry, n_classes)
            found.append((replace(component, priority=float(priority(component, indices))), indices))
    found.sort(key=lambda pair: -pair[0].priority)

    cleaned = np.zeros(dcm.shape, np.uint8)
    ids = np.zeros(dcm.shape, np.int32)
    for number, (_, indices) in enumerate(found, start=1):
        cleaned[indices] = dcm[indices]
        ids[indices] = number
    components = tuple(replace(component, id=n) for n, (component, _) in enumerate(found, start=1))
    return Corrections(cleaned, ids, components)


def _regions(dcm: np.ndarray, connectivity: Connectivity) -> Iterator[tuple[int, Indices]]:
    """Every connected region of every code with its voxel indices, by code, then by position."""
    for code, box in enumerate(ndimage.find_objects(dcm.astype(np.int32)), start=1):
        if box is None:
            continue
        labelled, _ = connected(dcm[box] == code, connectivity.structure)
        for number, inner in enumerate(ndimage.find_objects(labelled), start=1):
            local = np.nonzero(labelled[inner] == number)
            z, y, x = (
                axis + outer.start + part.start for axis, outer, part in zip(local, box, inner, strict=True)
            )
            yield code, (z, y, x)


def _describe(code: int, indices: Indices, scs: np.ndarray, geometry: Geometry, n_classes: int) -> Component:
    """The record of one region, still without id and priority."""
    was, became = decode_dcm(code, n_classes)
    z, y, x = indices
    scores = scs[indices]
    right, anterior, superior = geometry.index_to_ras(np.array([x.mean(), y.mean(), z.mean()]))
    return Component(
        id=0,
        was=was,
        became=became,
        voxels=int(z.size),
        volume_mm3=z.size * geometry.voxel_volume_ml * 1000.0,
        first_slice=int(z.min()),
        last_slice=int(z.max()),
        centroid_ras=(float(right), float(anterior), float(superior)),
        mean_scs=float(scores.mean(dtype=np.float64)),
        max_scs=float(scores.max()),
        priority=0.0,
    )
