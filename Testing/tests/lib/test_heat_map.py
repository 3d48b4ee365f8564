"""Which map is shown first follows the bundle's evaluation."""

from __future__ import annotations

import pytest

from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.inference.heat_map import default_heat_map

LGE = (MapName.ENTROPY, MapName.SCS, MapName.ERROR_PROBABILITY, MapName.VARIANCE)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({"default_heat_map": True}, MapName.ERROR_PROBABILITY),
        ({"default_heat_map": False}, MapName.SCS),
        ({}, MapName.ERROR_PROBABILITY),
    ],
)
def test_the_error_probability_comes_first_where_it_has_won(stored: dict, expected: MapName) -> None:
    assert default_heat_map({"error_probability": {"fitted_on": stored}}, LGE) is expected


def test_without_a_calibration_the_best_single_map_comes_first() -> None:
    assert default_heat_map({}, LGE[:2]) is MapName.SCS
    assert default_heat_map({}, (MapName.VARIANCE, MapName.UNCERTAINTY)) is MapName.UNCERTAINTY
    assert default_heat_map({}, ()) is None
