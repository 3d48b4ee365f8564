"""What the two U-Nets of the cascade share: outputs at the finest levels, for training and for use."""

from __future__ import annotations

from torch import Tensor, nn

from .planes import pointwise

SUPERVISED_LEVELS = 3


class DeeplySupervised(nn.Module):
    """A decoder whose finest levels each have a head; ``heads[0]`` belongs to full resolution."""

    heads: nn.ModuleList

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, C, [z,] y, x) at full resolution."""
        return pointwise(self._decode(x)[0], self.heads[0])

    def deep(self, x: Tensor) -> list[Tensor]:
        """Logits of the finest levels, full resolution first, each half the plane of the one before."""
        features = self._decode(x)
        return [pointwise(level, head) for head, level in zip(self.heads, features, strict=False)]

    def _decode(self, x: Tensor) -> list[Tensor]:
        """Decoder features of all levels, finest first."""
        raise NotImplementedError
