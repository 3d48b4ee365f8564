"""Numbers that describe a scan, free of the scanner's grey scale: what a cohort compares with training."""

from __future__ import annotations

import numpy as np

from CardiacUQLib.images.volume import Volume

CENTRE_MM = 140.0
"""Side of the square around the image centre that stands for the heart before it is found."""


def input_features(volume: Volume) -> dict[str, float | None]:
    """Geometry and grey values of a scan.

    Grey values are those of the central square of :data:`CENTRE_MM`. ``bright_tail`` and ``dark_tail``
    are the distances of the 99th and 1st percentile from the median in units of the range from the 5th
    to the 95th; ``contrast`` is that range by the standard deviation of the second difference along x,
    which noise fills and anatomy hardly does.
    """
    columns, rows, slices = volume.geometry.size
    x_mm, y_mm, z_mm = volume.geometry.spacing
    centre = _central_square(volume).astype(float)  # squares of great values overflow in single precision
    low, p5, median, p95, high = np.percentile(centre, (1, 5, 50, 95, 99))
    spread = max(float(p95 - p5), float(np.finfo(np.float32).tiny))
    ripple = float(np.std(np.diff(centre, 2, axis=-1)) / np.sqrt(6.0))
    return {
        "pixel_mm": float(max(x_mm, y_mm)),
        "slice_distance_mm": float(z_mm),
        "slices": float(slices),
        "field_of_view_mm": float(max(columns * x_mm, rows * y_mm)),
        "bright_tail": float(high - median) / spread,
        "dark_tail": float(median - low) / spread,
        "contrast": spread / ripple if ripple > 0 else None,
    }


def _central_square(volume: Volume) -> np.ndarray:
    _, rows, columns = volume.array.shape
    x_mm, y_mm, _ = volume.geometry.spacing
    half_y, half_x = (max(2, round(CENTRE_MM / 2 / mm)) for mm in (y_mm, x_mm))
    top, left = max(0, rows // 2 - half_y), max(0, columns // 2 - half_x)
    return volume.array[:, top : rows // 2 + half_y, left : columns // 2 + half_x]
