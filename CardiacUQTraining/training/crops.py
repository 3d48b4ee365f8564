"""The whole cropped data set as two tensors on the training device.

Cropped EMIDEC is under 40 MB, so it lives where the network lives, and augmentation is a batched
tensor operation there: no worker processes, no copies per step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from CardiacUQLib.bundles.manifest import RoiSpec
from CardiacUQLib.inference.roi import Roi, find_roi

from ..datasets import LabelledCase
from .recipe import CropCentre


@dataclass(frozen=True)
class CropSet:
    """Crops of many cases stacked along the slice axis.

    ``images`` float32 and ``labels`` uint8 are (S, y, x); case n owns the slices
    ``starts[n] : starts[n + 1]``. Crops are wider than the ROI by a margin for shifts and rotations.
    """

    ids: tuple[str, ...]
    images: Tensor
    labels: Tensor
    starts: tuple[int, ...]

    @property
    def device(self) -> torch.device:
        """Where the tensors live."""
        return self.images.device

    def slices_of(self, case: int) -> range:
        """Slice numbers of one case."""
        return range(self.starts[case], self.starts[case + 1])

    def slices_of_cases(self, cases: Sequence[int]) -> Tensor:
        """Slice numbers of several cases, in order, int64."""
        return torch.cat([torch.arange(self.starts[c], self.starts[c + 1]) for c in cases])

    def around(self, slices: Tensor, beyond: int) -> tuple[Tensor, Tensor]:
        """Slice numbers (N, 1 + 2 ``beyond``) of slices (N,) with their neighbours in order, and which exist.

        Where the stack of the case has ended its last slice stands in.
        """
        starts = torch.tensor(self.starts)
        case = torch.searchsorted(starts, slices, right=True) - 1
        wanted = slices[:, None] + torch.arange(-beyond, beyond + 1)
        found = wanted.clamp(starts[case][:, None], starts[case + 1][:, None] - 1)
        return found, found == wanted


def crop_cases(
    cases: Sequence[LabelledCase],
    spec: RoiSpec,
    margin_px: int,
    device: torch.device,
    centre: CropCentre = CropCentre.IMAGE,
) -> CropSet:
    """Read all cases and cut a square of ``size_px + 2 * margin_px`` out of each."""
    wide = RoiSpec(spec.size_px + 2 * margin_px, spec.spacing_mm)
    images, labels, starts = [], [], [0]
    for case in cases:
        volume, truth = case.load()
        roi = find_roi(volume, wide, _middle(truth) if centre is CropCentre.LABELS else None)
        images.append(roi.extract(volume.array).astype(np.float32))
        labels.append(crop_labels(roi, truth))
        starts.append(starts[-1] + len(truth))
    return CropSet(
        tuple(c.id for c in cases),
        torch.from_numpy(np.concatenate(images)).to(device),
        torch.from_numpy(np.concatenate(labels)).to(device),
        tuple(starts),
    )


def _middle(truth: np.ndarray) -> tuple[float, float] | None:
    """Centre of gravity (y, x) of all labels, as the coarse pass estimates it at inference."""
    _, y, x = np.nonzero(truth)
    return None if len(y) == 0 else (float(y.mean()), float(x.mean()))


def crop_labels(roi: Roi, truth: np.ndarray) -> np.ndarray:
    """Labels (z, y, x) resampled into the ROI: the class with the largest share of each pixel."""
    classes = np.unique(truth)
    shares = np.stack([roi.extract((truth == c).astype(np.float32)) for c in classes])
    return classes[shares.argmax(axis=0)].astype(np.uint8)


def stratified_folds(cases: Sequence[LabelledCase], folds: int, seed: int) -> tuple[tuple[str, ...], ...]:
    """Split case ids into validation folds with the same share of every group in each.

    The cases of one patient stay together.
    """
    generator = np.random.default_rng(seed)
    groups = {case.patient or case.id: case.group for case in cases}
    fold_of: dict[str, int] = {}
    for group in sorted(set(groups.values())):
        members = sorted(patient for patient, own in groups.items() if own == group)
        for member in generator.permutation(members):
            fold_of[str(member)] = len(fold_of) % folds
    return tuple(
        tuple(sorted(case.id for case in cases if fold_of[case.patient or case.id] == fold))
        for fold in range(folds)
    )
