"""Running the cine ensemble: every member on every slice, weighted by its consistency over the slices.

What the cascade has in its two stages, Streaming has in its members: two opinions on every voxel.
The Soft Correction Score and the Discrete Correction Map are therefore taken between members, the
generalisation that section 3.5 of the cascade paper asks for, and cine cases go through the same
report and the same review as LGE.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn

from ..base.errors import ModelError
from ..base.progress import CancelToken, ProgressCallback, ignore_progress
from ..base.timing import StepTimer
from ..bundles.manifest import Manifest, View
from ..bundles.map_catalogue import SIGMAS, WEIGHTS, MapName
from ..networks.layout import for_inference
from .accumulators import StageAccumulator
from .combination import Combination, combine, ensemble, member_consistency, relative_uncertainty
from .maps import entropy, information_gain, soft_correction_score
from .passes import Arithmetic, NetworkSource, predict_slices
from .streaming_turns import ANGLES_DEG, turned_back, turned_copies
from .views import from_view, to_view

MEMBER_PREFIX = "member"


@dataclass(frozen=True)
class StreamingPass:
    """One fold and view: members' softmax (M, C, z, y, x), the combined prediction (C, z, y, x), the
    sigma of each member and its weight (M, y, x); float32 on the device, view undone.

    Of an *augmenting* bundle the members are the turned copies of the frame."""

    fold: int
    view: View
    members: Tensor
    combined: Tensor
    sigma: Tensor
    weights: Tensor

    @property
    def weighted(self) -> Tensor:
        """The members' own probabilities by their weights (C, z, y, x): what the final maps come from."""
        return (self.weights[:, None, None] * self.members).sum(dim=0)


def member_names(manifest: Manifest) -> tuple[str, ...]:
    """The members' keys in ``manifest.networks``: member0, member1, ..."""
    names = [name for name in manifest.networks if name.startswith(MEMBER_PREFIX)]
    return tuple(sorted(names, key=lambda name: int(name.removeprefix(MEMBER_PREFIX))))


def normalise_frame(crop: np.ndarray, no_image: np.ndarray | None = None) -> np.ndarray:
    """Grey values of one 3D frame (z, y, x) to 0..1 by its minimum and maximum [paper]; float32.

    Voxels where ``no_image`` is True count for neither and become 0.
    """
    known = crop if no_image is None or no_image.all() else crop[~no_image]
    low, high = float(known.min()), float(known.max())
    scaled = ((crop - low) / max(high - low, 1e-6)).astype(np.float32)
    return scaled if no_image is None else np.where(no_image, np.float32(0), scaled)


def run_streaming(
    crop: np.ndarray,
    source: NetworkSource,
    arithmetic: Arithmetic,
    *,
    folds: Sequence[int],
    views: Sequence[View],
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
    timer: StepTimer | None = None,
) -> Iterator[StreamingPass]:
    """Yield one :class:`StreamingPass` per fold and view; ``crop`` is the normalised ROI (z, y, x).

    All views of a fold run in one batch per member. The combination is the manifest's: "uncertainty"
    with an optional sharpness as in "uncertainty:10", "augmenting", or "fixed" with optional weights as in
    "fixed:0.7,0.3".
    """
    cancel, timer = cancel or CancelToken(), timer or StepTimer()
    names = member_names(source.manifest)
    if not names:
        raise ModelError(f"bundle '{source.manifest.name}' is of kind streaming but has no network member0")
    rule, numbers = parse_combination(source.manifest.combination)
    volume = torch.from_numpy(np.ascontiguousarray(crop, np.float32)).to(arithmetic.device)
    frames = torch.stack([to_view(volume, view) for view in views])
    batches, done = len(names) * len(folds), 0
    for fold in folds:
        outputs = []
        for name in names:
            cancel.check()
            with timer.step("load"):
                network = for_inference(source.network(name, fold, arithmetic.device))
            with timer.step("members"):
                channels = source.manifest.networks[name].in_channels
                outputs += member_outputs(network, frames, arithmetic, rule, channels)
            done += 1
            progress(done / batches, f"{name}, fold {fold}")
        stacked = torch.stack(outputs, dim=1)
        for number, view in enumerate(views):
            cancel.check()
            with timer.step("combine"):
                members = from_view(stacked[number], view)
                combined, weights = ensemble(members, rule, numbers=numbers)
            yield StreamingPass(fold, view, members, combined, member_consistency(members), weights)


@torch.inference_mode()
def member_outputs(
    network: nn.Module, frames: Tensor, arithmetic: Arithmetic, rule: Combination, channels: int
) -> list[Tensor]:
    """Softmax (K, C, z, y, x) of one network on frames (K, z, y, x), or one per turned copy of them.

    ``channels`` is what its spec says: 1 for the slice alone, more with its neighbours."""
    if rule is not Combination.AUGMENTING:
        return [predict_slices(network, frames, arithmetic, channels=channels)]
    p = predict_slices(network, turned_copies(frames).flatten(0, 1), arithmetic, channels=channels)
    return list(turned_back(p.unflatten(0, (len(ANGLES_DEG), len(frames)))))


def opinion_count(manifest: Manifest) -> int:
    """Members that a pass of a bundle has: its networks, or the turned copies of its one network."""
    rule, _ = parse_combination(manifest.combination)
    return len(member_names(manifest)) * (len(ANGLES_DEG) if rule is Combination.AUGMENTING else 1)


def parse_combination(text: str) -> tuple[Combination, tuple[float, ...] | None]:
    """Rule and numbers of a manifest's ``combination``, for example "fixed:0.7,0.3" or "uncertainty:10".

    Raises ModelError for anything else.
    """
    name, colon, rest = text.partition(":")
    try:
        rule, numbers = Combination(name), tuple(float(n) for n in rest.split(",")) if colon else None
    except ValueError:
        raise ModelError(f"the bundle's combination '{text}' is unknown") from None
    if numbers is not None and not all(0 < n < math.inf for n in numbers):
        raise ModelError(f"the bundle's combination '{text}' has numbers that are not above 0")
    if rule is Combination.UNCERTAINTY and numbers is not None and len(numbers) != 1:
        raise ModelError(f"the bundle's combination '{text}' has {len(numbers)} numbers; sharpness is one")
    return rule, numbers


class StreamingAccumulator:
    """Running means over passes: the prediction, each member, their disagreement and their weights.

    The maps of the final prediction come from the weighted mean of the members' own probabilities:
    the published final softmax leaves the arg max alone but squeezes 0..1 into 0.17..0.48, which
    would make every voxel look unsure.

    What members disagree about is taken within each pass and then averaged: member 0 of one fold and
    member 0 of another have nothing in common, so that means over folds would hide it.
    """

    def __init__(self) -> None:
        self.final = StageAccumulator()
        self._sums: dict[str, Tensor] = {}

    def add(self, one: StreamingPass) -> None:
        """Take in one pass."""
        self.final.add(one.weighted)
        between = information_gain(one.members.mean(dim=0), entropy(one.members, axis=1).mean(dim=0))
        for name, values in (
            ("members", one.members),
            ("scs", _score_between(one.members)),
            ("between", between),
            ("sigma", one.sigma),
            ("weights", one.weights),
        ):
            self._sums[name] = self._sums[name] + values if name in self._sums else values

    @property
    def sigma(self) -> Tensor:
        """Mean consistency of each member (M, y, x)."""
        return self._mean("sigma")

    @property
    def weights(self) -> Tensor:
        """Mean weight of each member (M, y, x); sums to 1 over the members."""
        return self._mean("weights")

    def member_means(self) -> Tensor:
        """Mean softmax of each member (M, C, z, y, x)."""
        return self._mean("members")

    def prediction(self) -> Tensor:
        """The published output (C, z, y, x): softmax of the weighted members, from the means."""
        return combine(self.member_means(), self.weights)

    def maps(self) -> dict[MapName, Tensor]:
        """SCS and mutual information between members, uncertainty (1 - normalised sigma of the weighted
        members), the variance, entropy and maximum probability, and each member's sigma and weight."""
        mean, depth = self.final.mean, self.final.mean.shape[1]
        maps = self.final.maps()
        maps[MapName.MUTUAL_INFORMATION] = self._mean("between")
        maps[MapName.SCS] = self._mean("scs")
        sigma = (self.weights * self.sigma).sum(dim=0)
        plane = relative_uncertainty(sigma, mean.shape[0])
        maps[MapName.UNCERTAINTY] = plane[None].expand(depth, -1, -1)
        for names, planes in ((SIGMAS, self.sigma), (WEIGHTS, self.weights)):
            maps |= {name: of[None].expand(depth, -1, -1) for name, of in zip(names, planes, strict=False)}
        return maps

    def _mean(self, name: str) -> Tensor:
        if name not in self._sums:
            raise ValueError("no pass was added yet")
        return self._sums[name] / self.final.passes


def _score_between(members: Tensor) -> Tensor:
    """SCS averaged over all pairs of members (M, C, z, y, x); zero for a single one."""
    pairs = list(combinations(range(len(members)), 2))
    if not pairs:
        return torch.zeros_like(members[0, 0])
    first, second = (members[[pair[n] for pair in pairs]] for n in (0, 1))
    return soft_correction_score(first, second)


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
