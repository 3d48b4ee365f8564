"""What a phantom is: an image, its labels, and the volumes that the labels approximate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..base.errors import UsageError
from ..bundles.manifest import ClassInfo
from ..images.volume import Vector3


@dataclass(frozen=True)
class LabelledPhantom:
    """One synthetic stack with its truth.

    ``image`` is float32 and ``labels`` uint8, both (z, y, x); ``spacing`` is in mm, ordered (x, y, z).
    ``truth_ml`` maps each foreground label to the volume in ml of the continuous shape inside the stack,
    integrated before it is sampled to voxels; counting voxels only approximates it. ``description``
    records the drawn properties (territory, contrast ratios, noise, ...) for tests and listings.
    """

    image: np.ndarray
    labels: np.ndarray
    spacing: Vector3
    classes: tuple[ClassInfo, ...]
    truth_ml: Mapping[int, float]
    seed: int | None = None
    description: Mapping[str, float | int | str | bool] = field(default_factory=dict)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in ml."""
        return float(np.prod(self.spacing)) / 1000.0

    def counted_ml(self, label: int) -> float:
        """Volume in ml of the voxels that carry ``label``."""
        return float(np.count_nonzero(self.labels == label)) * self.voxel_ml


@dataclass(frozen=True)
class CinePhantom:
    """End-diastole and end-systole of one beating heart, and the whole beat where it was asked for.

    ``frames`` is float32 and ``frame_labels`` uint8, both (t, z, y, x) with end-diastole at 0 and
    end-systole at ``es_frame``.
    """

    ed: LabelledPhantom
    es: LabelledPhantom
    frames: np.ndarray | None = None
    frame_labels: np.ndarray | None = None
    es_frame: int | None = None

    @property
    def ejection_fraction(self) -> float:
        """True ejection fraction of the left ventricle in %."""
        lv = self.ed.classes[-1].value
        return 100.0 * (1.0 - self.es.truth_ml[lv] / self.ed.truth_ml[lv])


def check_grid(seed: int, shape: tuple[int, int, int], spacing: Vector3, crop_px: int | None) -> None:
    """Raise UsageError unless a phantom can be made on this grid: ``shape`` (z, y, x), ``spacing`` in mm."""
    if seed < 0:
        raise UsageError(f"phantom seed {seed} is negative; use 0 or more")
    if min(shape) < 1 or min(shape[1:]) < 32:
        raise UsageError(f"phantom shape {shape} is too small; at least 1 slice of 32 x 32 pixels is needed")
    if not all(np.isfinite(spacing)) or min(spacing) <= 0:
        raise UsageError(f"phantom spacing {spacing} is not positive; give mm as (x, y, z)")
    if crop_px is not None and not 8 <= crop_px <= min(shape[1:]):
        raise UsageError(f"crop of {crop_px} pixels does not fit slices of {shape[1]} x {shape[2]}")
