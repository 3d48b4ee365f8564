"""Slices as a view of test-time augmentation shows them, and what was found there put back in place."""

from __future__ import annotations

from torch import Tensor

from ..bundles.manifest import View
from .streaming_turns import turn


def to_view(images: Tensor, view: View) -> Tensor:
    """Square images (..., y, x), float, mirrored or turned as ``view`` says; turns repeat the edge."""
    if view.axes:
        return images.flip(view.axes)
    return turn(images, view.angle_deg) if view.angle_deg else images


def from_view(p: Tensor, view: View) -> Tensor:
    """Softmax (..., y, x) of a view in the place of the slices themselves; still sums to 1."""
    if view.axes:
        return p.flip(view.axes)
    return turn(p, -view.angle_deg) if view.angle_deg else p
