"""Files that other programs read: Pillow gives back every pixel, and finds no fault with the checks."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from CardiacUQLib.report.png import png


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (5, 7), (6, 4, 3), (340, 340, 3)])
def test_every_pixel_comes_back(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(len(shape)).integers(0, 256, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(png(pixels))) as image:
        image.verify()
    with Image.open(io.BytesIO(png(pixels))) as image:
        assert image.mode == ("RGB" if len(shape) == 3 else "L")
        assert image.size == (shape[1], shape[0])
        assert np.array_equal(np.asarray(image), pixels)


def test_a_picture_seen_from_its_side_is_read_right() -> None:
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3).swapaxes(0, 1)
    with Image.open(io.BytesIO(png(pixels))) as image:
        assert np.array_equal(np.asarray(image), pixels)


def test_a_smooth_picture_takes_a_small_part_of_its_bytes() -> None:
    slope = np.add.outer(np.arange(200), np.arange(200)).astype(np.uint8)
    assert len(png(slope)) < slope.size / 20
