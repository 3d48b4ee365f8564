"""What looks unlike the data a model was trained on, and which cases stand out of their cohort."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from CardiacUQLib.bundles.manifest import BundleKind, Manifest
from CardiacUQLib.inference.result import Result

from .case import Row, State

USUAL: Mapping[str, tuple[float, float]] = {
    "pixel_mm": (0.6, 2.2),
    "slice_distance_mm": (4.0, 15.0),
    "slices": (4.0, 20.0),
    "field_of_view_mm": (120.0, 500.0),
    "bright_tail": (0.2, 2.5),
    "dark_tail": (0.1, 3.0),
    "contrast": (3.0, 120.0),
}
"""Wide ranges for clinical late-enhancement stacks, used for a bundle that states none of its own."""

GEOMETRY = ("pixel_mm", "slice_distance_mm", "slices", "field_of_view_mm")
"""Features that do not depend on the kind of image."""

WORDS = {
    "pixel_mm": "pixel size (mm)",
    "slice_distance_mm": "slice distance (mm)",
    "slices": "number of slices",
    "field_of_view_mm": "field of view (mm)",
    "bright_tail": "share of very bright voxels",
    "dark_tail": "share of very dark voxels",
    "contrast": "contrast to noise",
}
LEAST_LV_ML = 15.0
FENCE = 3.0
LEAST_CASES = 8


def training_ranges(manifest: Manifest) -> Mapping[str, tuple[float, float]]:
    """Usual range of every input feature: the bundle's own where it states them, else :data:`USUAL`.

    A bundle states them as ``training["input_statistics"]`` or ``metrics["input_statistics"]``: feature
    to [low, high], or to {"mean": m, "sd": s}, which counts as m - 4 s to m + 4 s. The grey values of
    :data:`USUAL` are those of late enhancement and say nothing about a cine.
    """
    ranges = dict(USUAL)
    if manifest.kind is BundleKind.STREAMING:
        ranges = {name: limits for name, limits in USUAL.items() if name in GEOMETRY}
    for place in (manifest.metrics, manifest.training):
        stated = place.get("input_statistics")
        for name, values in stated.items() if isinstance(stated, Mapping) else ():
            if (limits := _limits(values)) is not None and name in USUAL:
                ranges[name] = limits
    return ranges


def _limits(values: object) -> tuple[float, float] | None:
    if isinstance(values, Mapping) and {"mean", "sd"} <= values.keys():
        return (values["mean"] - 4 * values["sd"], values["mean"] + 4 * values["sd"])
    if isinstance(values, Sequence) and not isinstance(values, str) and len(values) == 2:
        return (float(values[0]), float(values[1]))
    return None


def input_flags(features: Mapping[str, float | None], manifest: Manifest) -> tuple[str, ...]:
    """One line per feature of a scan that lies outside the range of the training data."""
    lines = []
    for name, (low, high) in training_ranges(manifest).items():
        value = features.get(name)
        if value is not None and not low <= value <= high:
            lines.append(f"{WORDS[name]} {value:.3g}, usual are {low:.3g} to {high:.3g}")
    return tuple(lines)


def result_flags(result: Result) -> tuple[str, ...]:
    """What a segmentation says about the scan: no left ventricle, or hardly any."""
    names = {info.value: info.name.lower() for info in result.classes}
    cavity = [value for value, name in names.items() if name in ("blood pool", "lv")]
    wall = [value for value, name in names.items() if "myocardium" in name or name == "infarct"]
    voxel_ml = result.volume.geometry.voxel_volume_ml
    cavity_ml = float(np.isin(result.segmentation, cavity).sum()) * voxel_ml
    wall_ml = float(np.isin(result.segmentation, wall).sum()) * voxel_ml
    if cavity_ml == 0 and wall_ml == 0:
        return ("no left ventricle found",)
    lines = []
    if cavity_ml < LEAST_LV_ML:
        lines.append(f"LV cavity of only {cavity_ml:.0f} ml")
    if wall_ml < LEAST_LV_ML:
        lines.append(f"myocardium of only {wall_ml:.0f} ml")
    return tuple(lines)


def outliers(rows: Iterable[Row]) -> dict[str, tuple[str, ...]]:
    """By case, the measures, uncertainties and features that lie far from the rest of this cohort.

    Far is beyond Tukey's outer fences, three interquartile ranges outside the quartiles (Exploratory Data
    Analysis, 1977), which skewed sizes such as an infarct's volume seldom reach; in cohorts of at least
    :data:`LEAST_CASES` finished cases.
    """
    done = [row for row in rows if row.state is State.DONE]
    found: dict[str, list[str]] = {}
    for group in ("measures", "uncertainty", "features"):
        for key in dict.fromkeys(key for row in done for key in getattr(row, group)):
            known = [(row.name, v) for row in done if (v := getattr(row, group).get(key)) is not None]
            for name in _far([value for _, value in known], [name for name, _ in known]):
                found.setdefault(name, []).append(key)
    return {name: tuple(keys) for name, keys in found.items()}


def _far(values: Sequence[float], names: Sequence[str]) -> list[str]:
    if len(values) < LEAST_CASES:
        return []
    low, high = np.percentile(values, (25, 75))
    reach = FENCE * (high - low)
    if reach == 0:  # more than half the cases are equal: there is no scale to be far by
        return []
    return [name for name, v in zip(names, values, strict=True) if v < low - reach or v > high + reach]
