"""Running means over passes: memory stays that of one pass, however many passes there are.

The maps are those of :mod:`CardiacUQLib.inference.maps`; a test compares the two.
"""

from __future__ import annotations

import numpy as np
import torch

from ..bundles.map_catalogue import MapName
from . import maps
from .stages import sharpened

_STAGE_MAPS = {
    "": (MapName.VARIANCE, MapName.ENTROPY, MapName.MUTUAL_INFORMATION, MapName.MAX_PROBABILITY),
    "2d": (
        MapName.VARIANCE_2D,
        MapName.ENTROPY_2D,
        MapName.MUTUAL_INFORMATION_2D,
        MapName.MAX_PROBABILITY_2D,
    ),
}


class StageAccumulator:
    """Mean, variance, member entropy and class sizes of softmax outputs (C, ...) added one by one."""

    def __init__(self) -> None:
        self.passes = 0
        self._mean: torch.Tensor | None = None
        self._squares = self._entropy = torch.zeros(0)
        self._class_voxels: list[np.ndarray] = []

    def add(self, p: torch.Tensor) -> None:
        """Take in one pass, softmax (C, ...). Raises ValueError if its shape differs from the first."""
        if self._mean is None:
            self._mean = torch.zeros_like(p, dtype=torch.float32)
            self._squares = self._mean.new_zeros(p.shape[1:])
            self._entropy = torch.zeros_like(self._squares)
        elif p.shape != self._mean.shape:
            raise ValueError(f"pass of shape {tuple(p.shape)} after {tuple(self._mean.shape)}")
        self.passes += 1
        # Welford's update: a sum of squares minus a squared sum loses the small variances in float32
        before = p - self._mean
        self._mean += before / self.passes
        self._squares += (before * (p - self._mean)).sum(dim=0)
        self._entropy += maps.entropy(p)
        labels = p.max(dim=0).indices  # argmax over the leading axis is twelve times slower on a processor
        counts = torch.bincount(labels.flatten(), minlength=p.shape[0])
        self._class_voxels.append(counts.cpu().numpy())

    @property
    def mean(self) -> torch.Tensor:
        """Mean softmax (C, ...)."""
        return self._filled(self._mean)

    @property
    def variance(self) -> torch.Tensor:
        """As :func:`maps.ensemble_variance`, (...)."""
        return self._filled(self._squares) / (self.passes * self.mean.shape[0])

    @property
    def mean_member_entropy(self) -> torch.Tensor:
        """Mean over passes of the entropy of each, (...), in nats."""
        return self._filled(self._entropy) / self.passes

    @property
    def class_voxels(self) -> np.ndarray:
        """Voxels per pass and class (F, C), int64, by arg max of each pass."""
        self._filled(self._mean)
        return np.stack(self._class_voxels)

    def maps(self, stage: str = "") -> dict[MapName, torch.Tensor]:
        """Variance, entropy, mutual information and maximum probability, each (...).

        ``stage`` "" names them as maps of the final prediction, "2d" as those of the 2D stage.
        """
        mean = self.mean
        values = (
            self.variance,
            maps.entropy(mean),
            maps.information_gain(mean, self.mean_member_entropy),
            maps.maximum_probability(mean),
        )
        return dict(zip(_STAGE_MAPS[stage], values, strict=True))

    def _filled(self, tensor: torch.Tensor | None) -> torch.Tensor:
        if tensor is None:
            raise ValueError("no pass was added yet")
        return tensor


class CascadeAccumulator:
    """The 2D stage, the final prediction of the cascade, and the Soft Correction Score between its stages.

    ``score_sharpness`` multiplies the logits that the score compares.
    """

    def __init__(self, score_sharpness: float = 1.0) -> None:
        self._score_sharpness = score_sharpness
        self.stage2d = StageAccumulator()
        self.final = StageAccumulator()
        self._scs: torch.Tensor | None = None

    def add(self, p2d: torch.Tensor, p3d: torch.Tensor, final: torch.Tensor) -> None:
        """Take in one pass of both stages and what was made of them, softmax (C, z, y, x), views undone."""
        self.stage2d.add(p2d)
        self.final.add(final)
        score = maps.soft_correction_score(*(sharpened(p[None], self._score_sharpness) for p in (p2d, p3d)))
        self._scs = score.float() if self._scs is None else self._scs.add_(score)

    @property
    def passes(self) -> int:
        """Passes added so far."""
        return self.final.passes

    @property
    def scs(self) -> torch.Tensor:
        """Equation (1) over the passes so far, (z, y, x)."""
        if self._scs is None:
            raise ValueError("no pass was added yet")
        return self._scs / self.passes

    def maps(self) -> dict[MapName, torch.Tensor]:
        """SCS, and the maps of the final prediction and of the 2D stage, (z, y, x) where the passes are."""
        return {MapName.SCS: self.scs} | self.final.maps() | self.stage2d.maps("2d")
