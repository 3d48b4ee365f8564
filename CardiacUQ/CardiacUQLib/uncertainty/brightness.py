"""Bright and dark places in the wall: what the image says of lesions, whatever the networks call them.

Late after contrast an infarct is bright and healthy muscle dark, and MVO is a dark place within the bright
one. So where the wall of a stack is nowhere brighter than its darker part there is no infarct, however large
the networks draw one, and where it is there is one, even if they draw none. All arrays are (z, y, x) in the
pixels of the networks, grey values as the networks see them, each slice with variance 1.
"""

from __future__ import annotations

import numpy as np

DARK_PERCENT, BRIGHT_PERCENT = 30.0, 90.0
"""Percentiles of the wall: the level of dark muscle, and how bright its brightest tenth is at least."""
FEWEST_PIXELS = 30
"""With fewer in a slice the level is that of all slices."""
SPOT_SIGMA_PX, GRAIN_SIGMA_PX, LESION_SIGMA_PX = 2.0, 0.7, 1.5
DARK_PLACE_PX = 2
"""Radius of a disc that no dark place holds as a whole."""
SECTORS = 24
FEWEST_IN_SECTOR = 3


def inner_wall(pool: np.ndarray, wall: np.ndarray) -> np.ndarray:
    """The wall without the pixels that touch the cavity or the outside, whose grey values are a mixture;
    ``pool`` and ``wall`` are masks."""
    from scipy import ndimage  # not at start-up

    touching = ndimage.generate_binary_structure(2, 1)[None]
    heart = np.asarray(ndimage.binary_erosion(pool | wall, touching), bool)
    near_pool = np.asarray(ndimage.binary_dilation(pool, touching), bool)
    return wall & heart & ~near_pool


def brightest_tenth(image: np.ndarray, wall: np.ndarray) -> float:
    """How much brighter than the dark muscle of its slice the brightest tenth of the inner ``wall`` is at
    least, blurred over the size of a small infarct; 0 without a wall."""
    if not wall.any():
        return 0.0
    from scipy import ndimage

    above = np.zeros(image.shape)
    for z, grey in enumerate(image):
        known = grey[wall[z]] if wall[z].sum() >= FEWEST_PIXELS else image[wall]
        above[z] = grey - np.percentile(known, DARK_PERCENT)
    sigma = (0.0, SPOT_SIGMA_PX, SPOT_SIGMA_PX)
    share = ndimage.gaussian_filter(wall.astype(float), sigma)
    blurred = ndimage.gaussian_filter(np.where(wall, above, 0.0), sigma)
    return float(np.percentile(blurred[wall] / share[wall], BRIGHT_PERCENT))


def brightest_sector(image: np.ndarray, pool: np.ndarray, wall: np.ndarray) -> float:
    """How much brighter than the middle one the brightest sector of the inner ``wall`` is, on average over
    the slices: coronary arteries feed the same sectors of neighbouring slices, chance does not."""
    profiles = [
        _sectors(grey, middle | ring, ring)
        for grey, middle, ring in zip(image, pool, wall, strict=True)
        if ring.sum() >= FEWEST_PIXELS
    ]
    if not profiles:
        return 0.0
    mean = np.mean(profiles, axis=0)
    return float(((np.roll(mean, 1) + mean + np.roll(mean, -1)) / 3.0).max())


def dark_places(image: np.ndarray, wall: np.ndarray, lesion: np.ndarray) -> float:
    """How much darker a lesion in the ``wall`` is, on average, than what surrounds its dark places closely
    (morphological closing less image). ``lesion`` is the probability of one; 0 where there is none."""
    from scipy import ndimage

    fine = ndimage.gaussian_filter(np.asarray(image, float), (0.0, GRAIN_SIGMA_PX, GRAIN_SIGMA_PX))
    y, x = np.mgrid[-DARK_PLACE_PX : DARK_PLACE_PX + 1, -DARK_PLACE_PX : DARK_PLACE_PX + 1]
    disc = (np.hypot(y, x) <= DARK_PLACE_PX + 0.3)[None]
    depth = ndimage.grey_closing(fine, footprint=disc) - fine
    weight = wall * ndimage.gaussian_filter(lesion, (0.0, LESION_SIGMA_PX, LESION_SIGMA_PX))
    return float((depth * weight).sum() / max(float(weight.sum()), 1.0))


def _sectors(grey: np.ndarray, heart: np.ndarray, wall: np.ndarray) -> np.ndarray:
    """Mean grey values of a slice's sectors about the middle of its heart, less their median; 0 where there
    is hardly any wall."""
    rows, columns = np.nonzero(wall)
    row, column = np.argwhere(heart).mean(axis=0)
    turn = np.arctan2(rows - row, columns - column) / (2.0 * np.pi) + 0.5
    sector = (turn * SECTORS).astype(int) % SECTORS
    count = np.bincount(sector, minlength=SECTORS)
    mean = np.bincount(sector, grey[rows, columns], SECTORS) / np.maximum(count, 1)
    known = count >= FEWEST_IN_SECTOR
    return np.where(known, mean - np.median(mean[known]), 0.0) if known.any() else np.zeros(SECTORS)
