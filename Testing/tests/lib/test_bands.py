"""Contour bands on circles of known radii: distances, shares and margins are known exactly."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from CardiacUQLib.base.json_codec import to_plain
from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.uncertainty.assessment import Assessor, decode_fit
from CardiacUQLib.uncertainty.bands import (
    BETWEEN,
    INSIDE,
    KEY,
    Band,
    BandCalibration,
    BandFit,
    BandForm,
    band_score,
    band_structures,
    contour_scores,
    covered_share,
    find_bands,
    signed_distance,
)

PIXEL = (0.5, 0.5)
SIZE = 160


def disc(radius: float, centre: float = 0.0, slices: int = 2) -> np.ndarray:
    """A disc of ``radius`` mm, shifted to the right by ``centre`` mm, in every slice."""
    yy, xx = (np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2) * PIXEL[0]
    return np.repeat((np.hypot(yy, xx - centre) < radius)[None], slices, axis=0)


def probability(mask: np.ndarray, softness: float = 0.0) -> np.ndarray:
    return np.where(mask, 1.0 - softness, softness)


def test_the_distance_from_a_circle_is_that_of_its_radius() -> None:
    yy, xx = (np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2) * PIXEL[0]
    distance = signed_distance(disc(20), PIXEL)
    np.testing.assert_allclose(distance[0], np.hypot(yy, xx) - 20.0, atol=0.5)
    assert np.isinf(signed_distance(np.zeros((1, 4, 4), bool), PIXEL)).all()
    assert (signed_distance(np.ones((1, 8, 8), bool), PIXEL) < 0).all()


def test_pixels_that_are_no_squares_count_in_mm() -> None:
    mask = np.zeros((1, 20, 20), bool)
    mask[0, :, :10] = True
    distance = signed_distance(mask, (3.0, 2.0))
    assert distance[0, 5, 12] == pytest.approx(5.0, abs=0.01)  # 2.5 columns of 2 mm
    assert distance[0, 5, 9] == pytest.approx(-1.0, abs=0.01)


@pytest.mark.parametrize(("reader", "share"), [(20, 1), (18.5, 1), (22.4, 1), (17, 0), (24, 0)])
def test_a_concentric_contour_lies_within_or_not(reader: float, share: float) -> None:
    score = band_score(BandForm.DISTANCE, probability(disc(20)), disc(20), PIXEL)
    fit = BandFit(BandForm.DISTANCE, -2.0, 3.0)
    assert covered_share(score, fit, disc(reader), PIXEL) == pytest.approx(share, abs=0.02)


def test_of_a_shifted_circle_the_share_within_follows_from_the_cosine() -> None:
    score = band_score(BandForm.DISTANCE, probability(disc(20)), disc(20), PIXEL)
    # Shifted by 4 mm the contour is 4 cos(a) outside: within 2 mm where |cos(a)| < 1/2, a third of the way.
    found = covered_share(score, BandFit(BandForm.DISTANCE, -2.0, 2.0), disc(20, 4.0), PIXEL)
    at, lengths = contour_scores(score, disc(20, 4.0), PIXEL)
    assert found == pytest.approx(1 / 3, abs=0.07)
    assert at.min() == pytest.approx(-4.0, abs=0.5) and at.max() == pytest.approx(4.0, abs=0.5)
    assert lengths.sum() == pytest.approx(2 * 8 * 20, rel=0.02)  # the staircase of a circle: 8 radii a slice


def test_a_slice_without_anything_drawn_is_out_of_reach_of_distances_not_of_probabilities() -> None:
    drawn = disc(20)
    drawn[1] = False
    p = probability(drawn)
    p[1] = 0.3 * disc(20)[1]
    fit = BandFit(BandForm.DISTANCE, -2.0, 3.0)
    score = band_score(BandForm.DISTANCE, p, drawn, PIXEL)
    assert covered_share(score, fit, disc(20), PIXEL) == pytest.approx(0.5)
    level = band_score(BandForm.LEVEL, p, drawn, PIXEL)
    assert covered_share(level, BandFit(BandForm.LEVEL, -1.0, 3.0), disc(20), PIXEL) == pytest.approx(1.0)
    assert math.isnan(covered_share(score, fit, np.zeros_like(drawn), PIXEL))


def test_soft_probabilities_widen_the_band_and_sharp_ones_do_not() -> None:
    drawn, fit = disc(20), BandFit(BandForm.SOFT_DISTANCE, -1.0, 1.0)
    sharp, soft = (
        np.abs(band_score(BandForm.SOFT_DISTANCE, probability(drawn, s), drawn, PIXEL)) <= fit.outer
        for s in (0.001, 0.3)
    )
    assert soft.sum() > 2 * sharp.sum()


@settings(deadline=None, max_examples=15)
@given(st.floats(-5, -0.5), st.floats(0.5, 5))
def test_margins_are_told_in_mm_and_the_map_is_nested(inner: float, outer: float) -> None:
    labels = np.where(disc(14), 1, np.where(disc(22), 2, 0)).astype(np.uint8)
    p = np.stack([labels == n for n in range(5)]).astype(float)
    fits = BandCalibration({"whole wall": BandFit(BandForm.DISTANCE, inner, outer, 0.91, 5.0)})
    (band,), maps = find_bands(fits, p, labels, LGE_CLASSES, PIXEL)
    told = [(22**2 - (22 + inner) ** 2) / 44, ((22 + outer) ** 2 - 22**2) / 44]  # rings by their length
    assert [band.inner_mm, band.outer_mm] == pytest.approx(told, abs=0.35)
    assert (band.share, band.covered, band.stem) == (0.9, 0.91, "band_whole_wall")
    inside, reached = maps["whole wall"] == INSIDE, maps["whole wall"] >= BETWEEN
    np.testing.assert_array_equal(inside, disc(22) & (signed_distance(disc(22), PIXEL) < inner))
    assert (inside <= disc(22)).all() and (disc(22) <= reached).all()


def test_structures_of_both_label_sets() -> None:
    assert band_structures(LGE_CLASSES) == {
        "blood pool": [1],
        "whole wall": [1, 2, 3, 4],
        "infarct": [3, 4],
    }
    assert band_structures(CINE_CLASSES) == {"LV": [3], "whole wall": [2, 3], "RV": [1]}


def test_the_fit_travels_as_numbers_and_a_bundle_without_it_says_so() -> None:
    fits = BandCalibration({"infarct": BandFit(BandForm.LEVEL, -1.5, 4.0, 0.9, 9.0)}, fitted_on={"cases": 3})
    assert decode_fit(KEY, to_plain(fits)) == fits
    assert KEY in Assessor({}, LGE_CLASSES).lacking
    with pytest.raises(ValueError, match="limits"):
        BandFit(BandForm.LEVEL, 1.0, -1.0)
    with pytest.raises(ValueError, match="limits"):
        dataclasses.replace(fits.structures["infarct"], outer=math.inf)


def test_words() -> None:
    told = Band("infarct", 2.13, 4.0, 0.9).as_text()
    assert told == "infarct: 90 % of a reader's contour from 2.1 mm inside to 4.0 mm outside"
    assert Band("infarct", None, None, 0.9).as_text() == "infarct: none is drawn"
