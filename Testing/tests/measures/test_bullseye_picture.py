"""The bull's-eyes as pixels: every segment where it belongs, in the colour of its value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from CardiacUQLib.bullseye import drawing
from CardiacUQLib.bullseye.picture import NOTE_HEIGHT, SCALE, bullseyes_picture
from CardiacUQLib.bundles.colours import HEAT_STOPS, SHARE_STOPS, scale_colours

SIDE, HEIGHT = round(drawing.SIDE * SCALE), round(drawing.HEIGHT * SCALE) + NOTE_HEIGHT
CENTRE, RADIUS = (SIDE / 2, drawing.MIDDLE * SCALE), drawing.RADIUS * SCALE
"""Middle (x, y) and radius in pixels of each bull's-eye."""


def measures(shares: dict[int, float], reference: str = "rv_insertion") -> dict[str, Any]:
    """Segments with these infarct shares in percent, the others without infarct, P(wrong) a tenth."""
    items = [
        {
            "name": f"segment {number}",
            "infarct_share_percent": shares.get(number, 0.0),
            "transmurality_mean_percent": None,
            "mean_error_probability": 0.1,
            "mean_scs": None,
            "wall_thickness_mm": None,
        }
        for number in range(1, 18)
    ]
    return {
        "segments": {"reference": reference, "base_slice": 4, "base_rule": "patient axes", "items": items}
    }


def colour_at(share: float, stops: tuple[str, ...]) -> tuple[int, ...]:
    """Colour of a share of a scale as 0..255."""
    return tuple(int(v) for v in np.rint(scale_colours(np.array([share]), stops)[0]))


def colour(picture: np.ndarray, radius: float, degrees: float) -> tuple[int, ...]:
    """Colour at a share of the radius, beside the middle of the segment where its value is printed."""
    angle = np.radians(degrees + 22.0)
    x, y = CENTRE[0] + RADIUS * radius * np.cos(angle), CENTRE[1] - RADIUS * radius * np.sin(angle)
    return tuple(int(v) for v in picture[round(y), round(x)])


@pytest.mark.parametrize(
    ("segment", "radius", "degrees"),
    [
        (1, 0.87, 90),
        (2, 0.87, 150),
        (4, 0.87, 270),
        (6, 0.87, 30),
        (9, 0.62, 210),
        (13, 0.37, 90),
        (16, 0.37, 0),
    ],
)
def test_anterior_is_on_top_and_the_septum_on_the_left(segment: int, radius: float, degrees: float) -> None:
    picture = bullseyes_picture(measures({segment: 80.0}), 5)
    assert picture.shape == (HEIGHT, 2 * SIDE, 3), "infarct share and P(wrong); no transmurality is known"
    assert colour(picture, radius, degrees) == colour_at(0.8, SHARE_STOPS)
    assert colour(picture, radius, degrees + 180 if radius < 0.5 else degrees + 120) == colour_at(
        0.0, SHARE_STOPS
    )
    unsure = picture[:, SIDE:]
    assert colour(unsure, radius, degrees) == colour_at(0.1, HEAT_STOPS)


def test_nothing_is_drawn_where_nothing_is_known() -> None:
    assert bullseyes_picture({"segments": None}, 5) is None
    empty = measures({})
    for item in empty["segments"]["items"]:
        item.update(infarct_share_percent=None, mean_error_probability=None)
    assert bullseyes_picture(empty, 5) is None


def test_other_walls_are_named_only_after_an_insertion() -> None:
    aha, clock = (bullseyes_picture(measures({}, ref), 5) for ref in ("rv_insertion", "image_12_oclock"))
    differs = np.flatnonzero((aha != clock).any(axis=(1, 2)))
    assert differs.min() < CENTRE[1] - RADIUS and differs.max() > HEIGHT - 30, "the walls and the note"


def test_no_area_is_left_out_and_none_overlaps() -> None:
    """The named areas of one bull's-eye fill the disc: their sizes (shoelace formula) add up to its own."""
    drawn = drawing.bullseyes(measures({}), 5)
    sizes = []
    for area in drawn.areas:
        x, y = np.transpose(area.points)
        if area.name and x.max() <= drawing.SIDE:
            sizes.append(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)
    assert len(sizes) == 17
    assert np.sum(sizes) == pytest.approx(np.pi * drawing.RADIUS**2, rel=2e-3)


def test_an_undefined_segment_is_hatched_in_grey_on_white() -> None:
    content = measures({1: 50.0})
    content["segments"]["items"][16]["infarct_share_percent"] = None
    picture = bullseyes_picture(content, 5)
    apex = picture[
        round(CENTRE[1]) - 20 : round(CENTRE[1]) + 20, round(CENTRE[0]) - 20 : round(CENTRE[0]) + 20
    ]
    assert apex.min() < 190 and apex.max() > 240
    assert np.ptp(apex.astype(int), axis=-1).max() < 30, "no colour, so no value"
