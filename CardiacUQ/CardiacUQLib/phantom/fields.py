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
    angle = np.linspace(0.0, 2 * np.pi, shape[1], endpoint=False)[None, :]
    table = np.zeros(shape)
    weight = 0.0
    for order in range(orders[0], orders[1] + 1):
        phase, turn = rng.uniform(0, 2 * np.pi), rng.normal(0.0, 1.5)
        table += np.cos(order * angle + phase + turn * along) / order
        weight += 0.5 / order**2
    return (table / np.sqrt(weight)).astype(np.float32)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], coarse: tuple[int, ...]) -> np.ndarray:
    """Noise of unit standard deviation with about ``coarse`` independent values per axis, linearly blended."""
    nodes = rng.standard_normal(coarse).astype(np.float32)
    return resize_linear(nodes, shape)


def resize_linear(nodes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Stretch an array to ``shape``, axis after axis, with cubic easing between the nodes."""
    result = nodes.astype(np.float32)
    for axis, (few, many) in enumerate(zip(nodes.shape, shape, strict=True)):
        if few == many:
            continue
        position = np.linspace(0.0, few - 1.0, many) if few > 1 else np.zeros(many)
        low = np.minimum(position.astype(int), max(few - 2, 0))
        high = np.minimum(low + 1, few - 1)
        part = (position - low).astype(np.float32)
        part = part * part * (3 - 2 * part)
        part = part.reshape([-1 if n == axis else 1 for n in range(result.ndim)])
        result = result.take(low, axis) * (1 - part) + result.take(high, axis) * part
    return result


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
