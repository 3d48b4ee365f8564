"""Running a bundle over one labelled case, by folds that may judge it: the way that every use takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from CardiacUQLib.base.errors import CardiacUQError, ModelError, UsageError
from CardiacUQLib.base.progress import CancelToken
from CardiacUQLib.bundles.manifest import MIRRORED, Manifest, View
from CardiacUQLib.images.volume import Volume
from CardiacUQLib.inference.device import choose_device, choose_precision
from CardiacUQLib.inference.explore import explore
from CardiacUQLib.inference.found import Findings, Region
from CardiacUQLib.inference.jobs import Job
from CardiacUQLib.inference.passes import CascadePass, NetworkSource
from CardiacUQLib.inference.stages import sharpened

from .methods import CasePasses, StagePasses


class SeenInTrainingError(CardiacUQError):
    """A case may not be judged by the chosen folds because they were, or may have been, trained on it."""

    exit_code = ModelError.exit_code


@dataclass(frozen=True)
class PassOptions:
    """Which passes to run: ``folds`` None = all; T = ``dropout_samples`` 0 = no MC dropout.

    Cross-validated, a case is predicted by folds that held it out; where ``foreign`` cases are given too, all
    folds predict those that none of them lists.
    """

    folds: tuple[int, ...] | None = None
    views: tuple[View, ...] = MIRRORED
    dropout_samples: int = 0
    cross_validated: bool = False
    foreign: bool = field(default=False, repr=False)


def permitted_folds(manifest: Manifest, case_id: str, options: PassOptions) -> tuple[int, ...]:
    """The folds that shall predict a case, ascending.

    Cross-validated: those among the chosen ones that list the case as held out, or all for a foreign one
    that no fold lists. Raises :class:`SeenInTrainingError`, naming the case, if there are none, and
    UsageError for an unknown fold.
    """
    chosen = manifest.folds if options.folds is None else options.folds
    unknown = [fold for fold in chosen if fold not in manifest.folds]
    if unknown:
        present = ", ".join(map(str, manifest.folds))
        raise UsageError(f"fold {unknown[0]} is not in bundle '{manifest.name}'; it has {present}")
    if not options.cross_validated:
        return tuple(chosen)
    listed = {case for cases in manifest.held_out.values() for case in cases}
    if options.foreign and case_id not in listed:
        return tuple(chosen)
    if not listed:
        raise SeenInTrainingError(
            f"{case_id}: bundle '{manifest.name}' does not say which cases its folds held out; "
            "leave out --cross-validated if it was trained on other cases"
        )
    unseen = tuple(fold for fold in chosen if case_id in manifest.held_out.get(fold, ()))
    if unseen:
        return unseen
    by_others = [fold for fold, cases in manifest.held_out.items() if case_id in cases]
    if by_others:
        problem = f"was in the training set of fold {', '.join(map(str, chosen))}"
        raise SeenInTrainingError(f"{case_id}: {problem}; only fold {by_others[0]} held it out")
    raise SeenInTrainingError(
        f"{case_id}: no fold of '{manifest.name}' lists it as held out, so it may have been trained on; "
        "leave out --cross-validated for cases outside the training data"
    )


@dataclass(frozen=True)
class Computer:
    """Where the networks run and in which numbers, by the names that the command line has for them."""

    device: str = "auto"
    precision: str = "auto"

    @property
    def number(self) -> str:
        """The number format that will be used, for the key under which figures are kept."""
        return str(choose_precision(self.precision, choose_device(self.device)))


def predict(
    volume: Volume,
    networks: NetworkSource,
    folds: tuple[int, ...],
    options: PassOptions,
    computer: Computer,
    cancel: CancelToken | None = None,
) -> Findings:
    """What ``segment`` finds with these folds and views, every pass kept."""
    job = Job(
        volume,
        networks,
        folds,
        options.views,
        cancel=cancel or CancelToken(),
        dropout_samples=options.dropout_samples,
        keep_passes=True,
    )
    return explore(job, device=computer.device, precision=computer.precision)


def voxel_of(region: Region, volume: Volume) -> tuple[float, float, float]:
    """Size (x, y, z) in mm of a voxel of the region."""
    (x, y, z), (step_y, step_x) = volume.geometry.spacing, region.roi.step
    return x * step_x, y * step_y, z


def outside_of(region: Region, truth: np.ndarray, classes: int) -> tuple[int, ...]:
    """How much of every class of ``truth`` (z, y, x) lies outside of the region, in voxels of the region."""
    roi = region.roi
    inside = roi.restore(np.ones((1, roi.size, roi.size), np.float32), order=0)[0] > 0
    count = np.bincount(truth[:, ~inside].ravel(), minlength=classes)
    return tuple(np.rint(count / (roi.step[0] * roi.step[1])).astype(int).tolist())


def case_passes(region: Region, manifest: Manifest) -> CasePasses:
    """The 2D stage and the final prediction in all passes of a cascade, and the samples with dropout, as the
    methods compare them."""
    passes = [one for one in region.passes if isinstance(one, CascadePass)]
    folds, views = tuple(one.fold for one in passes), tuple(one.view for one in passes)

    def stacked(name: str, several: Sequence[CascadePass]) -> np.ndarray:
        return np.stack([getattr(one, name).cpu().numpy() for one in several])

    def stage(name: str) -> StagePasses:
        dropout = stacked(name, region.samples) if region.samples else None
        return StagePasses(stacked(name, passes), folds, views, dropout)

    factor = manifest.stage_rule.score_sharpness
    compared = (sharpened(stacked("p2d", passes), factor), sharpened(stacked("p3d", passes), factor))
    return CasePasses(stage("p2d"), stage("final"), compared)


def merge_labels(labels: np.ndarray, merged: Mapping[int, int]) -> np.ndarray:
    """Labels with classes that the reader does not tell apart put together."""
    labels = labels.copy()
    for value, into in merged.items():
        labels[labels == value] = into
    return labels


def merge_classes(passes: CasePasses, merged: Mapping[int, int]) -> CasePasses:
    """The passes as of a model that takes certain classes for another one: their softmax added to its."""

    def add(p: np.ndarray) -> np.ndarray:
        p = p.copy()
        for value, into in merged.items():
            p[:, into] += p[:, value]
            p[:, value] = 0.0
        return p

    def stage(one: StagePasses) -> StagePasses:
        return replace(one, p=add(one.p), dropout=None if one.dropout is None else add(one.dropout))

    if not merged:
        return passes
    compared = None if passes.compared is None else (add(passes.compared[0]), add(passes.compared[1]))
    return CasePasses(stage(passes.stage2d), stage(passes.final), compared)
