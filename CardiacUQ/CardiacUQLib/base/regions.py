"""Connected regions of a mask."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def connected(mask: np.ndarray, structure: np.ndarray | None = None) -> tuple[np.ndarray, int]:
    """Regions numbered from 1 in an array like ``mask``, and how many there are.

    ``structure`` says what touches, as :func:`scipy.ndimage.label` takes it: by default faces, not corners.
    """
    regions = np.zeros(np.shape(mask), np.int32)
    return regions, int(ndimage.label(mask, structure, output=regions))  # type: ignore[arg-type]
