"""Which side is which: what lies to the left and to the right of the left ventricle.

On the patient's right of it lies the right ventricle, bright with blood in every contrast in use, on the left
lung. Grey values are averaged in rings around the ventricle and in sectors, above and below taken together,
because data sets differ in which way up they are stored; what is left of each sector after its mirror image
is subtracted changes its sign when a stack is mirrored, whatever the scanner and the contrast.
"""

from __future__ import annotations

import itertools

import numpy as np

from .evidence import evidence_key

SIDES = "sides"
RINGS_MM = (1.0, 8.0, 16.0, 28.0, 45.0)
"""Distances from the epicardium between which a ring lies."""
QUARTER = 4
"""Sectors from straight across to straight down."""
CLIPPED = 2.5
"""Grey values of a slice, mean 0 and variance 1, count up to here: fat must not outshine blood."""
FEWEST_PIXELS = 20


def side_names() -> tuple[str, ...]:
    """Names of the figures of :func:`side_figures`: ring by ring, each from across to down."""
    rings = itertools.pairwise(RINGS_MM)
    return tuple(
        evidence_key(SIDES, f"{near:g} to {far:g} mm, sector {sector + 1}")
        for near, far in rings
        for sector in range(QUARTER)
    )


def side_figures(
    normalised: np.ndarray, inside: np.ndarray, heart: np.ndarray, pixel_mm: float
) -> dict[str, float]:
    """Half of right minus left of the patient for every ring and sector, by name; 0 where nothing is seen.

    ``normalised`` grey values and ``heart`` True in the left ventricle, both (z, size, size) with x to the
    patient's left; ``inside`` (size, size) True where the region lies within the image.
    """
    rings = len(RINGS_MM) - 1
    total, count = np.zeros((2, rings, 2, QUARTER))  # ring, patient's right and left, sector
    for plane, mask in zip(normalised, heart, strict=True):
        if mask.sum() <= FEWEST_PIXELS:
            continue
        ring, side, sector, seen = _parts(mask, inside, pixel_mm)
        where = (ring[seen], side[seen], sector[seen])
        np.add.at(total, where, np.clip(plane[seen], -CLIPPED, CLIPPED))
        np.add.at(count, where, 1.0)
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    both = (count > 0).all(axis=1)
    half = np.where(both, 0.5 * (mean[:, 0] - mean[:, 1]), 0.0)
    return dict(zip(side_names(), half.ravel().tolist(), strict=True))


def _parts(
    mask: np.ndarray, inside: np.ndarray, pixel_mm: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Ring, side and sector of every pixel of a slice, and which pixels count."""
    from scipy import ndimage  # not at start-up

    y, x = np.indices(mask.shape) - np.argwhere(mask).mean(axis=0)[:, None, None]
    away = np.asarray(ndimage.distance_transform_edt(~mask), float) * pixel_mm
    ring = np.digitize(away, RINGS_MM) - 1
    down = np.arctan2(np.abs(y), np.abs(x)) / (0.5 * np.pi)
    sector = np.minimum((down * QUARTER).astype(int), QUARTER - 1)
    seen = inside & (ring >= 0) & (ring < len(RINGS_MM) - 1) & (x != 0)
    return ring, (x > 0).astype(int), sector, seen
