"""What a 2D network sees beside its slice: the slices above and below it, as further channels.

Whether a basal slice at end-systole still belongs to a ventricle shows in its neighbours, not in itself.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def with_neighbours(frames: Tensor, channels: int) -> Tensor:
    """Slices with their neighbours (..., z, channels, y, x) of stacks (..., z, y, x).

    ``channels`` is odd: the slice itself is the middle one, the others are those before and after it in
    their order; beyond the ends of the stack they are zero, so that an end shows. Raises ValueError
    if ``channels`` is even.
    """
    if channels % 2 == 0:
        raise ValueError(f"{channels} channels have no middle one")
    beyond = channels // 2
    padded = functional.pad(frames, (0, 0, 0, 0, beyond, beyond))
    return padded.unfold(-3, channels, 1).movedim(-1, -3)
