"""Two opinions on one image: readers, models, or a reader and a model, as label maps or probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from CardiacUQLib.base.arg_max import arg_max
from CardiacUQLib.base.errors import InputError, UsageError
from CardiacUQLib.images.image_file import read_components
from CardiacUQLib.images.orientation import canonical_order, reorder_geometry
from CardiacUQLib.images.placement import SAME_PLACE_MM
from CardiacUQLib.images.probability_file import WHOLE
from CardiacUQLib.images.volume import Geometry, Volume
from CardiacUQLib.inference.components import Component, Corrections, find_components
from CardiacUQLib.inference.maps import discrete_correction_map, soft_correction_score

from .dice import dice_per_class

SUM_TOLERANCE = 0.01


@dataclass(frozen=True)
class Opinion:
    """One side: uint8 labels (z, y, x) in slice order, its softmax (C, z, y, x) if it was given as such.

    ``volume`` carries the geometry and the way back to the file; its array holds the labels.
    """

    path: Path
    volume: Volume
    labels: np.ndarray
    probabilities: np.ndarray | None


@dataclass(frozen=True)
class OpinionsCompared:
    """What two opinions agree and disagree on; the DCM's codes are A * C + B."""

    corrections: Corrections
    scs: np.ndarray | None
    dice: Mapping[int, float]
    equal_share: float

    @property
    def components(self) -> tuple[Component, ...]:
        """Regions of disagreement, most urgent first."""
        return self.corrections.components


def read_labels(path: Path) -> Opinion:
    """A label map of whole, non-negative numbers below 256; raises InputError."""
    stored, geometry = _read(path)
    if stored.ndim != 3:
        raise InputError(path, f"has {stored.ndim} dimensions", "a label map has three; see --probabilities")
    if not np.isfinite(stored).all() or (stored != np.rint(stored)).any():
        raise InputError(path, "holds fractional values", "labels are whole numbers; see --probabilities")
    if stored.min() < 0 or stored.max() > 255:
        raise InputError(path, f"has labels {stored.min():g} to {stored.max():g}", "allowed are 0 to 255")
    volume = _in_slice_order(path, stored, geometry)
    return Opinion(path, volume, volume.array.astype(np.uint8), None)


def read_probabilities(path: Path) -> Opinion:
    """Class probabilities: a 4D image (x, y, z, class) or a vector image, from 0 to 1 or in 255ths as
    ``segment --probabilities`` writes them; raises InputError."""
    stored, geometry = _read(path)
    if stored.ndim != 4:
        raise InputError(path, "holds one value per voxel", "probabilities have one per class (4D or vector)")
    if (stored.sum(axis=0) == WHOLE).all():
        stored = stored / np.float32(WHOLE)
    check_sums(path, stored)
    volumes = [_in_slice_order(path, channel, geometry) for channel in stored]
    p = np.stack([volume.array for volume in volumes])
    return Opinion(path, volumes[0], arg_max(p), p)


def check_sums(path: Path, stored: np.ndarray) -> None:
    """Raise InputError unless (class, k, j, i) are probabilities of 2 to 16 classes."""
    if not 2 <= len(stored) <= 16:
        raise InputError(path, f"holds {len(stored)} values per voxel", "2 to 16 classes are possible")
    in_range = np.isfinite(stored).all() and stored.min() >= -SUM_TOLERANCE
    if not in_range or np.abs(stored.sum(axis=0) - 1.0).max() > SUM_TOLERANCE:
        raise InputError(path, "its values are no probabilities", "they lie in 0 to 1 and add up to 1")


def compare(a: Opinion, b: Opinion, classes: int) -> OpinionsCompared:
    """DCM, its components and, for probabilities, the SCS between two opinions (Schwab et al., eq. 1 with
    a single pass).

    Without probabilities regions are ordered by volume and their SCS is NaN. Raises UsageError, naming
    both files, for grids, class counts or labels that do not fit together.
    """
    check_comparable(a, b, classes)
    dcm = discrete_correction_map(a.labels, b.labels, classes)
    scs = None
    if a.probabilities is not None and b.probabilities is not None:
        scs = soft_correction_score(a.probabilities[None], b.probabilities[None]).astype(np.float32)
    geometry = a.volume.geometry
    if scs is None:
        unknown = np.full(dcm.shape, np.nan, np.float32)
        found = find_components(dcm, unknown, geometry, classes, priority=lambda c, _: c.volume_mm3)
    else:
        found = find_components(dcm, scs, geometry, classes)
    return OpinionsCompared(
        found,
        scs,
        dice_per_class(a.labels, b.labels, range(1, classes)),
        float((a.labels == b.labels).mean()),
    )


def check_comparable(a: Opinion, b: Opinion, classes: int) -> None:
    """Raise UsageError, naming both files, unless the two lie on one grid and use the same labels."""
    ours, theirs = a.volume.geometry, b.volume.geometry  # in slice order, however each file stores it
    both = f"{a.path} and {b.path}"
    if ours.size != theirs.size:
        sizes = [one.volume.source_geometry.size for one in (a, b)]
        raise UsageError(f"{both} differ in size: {' and '.join(map(_times, sizes))} voxels")
    if not ours.matches(theirs, SAME_PLACE_MM):
        raise UsageError(f"{both} lie on different grids: spacing, origin or direction differ; resample one")
    counts = [len(one.probabilities) for one in (a, b) if one.probabilities is not None]
    if any(count != classes for count in counts):
        raise UsageError(f"{both} hold {' and '.join(map(str, counts))} classes, expected {classes} in both")
    if max(a.labels.max(), b.labels.max()) >= classes:
        listed = " and ".join(", ".join(map(str, np.unique(one.labels))) for one in (a, b))
        raise UsageError(f"{both} have the labels {listed}; both must use 0 to {classes - 1}")


def _times(size: tuple[int, int, int]) -> str:
    return " x ".join(map(str, size))


def _read(path: Path) -> tuple[np.ndarray, Geometry]:
    """Voxels as stored, (k, j, i) or (class, k, j, i), float32, and the 3D geometry of the file."""
    stored, geometry = read_components(path)
    stored = stored[0] if len(stored) == 1 else stored
    return stored.astype(np.float32), geometry


def _in_slice_order(path: Path, stored: np.ndarray, source: Geometry) -> Volume:
    storage = canonical_order(source.spacing, source.direction, source.size)
    return Volume(storage.from_stored(stored), reorder_geometry(source, storage), source, storage, path)
