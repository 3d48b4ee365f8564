"""Infarct size by signal thresholds inside the segmented myocardium: n-SD and FWHM.

The comparison every reader knows (Kim et al., Circulation 1999, 100:1992 for n-SD; Amado et al., JACC
2004, 44:2383 for FWHM; SCMR post-processing, doi 10.1186/s12968-020-00610-6). Each slice has its own
threshold, because inversion times and scalings differ between slices. Half maximum is taken half way
between the remote mean and the brightest infarct voxel: with nulled myocardium that is half the maximum,
and it stays true for signed (PSIR), offset or rescaled signal. Segmented no-reflow is counted
as infarct by every method, since its dark core lies below any threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.regions import eroded
from ..images.volume import Geometry
from .anatomy import Anatomy, percent, volume_ml
from .transmurality import centre_yx, display_angle_deg

SD_FACTORS = (2, 3, 4, 5, 6)
WINDOW_DEG = 60
STEP_DEG = 6
FEWEST_REMOTE_VOXELS = 8


@dataclass(frozen=True)
class ThresholdSize:
    """Size by one method; the share is of all segmented myocardium."""

    method: str
    volume_ml: float
    share_of_lv_percent: float | None


@dataclass(frozen=True, eq=False)
class ThresholdComparison:
    """Sizes by all methods, and the remote myocardium (bool (z, y, x)) they were measured against.

    The ``slices_without_remote`` borrowed the statistics of the nearest slice that has a remote region.
    """

    sizes: tuple[ThresholdSize, ...]
    remote: np.ndarray
    slices_without_remote: tuple[int, ...]


def compare_thresholds(image: np.ndarray, anatomy: Anatomy, geometry: Geometry) -> ThresholdComparison | None:
    """Threshold sizes of an LGE image (z, y, x); None if no slice has a usable remote region.

    Remote per slice: the 60 degree sector of the wall with the least segmented infarct and, among
    equals, the lowest mean signal; without the voxels at the borders of the wall where at least 8
    remain. FWHM is taken in slices with segmented infarct only: elsewhere half the maximum is noise.
    """
    if anatomy.infarct is None:
        return None
    remote = np.zeros(anatomy.wall.shape, bool)
    for z in anatomy.wall_slices:
        remote[z] = _remote_sector(
            image[z], anatomy.wall[z], anatomy.infarct[z], anatomy.left_ventricle[z], geometry
        )
    known = np.flatnonzero(remote.any(axis=(1, 2)))
    if known.size == 0:
        return None
    wall_ml = volume_ml(anatomy.wall, geometry)
    core = np.zeros_like(anatomy.wall) if anatomy.mvo is None else anatomy.mvo
    masks = {f"{n}-SD": core.copy() for n in SD_FACTORS} | {"FWHM": core.copy()}
    for z in anatomy.wall_slices:
        nearest = known[np.argmin(np.abs(known - z))]
        signal = image[nearest][remote[nearest]]
        mean, sd = float(signal.mean()), float(signal.std(ddof=1))
        for n in SD_FACTORS:
            masks[f"{n}-SD"][z] |= anatomy.wall[z] & (image[z] > mean + n * sd)
        scar = anatomy.infarct[z]
        if scar.any():
            half = (float(image[z][scar].max()) + mean) / 2
            masks["FWHM"][z] |= anatomy.wall[z] & (image[z] > half)
    volumes = {method: volume_ml(mask, geometry) for method, mask in masks.items()}
    return ThresholdComparison(
        tuple(ThresholdSize(method, ml, percent(ml, wall_ml)) for method, ml in volumes.items()),
        remote,
        tuple(int(z) for z in anatomy.wall_slices if z not in known),
    )


def _remote_sector(
    image: np.ndarray, wall: np.ndarray, infarct: np.ndarray, left_ventricle: np.ndarray, geometry: Geometry
) -> np.ndarray:
    """The remote region of one slice (y, x), empty if no sector has enough healthy voxels."""
    y, x = np.nonzero(wall)
    scarred, inner, signal = infarct[y, x], eroded(wall)[y, x], image[y, x]
    centre = centre_yx(left_ventricle)
    angle = display_angle_deg((y - centre[0]) * geometry.spacing[1], (x - centre[1]) * geometry.spacing[0])
    best, chosen = (np.inf, np.inf), np.zeros(y.shape, bool)
    for start in range(0, 360, STEP_DEG):
        sector = ((angle - start) % 360.0) < WINDOW_DEG
        region = sector & inner & ~scarred
        if np.count_nonzero(region) < FEWEST_REMOTE_VOXELS:
            region = sector & ~scarred
        if np.count_nonzero(region) < FEWEST_REMOTE_VOXELS:
            continue
        rank = (float(scarred[sector].mean()), float(signal[region].mean()))
        if rank < best:
            best, chosen = rank, region
    remote = np.zeros_like(wall)
    remote[y[chosen], x[chosen]] = True
    return remote
