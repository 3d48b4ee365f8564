"""Which uncertainty map a case shows first: a finding of the evaluation, stored with the bundle."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .result import MapName

_CALIBRATED = (MapName.ERROR_PROBABILITY,)
_PLAIN = (MapName.SCS, MapName.UNCERTAINTY, MapName.ENTROPY, MapName.VARIANCE)
"""In the order in which the evaluations found them to tell errors."""


def default_heat_map(calibration: Mapping[str, Any], maps: Collection[MapName]) -> MapName | None:
    """The one of ``maps`` to show first, None without any.

    P(wrong) where ``manifest.calibration`` says that it beat every single map on cases that neither it nor
    the networks had seen (``fitted_on.default_heat_map``), or says nothing; else the best of the others.
    """
    fitted = calibration.get(MapName.ERROR_PROBABILITY.value, {}).get("fitted_on", {})
    wins = bool(fitted.get("default_heat_map", True))
    order = _CALIBRATED + _PLAIN if wins else _PLAIN + _CALIBRATED
    return next((name for name in order if name in maps), None)
