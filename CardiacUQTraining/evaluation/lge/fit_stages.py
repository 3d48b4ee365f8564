"""How much the 2D stage has to say about outlines, and how heavy the background is, from unseen predictions.

See :mod:`CardiacUQLib.inference.stages` for the rule. The share is the one with the best mean Dice of cavity
and whole wall, which lesions and their limits do not touch; then the weight is the one with which the wall
is, on average over cases, as large as the reader's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from CardiacUQLib.base.arg_max import arg_max
from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.progress import ProgressCallback, ignore_progress
from CardiacUQLib.bundles.bundle import Bundle, write_manifest
from CardiacUQLib.bundles.manifest import ClassInfo, StageRule
from CardiacUQLib.bundles.resident import ResidentBundle
from CardiacUQLib.inference.passes import CascadePass
from CardiacUQLib.inference.roi import Roi
from CardiacUQLib.inference.stages import final_prediction
from CardiacUQLib.measures.anatomy import DENSITY_G_PER_ML

from ...datasets import LabelledCase, LabelledDataset
from ..shared.dice import dice
from ..shared.emidec_metrics import MYOCARDIUM_LABELS
from ..shared.judged import check_classes, check_labels, each_case
from ..shared.predict import Computer, PassOptions, permitted_folds, predict
from .judge import check_cascade

SHARES = (0.0, 0.25, 0.5, 0.75)
WEIGHTS = (1.0, 1.15, 1.3, 1.5)
CAVITY = 1

Choice = tuple[float, float]
"""Outline share and background weight."""


@dataclass(frozen=True)
class Outlines:
    """How well one case is outlined under a rule: Dice of cavity and whole wall, mass minus the reader's."""

    cavity: float
    wall: float
    mass_g: float


@dataclass(frozen=True)
class StageCase:
    """One case under every candidate, and the fold that judged it."""

    fold: int
    outlines: Mapping[Choice, Outlines]


def fit_stage_rule(cases: Sequence[StageCase]) -> Choice:
    """Share by the outlines' Dice at weight 1, then the weight with the least mean error of mass."""

    def drawn(share: float) -> float:
        seen = [case.outlines[share, 1.0] for case in cases]
        return float(np.mean([(one.cavity + one.wall) / 2 for one in seen]))

    def bias(weight: float) -> float:
        return abs(float(np.mean([case.outlines[share, weight].mass_g for case in cases])))

    share = max(SHARES, key=drawn)
    return share, min(WEIGHTS, key=bias)


def nested_outlines(cases: Sequence[StageCase]) -> list[Outlines]:
    """Every case under the rule that the other folds choose."""
    chosen = {
        fold: fit_stage_rule([case for case in cases if case.fold != fold])
        for fold in {case.fold for case in cases}
    }
    return [case.outlines[chosen[case.fold]] for case in cases]


def outlines_of(
    passes: Sequence[CascadePass], roi: Roi, truth: np.ndarray, voxel_ml: float, classes: Sequence[ClassInfo]
) -> dict[Choice, Outlines]:
    """One case under every candidate: its passes, the reader's labels (z, y, x), their voxel in ml."""
    p2d, p3d = (np.stack([getattr(one, name).cpu().numpy() for one in passes]) for name in ("p2d", "p3d"))
    wall, found = np.isin(truth, MYOCARDIUM_LABELS), {}
    for share, weight in product(SHARES, WEIGHTS):
        final = final_prediction(p2d, p3d, StageRule(share, weight), classes).mean(axis=0)
        labels = arg_max(roi.restore(final))
        ours = np.isin(labels, MYOCARDIUM_LABELS)
        excess = float(int(ours.sum()) - int(wall.sum())) * voxel_ml * DENSITY_G_PER_ML
        cavity = dice(labels == CAVITY, truth == CAVITY)
        found[share, weight] = Outlines(cavity, dice(ours, wall), excess)
    return found


def store_stage_rule(
    bundle: Bundle,
    dataset: LabelledDataset,
    options: PassOptions,
    computer: Computer,
    command: str,
    *,
    progress: ProgressCallback = ignore_progress,
    on_failure: Callable[[str], None] = lambda line: None,
) -> str:
    """Choose share and weight on folds that did not see the cases, write them into the manifest, and say what
    they bring. The rule that the bundle has already has no part in the choice.

    Raises UsageError if the bundle is no cascade for these classes, or no case could be judged.
    """
    check_cascade(bundle)
    check_classes(bundle, dataset)
    networks = ResidentBundle.of(bundle)

    def case_of(case: LabelledCase) -> StageCase:
        volume, labels = case.load()
        check_labels(case, labels, volume.array.shape, len(bundle.manifest.classes))
        folds = permitted_folds(bundle.manifest, case.id, options)
        region = predict(volume, networks, folds, options, computer).region
        passes = [one for one in region.passes if isinstance(one, CascadePass)]
        voxel_ml = volume.geometry.voxel_volume_ml
        return StageCase(folds[0], outlines_of(passes, region.roi, labels, voxel_ml, bundle.manifest.classes))

    cases = list(each_case(dataset.cases, case_of, progress, on_failure)[0].values())
    if not cases:
        raise UsageError(f"{dataset.name}: no case could be judged, so there is nothing to choose a rule by")
    share, weight = fit_stage_rule(cases)
    figures = {
        "command": command,
        "3D stage alone": _figures([case.outlines[0.0, 1.0] for case in cases]),
        "rule of the other folds": _figures(nested_outlines(cases)),
    }
    manifest = bundle.manifest
    rule = replace(manifest.stage_rule, outline_share=share, background_weight=weight)
    metrics = {**manifest.metrics, "Outlines": figures}
    write_manifest(replace(manifest, stage_rule=rule, metrics=metrics), bundle.folder)
    return (
        f"outlines: share of the 2D stage {share:g}, background x {weight:g}; "
        f"{figures['3D stage alone']} without, {figures['rule of the other folds']} nested"
    )


def _figures(outlines: Sequence[Outlines]) -> str:
    cavity, wall = (float(np.mean([getattr(one, name) for one in outlines])) for name in ("cavity", "wall"))
    mass = np.array([one.mass_g for one in outlines])
    return (
        f"Dice of the cavity {cavity:.4f}, of the whole wall {wall:.4f}, mass off by "
        f"{np.abs(mass).mean():.1f} g, on average {mass.mean():+.1f} g"
    )
