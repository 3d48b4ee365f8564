"""Measures of synthetic hearts whose truth was integrated before it was sampled."""

from __future__ import annotations

import numpy as np
import pytest

from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.measures import Frame, cine_measures, lge_measures
from CardiacUQLib.phantom import as_volume, cine_phantom, cylinder_phantom


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 5.0), (1.5, 1.5, 10.0), (1.2, 1.8, 6.0)])
@pytest.mark.parametrize("transmurality", [0.25, 0.5, 1.0])
def test_cylinder_has_the_mass_and_depth_it_was_made_with(spacing, transmurality):
    phantom = cylinder_phantom(
        spacing=spacing, transmurality=transmurality, infarct_angle_deg=120.0, infarct_centre_deg=33.0
    )
    measures = lge_measures(phantom.labels, as_volume(phantom).geometry, LGE_CLASSES)
    pixel = max(spacing[:2])
    truth = phantom.description["infarct_mass_g"] / phantom.description["lv_mass_g"]
    assert measures.sizes["lv_mass_g"].value == pytest.approx(phantom.description["lv_mass_g"], rel=0.03)
    assert measures.sizes["infarct_mass_g"].value == pytest.approx(
        phantom.description["infarct_mass_g"], rel=0.03 + 0.04 * pixel
    )
    assert measures.sizes["infarct_share_of_lv_percent"].value == pytest.approx(100 * truth, abs=1.5)
    assert measures.transmurality.mean_percent == pytest.approx(100 * transmurality, abs=25 * pixel / 9)
    assert measures.transmurality.infarcted_circumference_percent == pytest.approx(100 / 3, abs=1.5)


def test_rotating_the_heart_rotates_its_segments():
    """The anterior insertion found from the RV label follows the heart by the same 20 degrees."""
    starts, shares = [], []
    for rotation in (0.0, 20.0):
        phantom = cine_phantom(1, rotation_deg=rotation, shape=(10, 160, 160))
        geometry = as_volume(phantom.ed).geometry
        measures = cine_measures(
            Frame(phantom.ed.labels, geometry), Frame(phantom.es.labels, geometry), CINE_CLASSES
        )
        assert measures.ed.segment_model.is_aha
        starts.append(measures.ed.segment_model.start_deg)
        shares.append([s.myocardium_ml for s in measures.ed.segments])
    assert abs(starts[1] - starts[0]) == pytest.approx(20.0, abs=3.0)
    assert np.corrcoef(shares)[0, 1] > 0.97


@pytest.mark.parametrize(("base_first", "base"), [(True, 0), (False, 9)])
def test_base_is_found_at_either_end(base_first, base):
    phantom = cine_phantom(1, base_first=base_first, shape=(10, 160, 160))
    geometry = as_volume(phantom.ed).geometry
    measures = cine_measures(
        Frame(phantom.ed.labels, geometry), Frame(phantom.es.labels, geometry), CINE_CLASSES
    )
    assert abs(measures.ed.segment_model.base_slice - base) <= 1
    assert measures.ed.territories[0].name == "LAD"
