"""Slices as a view of test-time augmentation shows them, and what was found there put back in place."""

from __future__ import annotations

from torch import Tensor

from .manifest import View
from .streaming_turns import turn


def to_view(images: Tensor, view: View) -> Tensor:
    """Square images (..., y, x), float, as ``view`` shows them; beyond the edge the edge goes on."""
    if view.axes:
        return images.flip(view.axes)
    return turn(images, view.angle_deg, view.scale)


def from_view(p: Tensor, view: View) -> Tensor:
    """Softmax (..., y, x) of a view in the place of the slices themselves; still sums to 1.

    What an enlarged view does not show gets the probabilities of its edge.
    """
    if view.axes:
        return p.flip(view.axes)
    return turn(p, -view.angle_deg, 1.0 / view.scale)
