"""How the opinions of a cascade's two stages are compared, and how they become one prediction.

In the paper the 3D stage has the last word. It learns to correct infarct and MVO and sees the masks of
nothing else; the outlines of cavity and wall, though, are drawn by two networks that err independently, so
that their mean lies closer to the reader's.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..bundles.classes import LESIONS
from ..bundles.manifest import ClassInfo, StageRule
from .maps import Array

HEALTHY = "healthy myocardium"
_LEAST = 1e-3
"""Weight of the 2D stage's division of the wall where the 3D stage sees hardly any wall."""
_SMALLEST = 1e-30


def sharpened(p: Array, factor: float) -> Array:
    """Softmax (F, C, ...) of ``factor`` times the logits that gave the softmax ``p``."""
    if factor == 1:
        return p
    power = p**factor
    return power / power.sum(axis=1)[:, None]


def final_prediction(p2d: Array, p3d: Array, rule: StageRule, classes: Sequence[ClassInfo]) -> Array:
    """Final softmax (F, C, ...) of the softmax of both stages, passes first.

    Where the 3D stage sees a lesion it alone decides; elsewhere the 2D stage has ``rule.outline_share`` of
    the say on background, cavity and wall, and what the wall is made of remains the 3D stage's word. Then the
    background is weighed: networks that learn from Dice rather draw a thin structure too thick.
    """
    final = p3d if rule.outline_share == 0 else _mixed(p2d, p3d, rule.outline_share, classes)
    if rule.background_weight == 1:
        return final
    final = final + 0
    final[:, 0] *= rule.background_weight
    return final / final.sum(axis=1)[:, None]


def _mixed(p2d: Array, p3d: Array, share: float, classes: Sequence[ClassInfo]) -> Array:
    values = {info.name: info.value for info in classes}
    lesions = [values[name] for name in LESIONS["infarct"]]
    wall = [values[HEALTHY], *lesions]
    parts = p3d[:, wall] + _LEAST * p2d[:, wall]
    outlines = p2d + 0
    outlines[:, wall] = p2d[:, wall].sum(axis=1)[:, None] * parts / (parts.sum(axis=1)[:, None] + _SMALLEST)
    share_here = share * (1 - p3d[:, lesions].sum(axis=1)[:, None])
    mixed = share_here * outlines + (1 - share_here) * p3d
    return mixed / mixed.sum(axis=1)[:, None]
