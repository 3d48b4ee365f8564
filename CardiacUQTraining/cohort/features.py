"""Numbers that describe a segmentation: how unsure it is and what it measures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from CardiacUQLib.inference.result import MapName, Result

_UNCERTAINTIES = {
    MapName.ERROR_PROBABILITY: "mean_error_probability",
    MapName.SCS: "mean_scs",
    MapName.UNCERTAINTY: "mean_uncertainty",
    MapName.ENTROPY: "mean_entropy",
}


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
