"""What the three stages of the cascade learn from: whole images, single slices, stacks of slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from CardiacUQLib.bundles.manifest import CascadeInput
from CardiacUQLib.inference.slice_context import with_neighbours

from .augmentation import WHOLE, chosen, placed, spatial
from .crops import CropSet
from .intensities import intensity, normalise
from .losses import deep_supervision_loss
from .perturbation import perturb
from .recipe import StageRecipe, TrainingRecipe

INFARCT, MVO = 3, 4
CLASSES = 5


def centre(images: Tensor, size_px: int) -> Tensor:
    """The middle square of (..., Y, X)."""
    top, left = (images.shape[-2] - size_px) // 2, (images.shape[-1] - size_px) // 2
    return images[..., top : top + size_px, left : left + size_px]


def mean_dice(predicted: Tensor, truth: Tensor, classes: int) -> float:
    """Mean Dice of the foreground classes of one case; a class absent from both counts 1."""
    scores = []
    for value in range(1, classes):
        ours, theirs = predicted == value, truth == value
        size = int(ours.sum() + theirs.sum())
        scores.append(1.0 if size == 0 else 2.0 * int((ours & theirs).sum()) / size)
    return sum(scores) / len(scores)


def drawing_order(
    numbers: Tensor, labels: Sequence[Tensor], recipe: TrainingRecipe, generator: Generator
) -> Tensor:
    """Samples of one epoch: each once in random order, or with replacement where classes are oversampled.

    ``labels[n]`` are the labels of sample ``numbers[n]``, of any shape.
    """
    if not recipe.oversample:
        return numbers[torch.randperm(len(numbers), generator=generator)]
    weights = torch.ones(len(numbers))
    for value, extra in recipe.oversample.items():
        weights += extra * torch.tensor([bool((shown == value).any()) for shown in labels])
    return numbers[torch.multinomial(weights, len(numbers), replacement=True, generator=generator)]


@dataclass(frozen=True)
class SliceData:
    """Single slices for a 2D network: the locator (heart against rest) or the 2D stage.

    ``phantoms`` are slices that replace a real one with probability ``recipe.phantom_share``. The network
    sees ``context`` slices on each side of its own as well.
    """

    crops: CropSet
    phantoms: CropSet | None
    training: Sequence[int]
    held_out: Sequence[int]
    recipe: StageRecipe
    size_px: int
    heart_only: bool = False
    context: int = 0

    def epoch(self, generator: Generator) -> Tensor:
        """As many slices as there are for training."""
        slices = self.crops.slices_of_cases(self.training)
        return drawing_order(slices, list(self.crops.labels[slices]), self.recipe, generator)

    def loss(
        self, network: nn.Module, samples: Tensor, generator: Generator, epoch: int, own: slice = WHOLE
    ) -> Tensor:
        """Deeply supervised loss on one augmented batch."""
        inputs, target = self.batch(samples, generator, epoch, own)
        return deep_supervision_loss(network(inputs), target, self.recipe.loss)

    def batch(
        self, samples: Tensor, generator: Generator, epoch: int, own: slice = WHOLE
    ) -> tuple[Tensor, Tensor]:
        """Augmented slices with their neighbours (N, 1 + 2 context, y, x) and their labels (N, y, x).

        Slices that are not among ``own`` are zero: another rank augments them.
        """
        numbers, real = self.crops.around(samples, self.context)
        images, labels = self.crops.images[numbers], self.crops.labels[numbers]
        if self.phantoms is not None and self.recipe.phantom_share > 0:
            swap = torch.rand(len(samples), generator=generator) < self.recipe.phantom_share
            drawn = torch.randint(0, len(self.phantoms.images), (int(swap.sum()),), generator=generator)
            numbers, real[swap] = self.phantoms.around(drawn, self.context)
            images[swap], labels[swap] = self.phantoms.images[numbers], self.phantoms.labels[numbers]
        augmentation = self.recipe.augmentation
        images, labels = spatial(images, labels, self.size_px, augmentation, generator, own)
        images = intensity(images, augmentation, generator, len(samples), own)
        images = images * real[own][..., None, None].to(images.device)
        if self.context and augmentation.reverse_p > 0:
            turned = chosen(len(samples), augmentation.reverse_p, generator, images.device)[own]
            images = torch.where(turned[:, None, None, None], images.flip(1), images)
        target = self._target(labels[:, self.context])
        images = placed(images, len(samples), own)
        return images.contiguous(memory_format=torch.channels_last), target

    def validate(self, network: nn.Module) -> float:
        """Mean Dice over the held-out cases on centred crops without augmentation."""
        network.eval()
        scores = []
        for case in self.held_out:
            slices = self.crops.slices_of(case)
            images = normalise(centre(self.crops.images[slices.start : slices.stop], self.size_px))
            images = with_neighbours(images, 1 + 2 * self.context)
            truth = self._target(centre(self.crops.labels[slices.start : slices.stop], self.size_px))
            with torch.inference_mode():
                predicted = network(images).argmax(dim=1)
            scores.append(mean_dice(predicted, truth, 2 if self.heart_only else CLASSES))
        return sum(scores) / max(1, len(scores))

    def _target(self, labels: Tensor) -> Tensor:
        return (labels > 0).long() if self.heart_only else labels.long()


@dataclass(frozen=True)
class StackData:
    """Stacks of consecutive slices with the 2D stage's own masks, for the correcting 3D network.

    The 2D stage sees ``context`` slices on each side of its own, beyond the ends of a patch too.
    """

    crops: CropSet
    phantoms: CropSet | None
    training: Sequence[int]
    held_out: Sequence[int]
    recipe: StageRecipe
    size_px: int
    slice_network: Callable[[Tensor], Tensor]
    cascade_input: CascadeInput
    context: int = 0

    def epoch(self, generator: Generator) -> Tensor:
        """As many cases as there are for training."""
        owned = [self.crops.slices_of(case) for case in self.training]
        labels = [self.crops.labels[slices.start : slices.stop] for slices in owned]
        return drawing_order(torch.tensor(self.training), labels, self.recipe, generator)

    def loss(
        self, network: nn.Module, samples: Tensor, generator: Generator, epoch: int, own: slice = WHOLE
    ) -> Tensor:
        """Deeply supervised loss on one augmented batch."""
        inputs, target = self.batch(samples, generator, epoch, own)
        return deep_supervision_loss(network(inputs), target, self.recipe.loss)

    def batch(
        self, samples: Tensor, generator: Generator, epoch: int, own: slice = WHOLE
    ) -> tuple[Tensor, Tensor]:
        """Stacks (N, 3, z, y, x) of image, infarct mask and MVO mask with their labels (N, z, y, x).

        Stacks that are not among ``own`` are zero: another rank makes them, unless masks are perturbed, which
        draws as many numbers as the masks before ask for.
        """
        perturbation = self.recipe.perturbation
        if perturbation is not None and epoch < perturbation.after_epoch:
            perturbation = None
        own = WHOLE if perturbation is not None else own
        stacks = [self._stack(int(case), generator) for case in samples]
        images, labels, real = (torch.stack(parts) for parts in zip(*stacks, strict=True))
        augmentation = self.recipe.augmentation
        images, labels = spatial(images, labels, self.size_px, augmentation, generator, own)
        images = intensity(images, augmentation, generator, len(samples), own)
        masks = self._masks(images * real[own][..., None, None].to(images.device))
        patch = slice(self.context, images.shape[1] - self.context)
        images, labels = images[:, patch], labels[:, patch]
        if perturbation is not None:
            masks = perturb(masks, images, labels, perturbation, generator)
        inputs = placed(torch.cat([images[:, None], masks], dim=1), len(samples), own)
        return inputs.contiguous(memory_format=torch.channels_last_3d), labels.long()

    def validate(self, network: nn.Module) -> float:
        """Mean Dice of the cascade over the held-out cases on centred crops."""
        network.eval()
        scores = []
        for case in self.held_out:
            slices = self.crops.slices_of(case)
            images = normalise(centre(self.crops.images[slices.start : slices.stop], self.size_px))[None]
            truth = centre(self.crops.labels[slices.start : slices.stop], self.size_px)
            with torch.inference_mode():
                beyond = functional.pad(images, (0, 0, 0, 0, self.context, self.context))
                stacked = torch.cat([images[:, None], self._masks(beyond)], dim=1)
                predicted = network(stacked).argmax(dim=1)[0]
            scores.append(mean_dice(predicted, truth, CLASSES))
        return sum(scores) / max(1, len(scores))

    def _stack(self, case: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Consecutive slices from a random start and ``context`` more at both ends, their labels, and which
        of them are real; stacks shorter than a patch repeat their nearest slice, which then is."""
        crops = self.crops
        if (
            self.phantoms is not None
            and float(torch.rand(1, generator=generator)) < self.recipe.phantom_share
        ):
            crops = self.phantoms
            case = int(torch.randint(0, len(crops.ids), (1,), generator=generator))
        slices, wanted = crops.slices_of(case), self.recipe.patch_slices
        spare = max(0, len(slices) - wanted)
        start = int(torch.randint(0, spare + 1, (1,), generator=generator))
        offset = -((wanted - len(slices)) // 2) if len(slices) < wanted else start
        places = torch.arange(offset - self.context, offset + wanted + self.context)
        numbers = places.clamp(0, len(slices) - 1)
        real = numbers == places
        real[self.context : self.context + wanted] = True
        numbers = numbers + slices.start
        return crops.images[numbers], crops.labels[numbers], real

    @torch.no_grad()
    def _masks(self, images: Tensor) -> Tensor:
        """Infarct and MVO of the 2D stage (N, 2, z, y, x) for normalised stacks (N, z + 2 context, y, x)."""
        known = with_neighbours(images, 1 + 2 * self.context)[
            :, self.context : images.shape[1] - self.context
        ]
        count, depth = known.shape[:2]
        slices = known.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        probabilities = self.slice_network(slices).float().softmax(dim=1)
        if self.cascade_input is CascadeInput.ONE_HOT:
            winners = functional.one_hot(probabilities.argmax(dim=1), probabilities.shape[1])
            probabilities = winners.movedim(-1, 1).float()
        pair = probabilities[:, [INFARCT, MVO]]
        return pair.reshape(count, depth, 2, *images.shape[-2:]).transpose(1, 2)
