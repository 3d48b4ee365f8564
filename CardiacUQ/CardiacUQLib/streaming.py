"""Running the cine ensemble: every member on every slice, weighted by its consistency over the slices.

What the cascade has in its two stages, Streaming has in its members: two opinions on every voxel.
The Soft Correction Score and the Discrete Correction Map are therefore taken between members, the
generalisation that section 3.5 of the cascade paper asks for, and cine cases go through the same
report and the same review as LGE.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from .accumulators import StageAccumulator
from .combination import Combination, combine, ensemble, member_consistency, relative_uncertainty
from .errors import ModelError
from .manifest import Flip, Manifest
from .maps import soft_correction_score
from .passes import Arithmetic, NetworkSource, flip_tensor, predict_slices
from .progress import CancelToken, ProgressCallback, ignore_progress
from .result import SIGMAS, WEIGHTS, MapName
from .timing import StepTimer

MEMBER_PREFIX = "member"


@dataclass(frozen=True)
class StreamingPass:
    """One fold and flip: members' softmax (M, C, z, y, x), the combined prediction (C, z, y, x), the
    sigma of each member and its weight (M, y, x); float32 on the device, flip undone."""

    fold: int
    flip: Flip
    members: Tensor
    combined: Tensor
    sigma: Tensor
    weights: Tensor


def member_names(manifest: Manifest) -> tuple[str, ...]:
    """The members' keys in ``manifest.networks``: member0, member1, ..."""
    names = [name for name in manifest.networks if name.startswith(MEMBER_PREFIX)]
    return tuple(sorted(names, key=lambda name: int(name.removeprefix(MEMBER_PREFIX))))


def normalise_frame(crop: np.ndarray) -> np.ndarray:
    """Grey values of one 3D frame (z, y, x) to 0..1 by its minimum and maximum [paper]; float32."""
    low, high = float(crop.min()), float(crop.max())
    return ((crop - low) / max(high - low, 1e-6)).astype(np.float32)


def run_streaming(
    crop: np.ndarray,
    source: NetworkSource,
    arithmetic: Arithmetic,
    *,
    folds: Sequence[int],
    flips: Sequence[Flip],
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
    timer: StepTimer | None = None,
) -> Iterator[StreamingPass]:
    """Yield one :class:`StreamingPass` per fold and flip; ``crop`` is the normalised ROI (z, y, x).

    All flips of a fold run in one batch per member. The combination is the manifest's:
    "uncertainty", or "fixed" with optional weights as in "fixed:0.7,0.3".
    """
    cancel, timer = cancel or CancelToken(), timer or StepTimer()
    names = member_names(source.manifest)
    if not names:
        raise ModelError(f"bundle '{source.manifest.name}' is of kind streaming but has no network member0")
    rule, fixed = parse_combination(source.manifest.combination)
    volume = torch.from_numpy(np.ascontiguousarray(crop, np.float32)).to(arithmetic.device)
    frames = torch.stack([flip_tensor(volume, flip) for flip in flips])
    batches, done = len(names) * len(folds), 0
    for fold in folds:
        outputs = []
        for name in names:
            cancel.check()
            with timer.step("load"):
                network = source.network(name, fold, arithmetic.device).to(memory_format=torch.channels_last)
            with timer.step("members"):
                outputs.append(predict_slices(network, frames, arithmetic))
            done += 1
            progress(done / batches, f"{name}, fold {fold}")
        stacked = torch.stack(outputs, dim=1)
        for number, flip in enumerate(flips):
            cancel.check()
            with timer.step("combine"):
                members = flip_tensor(stacked[number], flip)
                combined, weights = ensemble(members, rule, fixed=fixed)
            yield StreamingPass(fold, flip, members, combined, member_consistency(members), weights)


def parse_combination(text: str) -> tuple[Combination, tuple[float, ...] | None]:
    """Rule and fixed weights of a manifest's ``combination``, for example "fixed:0.7,0.3"."""
    name, colon, numbers = text.partition(":")
    return Combination(name), tuple(float(n) for n in numbers.split(",")) if colon else None


class StreamingAccumulator:
    """Running means over passes: the prediction, each member, their disagreement and their weights.

    The maps of the final prediction come from the weighted mean of the members' own probabilities:
    the published final softmax leaves the arg max alone but squeezes 0..1 into 0.17..0.48, which
    would make every voxel look unsure.
    """

    def __init__(self) -> None:
        self.final = StageAccumulator()
        self._members: list[StageAccumulator] = []
        self._scs: Tensor | None = None
        self._sigma: Tensor | None = None
        self._weights: Tensor | None = None

    def add(self, one: StreamingPass) -> None:
        """Take in one pass."""
        self.final.add((one.weights[:, None, None] * one.members).sum(dim=0))
        if not self._members:
            self._members = [StageAccumulator() for _ in one.members]
        for accumulator, p in zip(self._members, one.members, strict=True):
            accumulator.add(p)
        pairs = list(combinations(range(len(one.members)), 2))
        if pairs:
            first, second = (one.members[[pair[n] for pair in pairs]] for n in (0, 1))
            score = soft_correction_score(first, second)
        else:
            score = torch.zeros_like(one.combined[0])
        self._scs = score if self._scs is None else self._scs + score
        self._sigma = one.sigma if self._sigma is None else self._sigma + one.sigma
        self._weights = one.weights if self._weights is None else self._weights + one.weights

    @property
    def sigma(self) -> Tensor:
        """Mean consistency of each member (M, y, x)."""
        return self._mean(self._sigma)

    @property
    def weights(self) -> Tensor:
        """Mean weight of each member (M, y, x); sums to 1 over the members."""
        return self._mean(self._weights)

    def member_means(self) -> Tensor:
        """Mean softmax of each member (M, C, z, y, x)."""
        return torch.stack([member.mean for member in self._members])

    def prediction(self) -> Tensor:
        """The published output (C, z, y, x): softmax of the weighted members, from the means."""
        return combine(self.member_means(), self.weights)

    def maps(self) -> dict[MapName, Tensor]:
        """SCS between members, uncertainty (1 - normalised sigma of the weighted members), the variance,
        entropy, mutual information (between members) and maximum probability, and each member's sigma
        and weight."""
        mean, depth = self.final.mean, self.final.mean.shape[1]
        between = StageAccumulator()
        for member in self.member_means():
            between.add(member)
        maps = self.final.maps()
        maps[MapName.MUTUAL_INFORMATION] = between.maps()[MapName.MUTUAL_INFORMATION]
        maps[MapName.SCS] = self._mean(self._scs)
        sigma = (self.weights * self.sigma).sum(dim=0)
        plane = relative_uncertainty(sigma, mean.shape[0])
        maps[MapName.UNCERTAINTY] = plane[None].expand(depth, -1, -1)
        for names, planes in ((SIGMAS, self.sigma), (WEIGHTS, self.weights)):
            maps |= {name: of[None].expand(depth, -1, -1) for name, of in zip(names, planes, strict=False)}
        return maps

    def _mean(self, total: Tensor | None) -> Tensor:
        if total is None:
            raise ValueError("no pass was added yet")
        return total / self.final.passes


def other_opinion(member_labels: np.ndarray, final: np.ndarray) -> np.ndarray:
    """What a member said where one disagrees with the final label, else the final label.

    ``member_labels`` (M, z, y, x), ``final`` (z, y, x), both uint8. The first dissenting member
    speaks; with two members every disagreement between them shows up, since the final label can
    agree with one of them at most. Comparing the result with ``final`` gives the DCM of cine.
    """
    opinion = final.copy()
    for labels in member_labels[::-1]:
        opinion = np.where(labels != final, labels, opinion)
    return opinion
