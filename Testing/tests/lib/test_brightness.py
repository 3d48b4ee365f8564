"""Bright and dark places in the wall, on rings whose grey values are known."""

from __future__ import annotations

import numpy as np
import pytest

from CardiacUQLib.uncertainty.brightness import brightest_sector, brightest_tenth, dark_places, inner_wall

SLICES, SIZE, MIDDLE = 4, 64, 31.5
y, x = np.mgrid[:SIZE, :SIZE] - MIDDLE
RADIUS, ANGLE = np.hypot(y, x), np.arctan2(y, x)
POOL = np.repeat((RADIUS < 12)[None], SLICES, axis=0)
WALL = np.repeat(((RADIUS >= 12) & (RADIUS < 20))[None], SLICES, axis=0)
INNER = inner_wall(POOL, WALL)


def grey(infarct: np.ndarray, level: float = 1.5) -> np.ndarray:
    """Blood at 2, muscle at 0.3, infarct ``level`` above it, outside at -1."""
    image = np.where(WALL, 0.3, np.where(POOL, 2.0, -1.0))
    return image + level * (infarct & WALL)


def test_the_inner_wall_touches_neither_cavity_nor_outside() -> None:
    assert INNER.any() and not (INNER & ~WALL).any()
    for axis in (1, 2):
        for step in (-1, 1):
            assert WALL[INNER.nonzero()].all()
            assert (WALL | INNER)[np.roll(INNER, step, axis)].all()
    assert not inner_wall(POOL & False, WALL & False).any()


def test_an_even_wall_has_no_bright_place_whatever_its_grey_value() -> None:
    for image in (grey(WALL & False), grey(WALL), grey(WALL & False) + 100.0):
        assert brightest_tenth(image, INNER) == pytest.approx(0.0, abs=1e-9)
        assert brightest_sector(image, POOL, INNER) == pytest.approx(0.0, abs=1e-9)


def test_an_infarct_in_half_of_the_slices_has_half_of_its_brightness() -> None:
    infarct = np.zeros(WALL.shape, bool)
    infarct[:2] = np.abs(ANGLE) < np.pi / 4
    assert brightest_sector(grey(infarct), POOL, INNER) == pytest.approx(0.75)
    scattered = np.zeros(WALL.shape, bool)
    for z in range(SLICES):
        scattered[z] = np.abs(np.angle(np.exp(1j * (ANGLE - z * np.pi / 2)))) < np.pi / 4
    assert brightest_sector(grey(scattered), POOL, INNER) == pytest.approx(1.5 / SLICES)


def test_the_brightest_tenth_sees_an_infarct_of_a_quarter_and_not_a_single_pixel() -> None:
    quarter = np.broadcast_to(np.abs(ANGLE) < np.pi / 4, WALL.shape)
    assert brightest_tenth(grey(quarter), INNER) == pytest.approx(1.5, abs=0.05)
    assert brightest_tenth(grey(quarter, 3.0), INNER) == pytest.approx(
        2 * brightest_tenth(grey(quarter), INNER)
    )
    spot = np.zeros(WALL.shape, bool)
    spot[1, 31, 47] = True
    assert brightest_tenth(grey(spot), INNER) < 0.01


def test_dark_places_count_by_their_depth_if_they_are_small() -> None:
    lesion = np.where(WALL, 1.0, 0.0)

    def dark(depth: float, half: int) -> float:
        image = np.full(WALL.shape, 1.0)
        image[:, 32 - half : 33 + half, 47 - half : 48 + half] -= depth
        return dark_places(image, WALL, lesion)

    assert dark(0.0, 1) == pytest.approx(0.0, abs=1e-12)
    assert dark(1.0, 1) > 0
    assert dark(2.0, 1) == pytest.approx(2 * dark(1.0, 1))
    centre = np.zeros(WALL.shape)
    centre[:, 31:34, 46:49] = 1.0
    image = np.where(np.hypot(y - 0.5, x - 15.5) < 9, 0.0, 1.0)[None].repeat(SLICES, axis=0)
    assert dark_places(image, WALL, centre) == pytest.approx(0.0, abs=1e-6)  # too wide for a dark place


def test_without_a_wall_or_a_lesion_there_is_nothing_to_tell() -> None:
    none = np.zeros(WALL.shape, bool)
    assert brightest_tenth(grey(none), none) == 0.0
    assert brightest_sector(grey(none), none, none) == 0.0
    assert dark_places(grey(none), WALL, np.zeros(WALL.shape)) == 0.0
