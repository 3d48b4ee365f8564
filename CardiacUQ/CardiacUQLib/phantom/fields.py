"""Smooth random fields: what keeps a phantom from looking drawn with compasses.

Every function takes the generator it draws from; nothing here keeps a state.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def periodic_ripple(rng: np.random.Generator, shape: tuple[int, int], orders: tuple[int, int]) -> np.ndarray:
    """Random (s, angle) table of about unit standard deviation, periodic in angle, smooth along s.

    ``orders`` is the lowest and highest angular order that takes part; higher ones are weaker (1/order).
    """
    along = np.linspace(0.0, 1.0, shape[0])[:, None]
    angle = np.linspace(0.0, 2 * np.pi, shape[1], endpoint=False)
    order = np.arange(orders[0], orders[1] + 1)
    phase, turn = rng.uniform(0, 2 * np.pi, order.size), rng.normal(0.0, 1.5, order.size)
    shift = phase + turn * along
    waves = order[:, None] * angle
    table = (np.cos(shift) / order) @ np.cos(waves) - (np.sin(shift) / order) @ np.sin(waves)
    return (table / np.sqrt(0.5 * np.sum(1.0 / order**2))).astype(np.float32)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], coarse: tuple[int, ...]) -> np.ndarray:
    """Noise of unit standard deviation with about ``coarse`` independent values per axis."""
    field = resize_smooth(rng.standard_normal(coarse).astype(np.float32), shape)
    return field * np.float32(0.69 ** -sum(few != many for few, many in zip(coarse, shape, strict=True)))


def resize_smooth(nodes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Stretch an array to ``shape`` as cubic B-splines whose coefficients are ``nodes`` (no overshoot)."""
    result = nodes.astype(np.float32)
    for axis, (few, many) in enumerate(zip(nodes.shape, shape, strict=True)):
        if few == many:
            continue
        position = np.linspace(0.0, few - 1.0, many) if few > 1 else np.zeros(many)
        low = np.floor(position).astype(int)
        t = position - low
        weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
        stretch = np.zeros((many, few), np.float32)
        for step, weight in enumerate(weights):
            np.add.at(stretch, (np.arange(many), np.clip(low + step - 1, 0, few - 1)), weight / 6)
        result = np.moveaxis(np.tensordot(stretch, result, (1, axis)), 0, axis)
    return np.ascontiguousarray(result)


def streaks(rng: np.random.Generator, shape: tuple[int, int], count: int, length_px: float) -> np.ndarray:
    """Image of ``count`` short bright branches (vessels), peak about 1, (y, x)."""
    canvas = np.zeros(shape, np.float32)
    start = rng.uniform(0, 1, (count, 2)) * np.asarray(shape)
    heading = rng.uniform(0, 2 * np.pi, count)
    reach = rng.exponential(length_px, count).clip(0.5, 5 * length_px)
    strength = rng.uniform(0.4, 1.0, count).astype(np.float32)
    for part in np.linspace(0.0, 1.0, 12):
        y = (start[:, 0] + part * reach * np.sin(heading)).astype(int)
        x = (start[:, 1] + part * reach * np.cos(heading)).astype(int)
        inside = (y >= 0) & (x >= 0) & (y < shape[0]) & (x < shape[1])
        np.maximum.at(canvas, (y[inside], x[inside]), strength[inside])
    return ndimage.gaussian_filter(canvas, 0.7, truncate=3.0) * 2.2
