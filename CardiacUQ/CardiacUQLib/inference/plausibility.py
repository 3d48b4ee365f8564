"""What is too small to be believed: the smallest lesion that a bundle was found to tell from noise."""

from __future__ import annotations

import numpy as np

from ..bundles.classes import LESIONS
from ..bundles.manifest import Manifest


def drop_small_lesions(
    p: np.ndarray, voxel_volume_ml: float, manifest: Manifest
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels (z, y, x), uint8, of softmax ``p`` (C, z, y, x) without lesions below their least volume.

    ``manifest.smallest_lesion_ml`` gives the least volume in ml of the whole stack by lesion name,
    chosen on out-of-fold predictions; a lesion it does not name is always kept. The voxels of a
    dropped lesion take their next most likely class, and the warnings say what was dropped. Nothing
    is hidden: the 2D stage keeps its labels, so the drop shows up as a correction to be reviewed.
    """
    values = {info.name: info.value for info in manifest.classes}
    p = p.copy()
    warnings = []
    for lesion in sorted(manifest.smallest_lesion_ml, key=lambda name: len(LESIONS[name])):
        classes = [values[name] for name in LESIONS[lesion]]
        volume = float(np.isin(p.argmax(axis=0), classes).sum() * voxel_volume_ml)
        least = manifest.smallest_lesion_ml[lesion]
        if 0 < volume < least:
            p[classes] = -1
            noise = f"this model cannot tell less than {least:.1f} ml from noise"
            warnings.append(f"{lesion} of {volume:.1f} ml was dropped: {noise}")
    return p.argmax(axis=0).astype(np.uint8), tuple(warnings)
