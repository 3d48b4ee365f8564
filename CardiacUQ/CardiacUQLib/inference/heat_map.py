"""Which uncertainty map a case shows first: a finding of the evaluation, stored with the bundle."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..bundles.map_catalogue import MapName, Use, maps_used, plain_first


def default_heat_map(calibration: Mapping[str, Any], maps: Collection[MapName]) -> MapName | None:
    """The one of ``maps`` to show first, by their rank in the catalogue; None without any.

    P(wrong) where ``manifest.calibration`` says that it beat every single map on cases that neither it nor
    the networks had seen (``fitted_on.default_heat_map``), or says nothing; else the best of the others.
    """
    fitted = calibration.get(MapName.ERROR_PROBABILITY.value, {}).get("fitted_on", {})
    wins = bool(fitted.get("default_heat_map", True))
    offered = maps_used(Use.OFFERED, maps)
    return next(iter(offered if wins else plain_first(offered)), None)
