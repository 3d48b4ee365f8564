"""The square the networks look at, and the way back from it to the image's own pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..bundles.manifest import RoiSpec
from ..images.volume import Volume

SAME_SPACING_MM = 1e-3
"""Pixel sizes closer than this are the same, and nothing is resampled."""

_TINY = 1e-6


@dataclass(frozen=True)
class Roi:
    """A square of ``size`` x ``size`` pixels in every slice of an image of ``shape_yx`` pixels.

    ROI pixel n lies at image coordinate ``first[axis] + n * step[axis]``, (y, x), in pixels of the
    image; the square may stick out of the image. With ``step`` (1, 1) and whole ``first`` voxels are
    copied, otherwise interpolated linearly in plane; slices are never mixed.
    """

    shape_yx: tuple[int, int]
    size: int
    first: tuple[float, float]
    step: tuple[float, float]

    @property
    def is_identity(self) -> bool:
        """True if the ROI's pixels are the image's own."""
        return self.step == (1.0, 1.0)

    @property
    def inside(self) -> np.ndarray:
        """Which pixels (size, size) of the ROI have their centre within the image, bool."""
        rows, columns = (
            (places >= -0.5 - _TINY) & (places <= n - 0.5 + _TINY)
            for places, n in (
                (first + step * np.arange(self.size), n)
                for first, step, n in zip(self.first, self.step, self.shape_yx, strict=True)
            )
        )
        return rows[:, None] & columns

    def extract(self, array_zyx: np.ndarray) -> np.ndarray:
        """The ROI of an image (..., Y, X) as float32 (..., size, size).

        Coarser ROI pixels average over their width, so that nothing is aliased. Beyond the image its
        edge goes on.
        """
        array = np.asarray(array_zyx)
        if array.shape[-2:] != self.shape_yx:
            raise ValueError(f"slices of {array.shape[-2:]} pixels instead of {self.shape_yx}")
        if self.is_identity:
            rows, columns = (
                np.clip(int(first) + np.arange(self.size), 0, n - 1)
                for first, n in zip(self.first, self.shape_yx, strict=True)
            )
            return np.ascontiguousarray(array[..., rows[:, None], columns], dtype=np.float32)
        rows, columns = (
            _linear_weights(first + step * np.arange(self.size), n, step)
            for first, step, n in zip(self.first, self.step, self.shape_yx, strict=True)
        )
        return rows @ array.astype(np.float32) @ columns.T

    def restore(self, array: np.ndarray, order: int = 1, outside: float = 0.0) -> np.ndarray:
        """An array (..., size, size) of the ROI on the image's pixels (..., Y, X).

        ``order`` 1 interpolates linearly (probabilities, maps; gives floating point), 0 takes the
        nearest ROI pixel (labels; keeps the type). Pixels whose centre lies outside the square
        become ``outside``. Without resampling voxels are copied whatever the order.
        """
        array = np.asarray(array)
        if array.shape[-2:] != (self.size, self.size):
            raise ValueError(f"slices of {array.shape[-2:]} pixels instead of {(self.size, self.size)}")
        if order not in (0, 1):
            raise ValueError(f"order {order} is neither 0 nor 1")
        places = [
            (np.arange(n) - first) / step
            for first, step, n in zip(self.first, self.step, self.shape_yx, strict=True)
        ]
        rows, columns = (np.flatnonzero((p >= -0.5 - _TINY) & (p <= self.size - 0.5 + _TINY)) for p in places)
        y, x = places[0][rows], places[1][columns]
        if self.is_identity or order == 0:
            nearest_y, nearest_x = (np.clip(np.rint(p).astype(int), 0, self.size - 1) for p in (y, x))
            inside = array[..., nearest_y[:, None], nearest_x]
        else:
            floating = array if array.dtype.kind == "f" else array.astype(np.float32)
            weights = [
                _linear_weights(p, self.size, 1 / s).astype(floating.dtype)
                for p, s in zip((y, x), self.step, strict=True)
            ]
            inside = weights[0] @ floating @ weights[1].T
        restored = np.full((*array.shape[:-2], *self.shape_yx), outside, dtype=inside.dtype)
        if rows.size and columns.size:
            restored[..., rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = inside
        return restored


def find_roi(volume: Volume, spec: RoiSpec, centre_yx: tuple[float, float] | None) -> Roi:
    """The ROI of ``spec`` about ``centre_yx`` (pixels of ``volume``; None = image centre)."""
    shape_yx = volume.array.shape[-2], volume.array.shape[-1]
    cy, cx = ((shape_yx[0] - 1) / 2, (shape_yx[1] - 1) / 2) if centre_yx is None else centre_yx
    spacing_yx = volume.geometry.spacing[1], volume.geometry.spacing[0]
    half = (spec.size_px - 1) / 2
    wanted = spec.spacing_mm
    if wanted is None or all(abs(wanted - s) <= SAME_SPACING_MM for s in spacing_yx):
        # A half is rounded down, so that an odd image and an even square share the reference's start.
        first = (float(math.ceil(cy - half - 0.5 - _TINY)), float(math.ceil(cx - half - 0.5 - _TINY)))
        return Roi(shape_yx, spec.size_px, first, (1.0, 1.0))
    step = (wanted / spacing_yx[0], wanted / spacing_yx[1])
    return Roi(shape_yx, spec.size_px, (cy - half * step[0], cx - half * step[1]), step)


def crop_no_image(roi: Roi, volume: Volume) -> np.ndarray | None:
    """Voxels of the ROI, bool (z, size, size), that hold no image or were mixed from such; None if none."""
    if volume.no_image is None:
        return None
    mask = roi.extract(volume.no_image) > _TINY
    return mask if mask.any() else None


def normalise_slices(crop: np.ndarray, no_image: np.ndarray | None = None) -> np.ndarray:
    """Each slice (..., y, x) to zero mean and unit variance, float32; a constant slice becomes 0.

    Voxels where ``no_image`` is True count for neither.
    """
    wide = np.asarray(crop, np.float64)
    if no_image is None:
        mean = wide.mean(axis=(-2, -1), keepdims=True)
        deviation = wide.std(axis=(-2, -1), keepdims=True)
    else:
        known = (~no_image).astype(np.float64)
        count = np.maximum(known.sum(axis=(-2, -1), keepdims=True), 1.0)
        mean = (wide * known).sum(axis=(-2, -1), keepdims=True) / count
        deviation = np.sqrt((known * (wide - mean) ** 2).sum(axis=(-2, -1), keepdims=True) / count)
    flat = deviation <= 1e-9 * np.maximum(np.abs(mean), _TINY)  # rounding of the sums, no contrast
    return np.where(flat, 0.0, (wide - mean) / np.where(flat, 1.0, deviation)).astype(np.float32)


def _linear_weights(places: np.ndarray, samples: int, step: float) -> np.ndarray:
    """float32 matrix (places, samples) that interpolates linearly at ``places`` (in sample numbers).

    Where the result is coarser than the samples (``step`` > 1) the triangle is widened to ``step``,
    which averages instead of skipping samples. Places beyond the samples take the last one.
    """
    width = max(step, 1.0)
    inside = np.clip(places, 0, samples - 1)
    distance = np.abs(inside[:, None] - np.arange(samples)[None])
    weights = np.maximum(0.0, 1.0 - distance / width)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
