"""Fitting contour bands on circles whose reader is off by a known amount."""

from __future__ import annotations

import numpy as np
import pytest

from CardiacUQLib.base.json_codec import decode, to_plain
from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.uncertainty.bands import BandForm, find_bands
from CardiacUQTraining.evaluation.shared.contours import (
    EDGES,
    Contours,
    contours_of,
    fit_bands,
    judge_bands,
    judge_histograms,
    measured,
    narrowest,
)

PIXEL = (1.0, 1.0)
RADIUS = 20.0


def labels(radius: float) -> np.ndarray:
    """A cavity of this radius (mm) in a wall of 10 mm; no infarct."""
    yy, xx = np.mgrid[:96, :96] - 47.5
    r = np.hypot(yy, xx)
    return np.where(r < radius, 1, np.where(r < radius + 10, 2, 0))[None].astype(np.uint8)


def softmax(drawn: np.ndarray) -> np.ndarray:
    return np.stack([np.where(drawn == n, 0.96, 0.01) for n in range(5)])


def case(offset: float) -> Contours:
    """A reader whose circles are larger than the drawn ones by ``offset`` mm."""
    drawn = labels(RADIUS)
    return contours_of(softmax(drawn), drawn, labels(RADIUS + offset), LGE_CLASSES, PIXEL)


def test_all_of_a_contour_lies_where_it_is_and_travels_as_numbers() -> None:
    found = case(3.0)
    assert set(found) == {"blood pool", "whole wall"}
    pool = found["blood pool"][BandForm.DISTANCE]
    at = (EDGES[:-1] + EDGES[1:]) / 2
    assert sum(pool.share) == pytest.approx(1.0, abs=1e-3)
    assert np.average(at, weights=pool.share) == pytest.approx(3.0, abs=0.3)  # a third of a pixel
    # area of the ring from 1 mm inside to 3 mm outside, by the staircase of the reader's circle
    ring = np.pi * (23**2 - 19**2) / (8 * 23)
    assert sum(np.array(pool.width_mm)[(at > -1) & (at < 3)]) == pytest.approx(
        ring, rel=0.1
    )  # pixels of 1 mm
    assert decode(to_plain(found), Contours, "x") == found


def test_the_fit_finds_the_offsets_and_the_narrower_form() -> None:
    rng = np.random.default_rng(3)
    cases = [case(offset) for offset in rng.uniform(-3, 5, 40)]
    fitted = fit_bands(cases)
    pool = fitted.structures["blood pool"]
    held = [judge_histograms(fitted, one)["blood pool"] for one in cases]
    assert 0.88 <= np.mean([one.covered for one in held]) <= 0.97
    # 40 offsets spread evenly over 8 mm: nine tenths of them span about 7 mm
    assert np.mean([one.width_mm for one in held]) * 4 / np.pi == pytest.approx(7.2, abs=1.3)
    others = [judge_histograms(fitted, case(offset)) for offset in rng.uniform(-3, 5, 60)]
    assert np.mean([one["blood pool"].covered for one in others]) > 0.8
    assert pool.covered is None
    mean = np.mean([one.covered for one in held])
    assert measured(fitted, [{"blood pool": one} for one in held]).structures[
        "blood pool"
    ].covered == pytest.approx(mean, abs=1e-3)


def test_what_a_user_is_given_is_what_the_histograms_say() -> None:
    cases = [case(offset) for offset in np.linspace(-3, 3, 25)]
    fitted, drawn, reader = fit_bands(cases), labels(RADIUS), labels(RADIUS + 2.2)
    _, maps = find_bands(fitted, softmax(drawn), drawn, LGE_CLASSES, PIXEL)
    given = judge_bands(fitted, softmax(drawn), drawn, maps, reader, LGE_CLASSES, PIXEL)
    kept = judge_histograms(fitted, case(2.2))
    for name in ("blood pool", "whole wall"):
        assert given[name].covered == pytest.approx(kept[name].covered, abs=0.02)
        assert given[name].width_mm == pytest.approx(kept[name].width_mm, rel=0.02)


def test_too_few_contours_give_no_band_and_a_contour_out_of_reach_none_either() -> None:
    assert fit_bands([case(0.0)] * 18) is None
    assert fit_bands([]) is None
    nothing, p = np.zeros((1, 96, 96), np.uint8), np.full((5, 1, 96, 96), 1e-5)
    assert fit_bands([contours_of(p, nothing, labels(20), LGE_CLASSES, PIXEL)] * 30) is None


def test_the_narrowest_pair_pays_for_one_more_case() -> None:
    share, width = np.array([0, 0.05, 0.95, 1.0]), np.array([0.0, 1.0, 2.0, 3.0])
    assert narrowest(share, width, 80) is None or narrowest(share, width, 80)[:2] != (1, 2)
    assert narrowest(np.array([0, 0.0, 1.0, 1.0]), width, 80) == (1, 2, 1.0)
