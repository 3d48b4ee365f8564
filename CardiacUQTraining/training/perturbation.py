"""Synthetic 2D-stage errors that teach the 3D network to correct instead of to copy.

Schwab et al. (MedIA 2025; UNSURE 2025, section 2.2): errors are injected into the infarct and MVO
masks during training only. Probabilities and sizes come from the recipe.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from CardiacUQLib.base.regions import connected

from .recipe import PerturbationRecipe

INFARCT_CHANNEL, MVO_CHANNEL = 0, 1
HEALTHY = 2
"""Label of healthy myocardium in the truth."""
FALSE_SCAR_PERCENTILES = (70.0, 90.0)
SCATTER_SHARE = 0.5
"""Share of the 3 x 3 neighbourhood that scattered MVO fills on average."""


def perturb(
    masks: Tensor, images: Tensor, truth: Tensor, recipe: PerturbationRecipe, generator: Generator
) -> Tensor:
    """Masks (N, 2, z, y, x) of infarct and MVO with at most one kind of error per volume.

    ``images`` float and ``truth`` labels are (N, z, y, x). The input is left as it is.
    """
    result = masks.clone()
    for volume, image, labels in zip(result, images, truth, strict=True):
        draw = float(torch.rand(1, generator=generator))
        if (draw := draw - recipe.delete_class) < 0:
            _delete_class(volume, recipe.delete_infarct_share, generator)
        elif (draw := draw - recipe.empty_slices) < 0:
            _empty_slices(volume, generator)
        elif (draw := draw - recipe.empty_all) < 0:
            volume.zero_()
        elif (draw := draw - recipe.false_scar) < 0:
            _false_scar(volume, image, labels, generator)
        elif draw - recipe.scatter_mvo < 0:
            _scatter_mvo(volume, generator)
    return result


def _pick(count: int, generator: Generator) -> int:
    return int(torch.randint(0, count, (1,), generator=generator))


def _delete_class(volume: Tensor, infarct_share: float, generator: Generator) -> None:
    """Remove the infarct, or else the MVO, from one slice."""
    infarct = float(torch.rand(1, generator=generator)) < infarct_share
    channel = INFARCT_CHANNEL if infarct else MVO_CHANNEL
    volume[channel, _pick(volume.shape[1], generator)] = 0


def _empty_slices(volume: Tensor, generator: Generator) -> None:
    """Remove everything from one to three slices."""
    count = min(1 + _pick(3, generator), volume.shape[1])
    volume[:, torch.randperm(volume.shape[1], generator=generator)[:count].to(volume.device)] = 0


def _false_scar(volume: Tensor, image: Tensor, labels: Tensor, generator: Generator) -> None:
    """Call the largest bright patch of healthy myocardium in one slice infarct."""
    number = _pick(volume.shape[1], generator)
    healthy = (labels[number] == HEALTHY).cpu().numpy()
    if not healthy.any():
        return
    grey = image[number].float().cpu().numpy()
    low, high = np.percentile(grey[healthy], FALSE_SCAR_PERCENTILES)
    patches, count = connected(healthy & (grey >= low) & (grey <= high))
    if count == 0:
        return
    largest = patches == 1 + int(np.argmax(np.bincount(patches.ravel())[1:]))
    where = torch.from_numpy(largest).to(volume.device)
    volume[INFARCT_CHANNEL, number][where] = 1
    volume[MVO_CHANNEL, number][where] = 0


def _scatter_mvo(volume: Tensor, generator: Generator) -> None:
    """Turn random voxels around one infarct voxel into MVO."""
    scar = torch.nonzero(volume[INFARCT_CHANNEL] > 0.5)
    if len(scar) == 0:
        return
    z, y, x = scar[_pick(len(scar), generator)].tolist()
    rows, columns = slice(max(0, y - 1), y + 2), slice(max(0, x - 1), x + 2)
    size = volume[MVO_CHANNEL, z, rows, columns].shape
    hit = (torch.rand(size, generator=generator) < SCATTER_SHARE).to(volume.device)
    volume[MVO_CHANNEL, z, rows, columns][hit] = 1
    volume[INFARCT_CHANNEL, z, rows, columns][hit] = 0
