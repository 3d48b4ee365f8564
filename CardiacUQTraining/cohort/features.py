"""Numbers that describe a segmentation: how unsure it is and what it measures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from CardiacUQLib.bundles.map_catalogue import Use, maps_used
from CardiacUQLib.cases.places import count_stops
from CardiacUQLib.inference.result import Result

UNCERTAINTIES = {name: f"mean_{name.value}" for name in maps_used(Use.OFFERED)}
"""Key of the mean over the heart of every map that readers are offered, best first."""


def case_uncertainty(result: Result) -> dict[str, float | None]:
    """Case-level uncertainty: means over the union of both stages' foreground, and what disagrees.

    ``corrected_share`` is the part of that region in which the stages differ; ``regions`` the number of
    places to look at; ``volume_spread`` the standard deviation of the foreground volume over the
    passes by its mean. ``risk`` is that of the verdict; predicted Dice by structure and P(lesion) by lesion
    where the bundle has them. None where nothing was found.
    """
    foreground = result.segmentation > 0
    if result.opinion is not None:
        foreground = foreground | (result.opinion > 0)
    found: dict[str, float | None] = {
        key: float(result.maps[name][foreground].mean()) if foreground.any() else None
        for name, key in UNCERTAINTIES.items()
        if name in result.maps
    }
    if result.verdict is not None and result.verdict.risk is not None:
        found["risk"] = result.verdict.risk
    for one in result.predicted_dice:
        found[f"predicted_dice_{_key(one.structure)}"] = one.value
    for lesion, probability in result.presence.items():
        found[f"probability_{_key(lesion)}"] = probability
    found["regions"] = float(count_stops(result))
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
    return {f"{_key(str(name))}_volume_ml": _number(v) for name, v in volumes.items()}


def _key(name: str) -> str:
    return name.lower().replace(" ", "_")


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
