"""Lay the heart over the body: sample the radius tables at every point of the fine grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .body import blend, soft
from .grid import SliceGrid, Window
from .heart import ANGLES, angles


@dataclass(frozen=True)
class PolarPoints:
    """The sample points of a window, around the LV centre: ``radius`` in mm, offsets ``y`` and ``x`` in mm
    turned so that x points to the septum, and ``cell``, the flat index into a (sub-slice, angle) table."""

    radius: np.ndarray
    y: np.ndarray
    x: np.ndarray
    cell: np.ndarray
    edge_mm: float

    def lookup(self, table: np.ndarray) -> np.ndarray:
        """Value of a (sub-slice, angle) table at every point."""
        return np.ascontiguousarray(table, np.float32).ravel().take(self.cell, mode="clip")

    def within(self, table: np.ndarray, edge_mm: float | None = None) -> np.ndarray:
        """Share of each sample point that lies inside a surface; ``edge_mm`` is the width of its border."""
        return soft(self.lookup(table) - self.radius, edge_mm or self.edge_mm)


def polar_points(grid: SliceGrid, window: Window, centres_mm: np.ndarray, septum: float) -> PolarPoints:
    """Polar coordinates of the fine grid; ``centres_mm`` (sub-slice, (y, x)); ``septum`` in radians."""
    y_axis, x_axis = grid.axes_mm(window, grid.xy_samples)
    centres = centres_mm.astype(np.float32)
    dy = y_axis[None, :, None] - centres[:, 0, None, None]
    dx = x_axis[None, None, :] - centres[:, 1, None, None]
    cos, sin = np.float32(np.cos(septum)), np.float32(np.sin(septum))
    x, y = cos * dx + sin * dy, -sin * dx + cos * dy
    column = (
        (np.arctan2(y, x) + np.float32(np.pi)) * np.float32(ANGLES / (2 * np.pi)) + np.float32(0.5)
    ).astype(np.intp)
    column %= ANGLES
    rows = (np.arange(len(centres), dtype=np.intp) * ANGLES)[:, None, None]
    return PolarPoints(np.sqrt(x * x + y * y), y, x, column + rows, grid.fine_mm)


@dataclass(frozen=True)
class Blob:
    """An ellipsoid at (x, y) mm from the LV centre in the septal frame, around ``level``."""

    x: float
    y: float
    radius: float
    level: float
    half_level: float
    stretch: float = 1.0
    lean: float = 0.0
    opacity: float = 1.0


def add_blobs(
    canvas: np.ndarray, points: PolarPoints, level: np.ndarray, blobs: tuple[Blob, ...], value: float
) -> None:
    """Papillary muscles and similar: ellipsoids laid over the canvas in place, each only where it reaches."""
    for blob in blobs:
        rows = np.flatnonzero(np.abs(level - blob.level) < blob.half_level)
        if not len(rows):
            continue
        rows = slice(rows[0], rows[-1] + 1)
        apart = level[rows] - blob.level
        size = blob.radius * np.sqrt(1 - (apart / blob.half_level) ** 2)
        middle = blob.y + blob.lean * apart
        reach = blob.radius / min(blob.stretch, 1.0) + abs(blob.lean) * blob.half_level + 2 * points.edge_mm
        near = (np.abs(points.x[rows] - blob.x) < reach) & (np.abs(points.y[rows] - blob.y) < reach)
        y_hit, x_hit = np.flatnonzero(near.any((0, 2))), np.flatnonzero(near.any((0, 1)))
        if not len(y_hit):
            continue
        part = (rows, slice(y_hit[0], y_hit[-1] + 1), slice(x_hit[0], x_hit[-1] + 1))
        y = points.y[part] - middle.astype(np.float32)[:, None, None]
        x = (points.x[part] - np.float32(blob.x)) * np.float32(blob.stretch)
        depth = size.astype(np.float32)[:, None, None] - np.sqrt(x * x + y * y)
        blend(canvas[part], value, np.float32(blob.opacity) * soft(depth, 1.5 * points.edge_mm))


def draw_papillaries(rng: np.random.Generator, endo_radius: float) -> tuple[Blob, ...]:
    """The two papillary muscles, each with one to three heads, and a few free trabeculae near the apex."""
    blobs = []
    for side in (-1.0, 1.0):
        angle = side * rng.uniform(1.9, 2.7)
        for _ in range(rng.integers(1, 4)):
            turn, place = angle + rng.normal(0, 0.22), endo_radius * rng.uniform(0.62, 0.86)
            blobs.append(
                Blob(
                    x=float(place * np.cos(turn)),
                    y=float(place * np.sin(turn)),
                    radius=float(rng.uniform(2.0, 5.0)),
                    level=float(rng.uniform(0.38, 0.6)),
                    half_level=float(rng.uniform(0.12, 0.26)),
                    stretch=float(rng.uniform(0.75, 1.3)),
                    lean=float(rng.normal(0, 6.0)),
                    opacity=float(rng.uniform(0.6, 1.0)),
                )
            )
    for _ in range(rng.integers(3, 9)):
        turn, place = rng.uniform(-np.pi, np.pi), endo_radius * rng.uniform(0.4, 0.85)
        blobs.append(
            Blob(
                x=float(place * np.cos(turn)),
                y=float(place * np.sin(turn)),
                radius=float(rng.uniform(0.8, 1.9)),
                level=float(rng.uniform(0.15, 0.5)),
                half_level=float(rng.uniform(0.06, 0.2)),
                lean=float(rng.normal(0, 8.0)),
                opacity=float(rng.uniform(0.4, 0.9)),
            )
        )
    return tuple(blobs)


def draw_rv_trabeculae(rng: np.random.Generator, septum_mm: float, reach_mm: float) -> tuple[Blob, ...]:
    """Trabeculae and the moderator band in the right ventricle, denser towards the apex."""
    return tuple(
        Blob(
            x=float(septum_mm + reach_mm * rng.uniform(0.1, 1.0)),
            y=float(rng.normal(0, 14.0)),
            radius=float(rng.uniform(1.0, 3.2)),
            level=float(rng.uniform(0.2, 0.75)),
            half_level=float(rng.uniform(0.05, 0.2)),
            stretch=float(rng.uniform(0.4, 1.3)),
            lean=float(rng.normal(0, 12.0)),
            opacity=float(rng.uniform(0.25, 0.8)),
        )
        for _ in range(rng.integers(5, 16))
    )


def extent_mm(centres_mm: np.ndarray, table: np.ndarray, septum: float, margin: float) -> np.ndarray:
    """Lowest and highest (y, x) in mm that a surface reaches, shape (2, 2), widened by ``margin``."""
    turned = septum + angles()[None, :]
    radius = np.maximum(table, 0.0)
    y = centres_mm[:, :1] + radius * np.sin(turned)
    x = centres_mm[:, 1:] + radius * np.cos(turned)
    return np.array([[y.min() - margin, x.min() - margin], [y.max() + margin, x.max() + margin]])
