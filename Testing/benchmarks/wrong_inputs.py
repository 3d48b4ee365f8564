"""Ten kinds of input that do not belong to an LGE bundle, made from labelled data at hand and phantoms.

Every maker takes a number and gives a volume; the same number gives the same volume.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from CardiacUQLib.images.volume import Geometry, Volume
from CardiacUQTraining.datasets import LabelledCase

KINDS = (
    "cine frame", "CT", "noise", "label map", "inverted", "long axis", "heart cut off", "mirrored",
    "slices in disorder", "no heart",
)  # fmt: skip
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
CT_HU = {0: -90.0, 1: 350.0, 2: 110.0, 3: 90.0, 4: 80.0}
"""Contrast-enhanced values of fat, blood and muscle; infarct and MVO hardly differ there."""


@dataclass(frozen=True)
class Source:
    """Labelled LGE scans and cine frames to make wrong inputs of."""

    lge: Sequence[LabelledCase]
    cine: Sequence[LabelledCase]

    def scan(self, number: int) -> tuple[Volume, np.ndarray]:
        """An LGE scan and its labels; neighbouring numbers give different patients."""
        return self.lge[(7 * number + 3) % len(self.lge)].load()


def with_array(volume: Volume, array: np.ndarray, geometry: Geometry | None = None) -> Volume:
    """The volume with other grey values, on its own grid unless one is given."""
    grid = geometry or volume.geometry
    return Volume(np.ascontiguousarray(array, np.float32), grid, grid)


def _cine(source: Source, number: int) -> Volume:
    return source.cine[(9 * number + 1) % len(source.cine)].load()[0]


def _ct(source: Source, number: int) -> Volume:
    """Labels of a scan painted with the values of a CT: lung around a body of fat, noise, a smooth kernel."""
    volume, labels = source.scan(number)
    rng = np.random.default_rng(number)
    values = np.vectorize(CT_HU.get)(labels).astype(float)
    bright = ndimage.gaussian_filter(volume.array, (0, 3, 3))
    values = np.where((labels == 0) & (bright < np.percentile(bright, 45)), -850.0, values)
    values = ndimage.gaussian_filter(values, (0, 0.7, 0.7)) + rng.normal(0, 18, values.shape)
    return with_array(volume, values)


def _noise(source: Source, number: int) -> Volume:
    volume, _ = source.scan(number)
    rng = np.random.default_rng(number)
    real, imaginary = rng.normal(size=(2, *volume.array.shape))
    return with_array(volume, 40 * np.hypot(real, imaginary))


def _label_map(source: Source, number: int) -> Volume:
    volume, labels = source.scan(number)
    return with_array(volume, labels)


def _inverted(source: Source, number: int) -> Volume:
    volume, _ = source.scan(number)
    return with_array(volume, volume.array.max() - volume.array)


def _long_axis(source: Source, number: int) -> Volume:
    """Planes through the long axis, 10 mm apart, cut from a stack interpolated between its slices."""
    volume, labels = source.scan(number)
    x, y, z = volume.geometry.spacing
    full = ndimage.zoom(volume.array, (z / y, 1, 1), order=1)
    centre = int(ndimage.center_of_mass(labels > 0)[1 + number % 2])
    step = max(1, round(10.0 / y))
    planes = [centre + n * step for n in range(-3, 4)]
    axis = 1 + number % 2
    cut = np.stack([np.take(full, np.clip(p, 0, full.shape[axis] - 1), axis=axis) for p in planes])
    rows = max(cut.shape[1], 128)
    pad = (rows - cut.shape[1]) // 2
    cut = np.pad(cut, ((0, 0), (pad, rows - cut.shape[1] - pad), (0, 0)))
    return with_array(volume, cut, Geometry(cut.shape[::-1], (x, y, 10.0), (0.0, 0.0, 0.0), IDENTITY))


def _cut_off(source: Source, number: int) -> Volume:
    """The field of view ends in the middle of the left ventricle."""
    volume, labels = source.scan(number)
    y, x = (round(c) for c in ndimage.center_of_mass(labels > 0)[1:])
    array = volume.array
    cut = (array[:, y:], array[:, :y], array[..., x:], array[..., :x])[number % 4]
    return with_array(volume, cut, replace(volume.geometry, size=cut.shape[::-1]))


def _mirrored(source: Source, number: int) -> Volume:
    volume, _ = source.scan(number)
    return with_array(volume, volume.array[..., ::-1])


def _disorder(source: Source, number: int) -> Volume:
    volume, _ = source.scan(number)
    order = np.random.default_rng(number).permutation(len(volume.array))
    return with_array(volume, volume.array[order])


def _no_heart(source: Source, number: int) -> Volume:
    """A corner of the scan that the heart does not reach, enlarged to a whole field of view."""
    volume, labels = source.scan(number)
    rows, columns = (
        np.flatnonzero((labels > 0).any(axis=(0, 2))),
        np.flatnonzero((labels > 0).any(axis=(0, 1))),
    )
    free = {
        "above": volume.array[:, : rows[0]],
        "below": volume.array[:, rows[-1] + 1 :],
        "left": volume.array[..., : columns[0]],
        "right": volume.array[..., columns[-1] + 1 :],
    }
    part = max(free.values(), key=lambda one: min(one.shape[1:]))
    return with_array(volume, part, replace(volume.geometry, size=part.shape[::-1]))


MAKERS: Mapping[str, Callable[[Source, int], Volume]] = dict(
    zip(
        KINDS,
        (_cine, _ct, _noise, _label_map, _inverted, _long_axis, _cut_off, _mirrored, _disorder, _no_heart),
        strict=True,
    )
)
__all__ = ["KINDS", "MAKERS", "Source"]
