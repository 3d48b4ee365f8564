"""What the cine ensemble learns from: whole 3D frames of any depth, padded into one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from .augmentation import WHOLE, chosen, placed, spatial
from .cascade_data import centre, mean_dice
from .crops import CropSet
from .intensities import change_grey_values
from .losses import probability_loss
from .recipe import TrainingRecipe


@dataclass(frozen=True)
class FrameData:
    """Frames (one phase of one patient each) for members that see single slices.

    The weights of the ensemble need every slice of a frame, so a sample is a whole frame.
    """

    crops: CropSet
    training: Sequence[int]
    held_out: Sequence[int]
    recipe: TrainingRecipe
    size_px: int
    classes: int

    def epoch(self, generator: Generator) -> Tensor:
        """All training frames once."""
        return torch.tensor(self.training)[torch.randperm(len(self.training), generator=generator)]

    def loss(
        self, network: nn.Module, samples: Tensor, generator: Generator, epoch: int, own: slice = WHOLE
    ) -> Tensor:
        """Loss of the ensemble's output on the real slices of one augmented batch."""
        images, labels, real = self.batch(samples, generator, own)
        probabilities = network(images, real).transpose(1, 2)[real]
        return probability_loss(probabilities, labels[real], self.recipe.loss)

    def batch(
        self, samples: Tensor, generator: Generator, own: slice = WHOLE
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Frames and labels (N, z, y, x), and which slices are real (N, z); the rest repeat the last.

        Frames that are not among ``own`` are zero: another rank augments them.
        """
        images, labels, real = self._stack(samples.tolist(), self._reversed(len(samples), generator))
        augmentation, count = self.recipe.augmentation, len(samples)
        images, labels = spatial(images, labels, self.size_px, augmentation, generator, own)
        images = standardise_frames(images, real[own])
        images = change_grey_values(images, augmentation, generator, count, own)
        return placed(scale_frames(images, real[own]), count, own), labels, real

    def validate(self, network: nn.Module) -> float:
        """Mean Dice over the held-out frames, cut around the labelled heart, without augmentation."""
        network.eval()
        scores = []
        for case in self.held_out:
            images, labels, real = self._stack([case])
            frames = scale_frames(centre(images, self.size_px), real)
            with torch.inference_mode():
                predicted = network(frames, real)[0].argmax(dim=0)
            scores.append(mean_dice(predicted, centre(labels, self.size_px)[0], self.classes))
        return sum(scores) / max(1, len(scores))

    def _reversed(self, count: int, generator: Generator) -> list[bool]:
        """Which frames of a batch are seen from their other end."""
        p = self.recipe.augmentation.reverse_p
        if p == 0:  # draws nothing, so that earlier trainings keep their random numbers
            return [False] * count
        return chosen(count, p, generator, torch.device("cpu")).tolist()

    def _stack(
        self, cases: Sequence[int], backwards: Sequence[bool] | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        owned = [self.crops.slices_of(case) for case in cases]
        if backwards is not None:
            owned = [s[::-1] if turned else s for s, turned in zip(owned, backwards, strict=True)]
        depth = max(map(len, owned))
        numbers = torch.tensor([[s[min(z, len(s) - 1)] for z in range(depth)] for s in owned])
        real = torch.tensor([[z < len(s) for z in range(depth)] for s in owned]).to(self.crops.device)
        return self.crops.images[numbers], self.crops.labels[numbers], real


def _real_statistics(images: Tensor, real: Tensor, reduce: str) -> Tensor:
    """Mean, deviation, minimum or maximum of each frame over its real slices, (N, 1, 1, 1)."""
    function = {"mean": torch.mean, "std": torch.std, "min": torch.amin, "max": torch.amax}[reduce]
    values = [function(frame[own]) for frame, own in zip(images, real, strict=True)]
    return torch.stack(values)[:, None, None, None]


def standardise_frames(images: Tensor, real: Tensor) -> Tensor:
    """Frames (N, z, y, x) to zero mean and unit variance, the scale that augmentation is stated in."""
    mean, deviation = (_real_statistics(images, real, name) for name in ("mean", "std"))
    return (images - mean) / deviation.clamp_min(1e-6)


def scale_frames(images: Tensor, real: Tensor) -> Tensor:
    """Frames (N, z, y, x) to 0..1 by their own minimum and maximum [paper], as at inference."""
    low, high = (_real_statistics(images, real, name) for name in ("min", "max"))
    return (images - low) / (high - low).clamp_min(1e-6)
