"""The official scores of the EMIDEC challenge (Lalande et al., MedIA 2022), written from their definition.

Structures: myocardium = healthy + infarct + no-reflow (labels 2, 3, 4), infarct = infarct + no-reflow
(3, 4), no-reflow = 4. Each has a Dice and an absolute volume difference in mm3; infarct and no-reflow
also the difference of their shares of the myocardium in percent points; the myocardium its Hausdorff
distance in mm.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from .dice import dice
from .surface import hausdorff_mm

MYOCARDIUM_LABELS = (2, 3, 4)
INFARCT_LABELS = (3, 4)
NO_REFLOW_LABELS = (4,)


@dataclass(frozen=True)
class EmidecScores:
    """One case. Volumes in mm3, the Hausdorff distance in mm, ratios in percent of the true myocardium.

    A ratio is NaN where the truth has no myocardium, the distance where only one myocardium exists.
    """

    myocardium_dice: float
    myocardium_volume_difference: float
    myocardium_hausdorff: float
    infarct_dice: float
    infarct_volume_difference: float
    infarct_ratio_difference: float
    no_reflow_dice: float
    no_reflow_volume_difference: float
    no_reflow_ratio_difference: float

    def as_dict(self) -> dict[str, float]:
        """The scores by name, in the order of the challenge's table."""
        return asdict(self)


def emidec_scores(
    predicted: np.ndarray, truth: np.ndarray, spacing_xyz: tuple[float, float, float]
) -> EmidecScores:
    """Scores of one label map (z, y, x) against the truth; ``spacing_xyz`` in mm as SimpleITK gives it.

    Both ratios are taken against the myocardium of the truth, so that an error of the myocardium does
    not enter the score of the infarct.
    """
    voxel_mm3 = float(np.prod(spacing_xyz))
    masks = {name: np.isin(predicted, labels) for name, labels in _STRUCTURES.items()}
    true_masks = {name: np.isin(truth, labels) for name, labels in _STRUCTURES.items()}
    difference = {
        name: abs(int(masks[name].sum()) - int(true_masks[name].sum())) * voxel_mm3 for name in _STRUCTURES
    }
    overlap = {name: dice(masks[name], true_masks[name]) for name in _STRUCTURES}
    myocardium_mm3 = int(true_masks["myocardium"].sum()) * voxel_mm3
    percent = {
        name: 100.0 * difference[name] / myocardium_mm3 if myocardium_mm3 else float("nan")
        for name in _STRUCTURES
    }
    spacing_zyx = (spacing_xyz[2], spacing_xyz[1], spacing_xyz[0])
    return EmidecScores(
        overlap["myocardium"],
        difference["myocardium"],
        hausdorff_mm(masks["myocardium"], true_masks["myocardium"], spacing_zyx),
        overlap["infarct"],
        difference["infarct"],
        percent["infarct"],
        overlap["no_reflow"],
        difference["no_reflow"],
        percent["no_reflow"],
    )


_STRUCTURES = {"myocardium": MYOCARDIUM_LABELS, "infarct": INFARCT_LABELS, "no_reflow": NO_REFLOW_LABELS}
