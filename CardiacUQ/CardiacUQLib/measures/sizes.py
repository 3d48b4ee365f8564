"""A size with everything a reader needs to trust it: value, interval, how the passes spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..bundles.manifest import ClassInfo
from ..images.volume import Geometry
from .anatomy import Anatomy, class_values, volume_ml
from .display import SIZE_NAMES
from .intervals import Interval, SizeCalibration, fitted_intervals, interval_of, reviewed_interval_of
from .size_catalogue import SIZES, Scan, Structures, unit_of


@dataclass(frozen=True, eq=False)
class Size:
    """One reported size; ``key`` ends in its unit (``_ml``, ``_g``, ``_percent``).

    ``value`` is None where undefined (a share of nothing). ``distribution`` are equally likely values.
    """

    key: str
    value: float | None
    interval: Interval | None = None
    distribution: np.ndarray | None = None

    def as_json(self) -> dict[str, Any]:
        """Entry of ``measures.json``."""
        return {
            "label": SIZE_NAMES[self.key],
            "unit": unit_of(self.key),
            "value": self.value,
            "interval": None if self.interval is None else [self.interval.low, self.interval.high],
            "level": None if self.interval is None else self.interval.level,
            "calibrated": None if self.interval is None else self.interval.calibrated,
            "distribution": None if self.distribution is None else [float(v) for v in self.distribution],
        }


def structures_in(anatomy: Anatomy, geometry: Geometry) -> Structures:
    """Volumes of one label map."""

    def ml(mask: np.ndarray | None) -> np.ndarray | None:
        return None if mask is None else np.array([volume_ml(mask, geometry)])

    cavity, wall = (np.array([volume_ml(mask, geometry)]) for mask in (anatomy.cavity, anatomy.wall))
    return Structures(cavity, wall, ml(anatomy.infarct), ml(anatomy.mvo), ml(anatomy.rv))


def structures_of(volumes_ml: np.ndarray, classes: Sequence[ClassInfo]) -> Structures:
    """The same from class volumes (n, classes) in ml, those of label maps or of passes."""
    volumes = np.atleast_2d(np.asarray(volumes_ml, float))
    column = {info.value: n for n, info in enumerate(classes)}
    found = {role: volumes[:, column[value]] for role, value in class_values(classes).items()}
    if "infarct" in found:
        found["infarct"] = found["infarct"] + found.get("mvo", 0.0)
    wall = found["wall"] + found.get("infarct", 0.0)
    return Structures(found["cavity"], wall, found.get("infarct"), found.get("mvo"), found.get("rv"))


def scan_of(classes: Sequence[ClassInfo]) -> Scan:
    """What one label map of these classes is."""
    return Scan.LGE if "infarct" in class_values(classes) else Scan.FRAME


def sizes_of(scan: Scan, *structures: Structures) -> dict[str, np.ndarray]:
    """Every size of a scan by key, (n,): for label maps and passes; NaN where undefined.

    A pair takes the structures of end-diastole and of end-systole.
    """
    return {
        info.key: info.formula(*structures)
        for info in SIZES
        if scan in info.scans and all(getattr(structures[0], name) is not None for name in info.needs)
    }


def only_values(sizes: Mapping[str, np.ndarray]) -> dict[str, float | None]:
    """The sizes of a single label map as numbers, None where undefined."""
    return {key: float(of[0]) if np.isfinite(of[0]) else None for key, of in sizes.items()}


def sizes_with_intervals(
    values: Mapping[str, float | None],
    passes: Mapping[str, np.ndarray] | None,
    fitted: Mapping[str, Any] | None,
    doubts: Mapping[str, float] | None = None,
) -> dict[str, Size]:
    """Attach to every value the interval from its passes, and from what of it is in doubt."""
    known, doubts = _in_every_unit(fitted), doubts or {}
    sizes = {}
    for key, value in values.items():
        of_passes = None if passes is None else passes.get(key)
        sizes[key] = Size(key, value, *interval_of(key, value, of_passes, known, doubts.get(key, 0.0)))
    return sizes


def reviewed_sizes(values: Mapping[str, float | None], fitted: Mapping[str, Any] | None) -> dict[str, Size]:
    """Attach to every value of corrected labels the interval of reviewed cases, where one was fitted."""
    known = _in_every_unit(fitted)
    return {key: Size(key, value, *reviewed_interval_of(key, value, known)) for key, value in values.items()}


def size_doubts(scan: Scan, structures: Structures, doubt_ml: Mapping[str, float] | None) -> dict[str, float]:
    """What is in doubt of every size of one label map, in its unit: the size with the volume of its lesion
    replaced by what of that is in doubt. ``doubt_ml`` is by lesion name; 0 for a size that has none."""
    found = {}
    for info in SIZES:
        known = None if doubt_ml is None else doubt_ml.get(info.doubted)
        if scan not in info.scans or known is None:
            continue
        volume = np.array([known])
        changed = replace(structures, **{"mvo" if info.doubted == "MVO" else info.doubted: volume})
        doubt = float(info.formula(changed)[0])
        found[info.key] = doubt if np.isfinite(doubt) else 0.0
    return found


def _in_every_unit(fitted: Mapping[str, Any] | None) -> dict[str, SizeCalibration]:
    """With the calibrations that follow from those of the same size in another unit."""
    found = fitted_intervals(fitted)
    for info in SIZES:
        if info.same_as is not None and info.same_as[0] in found and info.key not in found:
            origin, factor = info.same_as
            found[info.key] = found[origin].in_unit(factor)
    return found
