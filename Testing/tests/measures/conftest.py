"""Grids of three spacings and three orientations, shared by the tests of the measures."""

from __future__ import annotations

import numpy as np
import pytest
from analytic_hearts import ORIENTATIONS, SPACINGS, make_geometry

from CardiacUQLib.images.volume import Geometry


@pytest.fixture(params=SPACINGS, ids=str)
def spacing(request):
    return SPACINGS[request.param]


@pytest.fixture(params=ORIENTATIONS, ids=str)
def geometry(request, spacing) -> Geometry:
    """Three spacings times three orientations, about 120 mm across and 10 slices."""
    across = tuple(int(120 / mm) for mm in spacing[:2])
    return make_geometry(spacing, ORIENTATIONS[request.param], (*across, 10))


@pytest.fixture
def axial() -> Geometry:
    return make_geometry((1.0, 1.0, 8.0), np.eye(3), (100, 100, 9))
