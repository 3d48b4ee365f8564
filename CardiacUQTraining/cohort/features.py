"""Numbers that describe a scan and its segmentation, free of the scanner's grey scale."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from CardiacUQLib.images.volume import Volume
from CardiacUQLib.inference.result import MapName, Result

CENTRE_MM = 140.0
"""Side of the square around the image centre that stands for the heart before it is found."""

_UNCERTAINTIES = {
    MapName.ERROR_PROBABILITY: "mean_error_probability",
    MapName.SCS: "mean_scs",
    MapName.UNCERTAINTY: "mean_uncertainty",
    MapName.ENTROPY: "mean_entropy",
}


def input_features(volume: Volume) -> dict[str, float | None]:
    """Geometry and grey values of a scan.

    Grey values are those of the central square of :data:`CENTRE_MM`. ``bright_tail`` and ``dark_tail``
    are the distances of the 99th and 1st percentile from the median in units of the range from the 5th
    to the 95th; ``contrast`` is that range by the standard deviation of the second difference along x,
    which noise fills and anatomy hardly does.
    """
    columns, rows, slices = volume.geometry.size
    x_mm, y_mm, z_mm = volume.geometry.spacing
    centre = _central_square(volume)
    low, p5, median, p95, high = np.percentile(centre, (1, 5, 50, 95, 99))
    spread = max(float(p95 - p5), 1e-9)
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


def case_uncertainty(result: Result) -> dict[str, float | None]:
    """Case-level uncertainty: means over the union of both stages' foreground, and what disagrees.

    ``corrected_share`` is the part of that region in which the stages differ; ``regions`` the number of
    components to look at; ``volume_spread`` the standard deviation of the foreground volume over the
    passes by its mean. None where nothing was found.
    """
    foreground = (result.segmentation > 0) | (result.stage2d > 0)
    found: dict[str, float | None] = {
        key: float(result.maps[name][foreground].mean()) if foreground.any() else None
        for name, key in _UNCERTAINTIES.items()
        if name in result.maps
    }
    found["regions"] = float(len(result.components))
    found["corrected_share"] = float((result.dcm[foreground] > 0).mean()) if foreground.any() else None
    totals = np.asarray(result.pass_volumes_ml, float)[:, 1:].sum(axis=1)
    found["volume_spread"] = (
        float(totals.std() / totals.mean()) if len(totals) and totals.mean() > 0 else None
    )
    return found


def flat_measures(measures: Mapping[str, object]) -> dict[str, float | None]:
    """Plain numbers of ``measures.json``: the sizes if there are any, else the volume of every class."""
    sizes = measures.get("sizes")
    if isinstance(sizes, Mapping) and sizes:
        return {str(key): _number(entry["value"]) for key, entry in sizes.items()}
    volumes = measures.get("volumes_ml")
    if not isinstance(volumes, Mapping):
        return {}
    return {f"{str(name).lower().replace(' ', '_')}_volume_ml": _number(v) for name, v in volumes.items()}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
