"""What is believed of what is drawn: lesions that are probably there, or at least larger than noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..bundles.classes import LESIONS
from ..bundles.manifest import Manifest
from ..uncertainty.assessment import Assessor
from ..uncertainty.presence import class_values, labels_without


@dataclass(frozen=True)
class LesionDecision:
    """Which lesions of a case are believed: the names of those that are not, and what to tell about them.

    Taken once, on the grid of the volume, and applied wherever the case is looked at, so that labels, maps
    and P(wrong) speak of the same prediction.
    """

    dropped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def labels(self, p: np.ndarray, manifest: Manifest) -> np.ndarray:
        """Labels (z, y, x), uint8, of softmax ``p`` (C, z, y, x); the voxels of a dropped lesion take their
        next most likely class."""
        return labels_without(p, self.dropped, class_values(manifest.classes))


def decide(
    p: np.ndarray,
    voxel_volume_ml: float,
    manifest: Manifest,
    assessor: Assessor,
    presence: Mapping[str, float],
) -> LesionDecision:
    """Which lesions of softmax ``p`` (C, z, y, x) are not believed: by P(lesion) in ``presence`` where the
    bundle was fitted for it, else because they are below their least volume.

    ``manifest.smallest_lesion_ml`` gives the least volume in ml of the whole stack by lesion name, chosen on
    out-of-fold predictions; a lesion it does not name is always kept. Nothing is hidden: the 2D stage keeps
    its labels, so the drop shows up as a correction to be reviewed.
    """
    if assessor.presence is not None:
        return LesionDecision(assessor.presence.hidden(presence))
    values = {info.name: info.value for info in manifest.classes}
    decision = LesionDecision()
    for lesion in sorted(manifest.smallest_lesion_ml, key=lambda name: len(LESIONS[name])):
        members = [values[name] for name in LESIONS[lesion]]
        volume = float(np.isin(decision.labels(p, manifest), members).sum() * voxel_volume_ml)
        least = manifest.smallest_lesion_ml[lesion]
        if 0 < volume < least:
            noise = f"this model cannot tell less than {least:.1f} ml from noise"
            warning = f"{lesion} of {volume:.1f} ml was dropped: {noise}"
            decision = LesionDecision((*decision.dropped, lesion), (*decision.warnings, warning))
    return decision
