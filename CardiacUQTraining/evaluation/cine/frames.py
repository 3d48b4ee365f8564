"""One labelled frame through a cine ensemble: predictions of ensemble and members, and their figures.

Dice, Hausdorff distance and volumes are taken on the grid of the image. The uncertainty maps are judged, and
P(wrong) is fitted, in the pixels of the networks, where inference computes it too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from CardiacUQLib.base.arg_max import arg_max
from CardiacUQLib.base.json_codec import to_plain
from CardiacUQLib.base.progress import CancelToken
from CardiacUQLib.bundles.manifest import ClassInfo, View
from CardiacUQLib.bundles.map_catalogue import MapName, Use, maps_used, plain_first
from CardiacUQLib.images.volume import Volume
from CardiacUQLib.inference.ensemble import StreamingPass
from CardiacUQLib.inference.found import Findings, Region
from CardiacUQLib.inference.jobs import pixel_of
from CardiacUQLib.inference.passes import NetworkSource
from CardiacUQLib.inference.slice_decision import NO_DECISION, SliceDecision, decide_slices
from CardiacUQLib.inference.streaming_cleanup import main_parts

from ...datasets import LabelledCase
from ...training.crops import crop_labels
from ..shared.agreement import class_volumes
from ..shared.calibration_error import reliability
from ..shared.cases import CaseArrays, CaseFigures
from ..shared.contours import contours_of
from ..shared.dice import dice_per_class
from ..shared.judged import check_labels
from ..shared.predict import Computer, PassOptions, outside_of, predict, voxel_of
from ..shared.scores import CROP, PREDICTED, UNION, brier_score, case_score, map_scores, regions
from ..shared.surface import hausdorff_mm
from .end_slices import countable, end_dice

ENSEMBLE = "ensemble"
ONE_VIEW, RAW, LIKELIEST = "one view", "without clean-up", "without base and apex"
CHOICES = (ONE_VIEW, RAW, LIKELIEST)
"""Parts of the figures that leave one step of the ensemble out, to measure what it brings."""
SWEEP, VOLUMES = "sweep", "volumes"
"""Rows of the kept figures that are no uncertainty map."""
SWEEP_WEIGHTS = tuple(round(0.1 * n, 1) for n in range(11))


@dataclass(frozen=True)
class FramePrediction:
    """What was found of one frame, with softmax (C, z, y, x) on the grid of the volume: the ``mean``, that
    without further views (``plain``) and that of each of the ``members``."""

    found: Findings
    mean: np.ndarray
    plain: np.ndarray
    members: tuple[np.ndarray, ...]
    decision: SliceDecision = NO_DECISION

    @property
    def region(self) -> Region:
        """What was found in the pixels of the networks."""
        return self.found.region


def predict_frame(
    volume: Volume,
    networks: NetworkSource,
    folds: tuple[int, ...],
    options: PassOptions,
    computer: Computer,
    cancel: CancelToken | None = None,
) -> FramePrediction:
    """Run one frame as every use does, and keep the members apart."""
    found = predict(volume, networks, folds, options, computer, cancel)
    restore = found.region.roi.restore
    unflipped = [
        (one.weights[:, None, None] * one.members).sum(dim=0).cpu().numpy()
        for one in found.region.passes
        if isinstance(one, StreamingPass) and one.view is View.IDENTITY
    ]
    region, manifest = found.region, networks.manifest
    size = pixel_of(region.roi, volume.geometry)
    decision = decide_slices(region.final, manifest, folds, *size)
    mean = restore(region.final)
    plain = restore(np.mean(unflipped, axis=0)) if unflipped else mean
    return FramePrediction(found, mean, plain, tuple(restore(p) for p in region.opinions), decision)


def judge_frame(
    case: LabelledCase,
    networks: NetworkSource,
    computer: Computer,
    folds: tuple[int, ...],
    options: PassOptions,
    cancel: CancelToken | None = None,
) -> tuple[CaseFigures, CaseArrays]:
    """Predict and score one frame."""
    start = time.perf_counter()
    volume, truth = case.load()
    classes = networks.manifest.classes
    check_labels(case, truth, volume.array.shape, len(classes))
    found = predict_frame(volume, networks, folds, options, computer, cancel)
    segmentation = part_scores(found, truth, classes, volume.geometry.spacing)
    rows: dict[str, dict[str, Any]] = {
        VOLUMES: _volumes(found, truth, classes, volume.geometry.voxel_volume_ml)
    }
    if len(found.members) == 2:
        rows[SWEEP] = sweep(found, truth, classes)
    region = found.region
    roi_truth = crop_labels(region.roi, truth)
    brier = brier_score(region.final, roi_truth)
    mean_dice = segmentation[ENSEMBLE]["mean_dice"]
    judged = {name: region.maps[name] for name in plain_first(maps_used(Use.JUDGED, region.maps))}
    if options.cross_validated:  # the bundle's P(wrong) was fitted on these very cases
        judged.pop(MapName.ERROR_PROBABILITY, None)
    for name, values in judged.items():
        rows[name.value] = {"mean_dice": mean_dice}
        rows[name.value] |= map_row(name, values, region.labels, roi_truth, brier)
    x_mm, y_mm = volume.geometry.spacing[:2]
    both = region.roi.restore(region.both)
    contours = contours_of(both, found.found.segmentation, truth, classes, (y_mm, x_mm))
    figures = CaseFigures(
        case.id,
        case.group,
        folds,
        round(time.perf_counter() - start, 3),
        segmentation,
        rows,
        assessment=to_plain(found.found.assessment),
        evidence=dict(found.found.evidence),
        contours=to_plain(contours),
    )
    return figures, _arrays(region, volume, truth, roi_truth, judged, brier)


def part_scores(
    found: FramePrediction,
    truth: np.ndarray,
    classes: Sequence[ClassInfo],
    spacing_xyz: tuple[float, float, float],
) -> dict[str, dict[str, float]]:
    """Scores of the ensemble, of each member alone, and of the ensemble without each of its extra steps."""
    plain = found.decision.labels(found.plain, classes)
    scores = {ENSEMBLE: frame_scores(found.found.segmentation, truth, classes, spacing_xyz)}
    for number, member in enumerate(found.members):
        scores[f"member{number}"] = frame_scores(arg_max(member), truth, classes, None)
    scores[ONE_VIEW] = frame_scores(plain, truth, classes, None)
    scores[RAW] = frame_scores(arg_max(found.mean), truth, classes, spacing_xyz)
    scores[LIKELIEST] = frame_scores(main_parts(arg_max(found.mean), classes), truth, classes, None)
    return scores


def frame_scores(
    labels: np.ndarray,
    truth: np.ndarray,
    classes: Sequence[ClassInfo],
    spacing_xyz: tuple[float, float, float] | None,
) -> dict[str, float]:
    """Dice per structure, their mean, the end Dice in both readings and the number of counted slices;
    with ``spacing_xyz`` the Hausdorff distances in mm too. Labels (z, y, x) on the whole grid."""
    values = [info.value for info in classes if info.value]
    around = _occupied(labels, truth)
    labels, truth = labels[around], truth[around]
    overlap = dice_per_class(labels, truth, values)
    scores = {"mean_dice": float(np.mean(list(overlap.values())))}
    scores |= {f"dice_{value}": found for value, found in overlap.items()}
    scores["end_dice"] = end_dice(labels, truth, values)
    scores["end_dice_together"] = end_dice(labels, truth, values, together=True)
    scores["end_slices"] = float(len(countable(truth, values)))
    if spacing_xyz is not None:
        spacing = (spacing_xyz[2], spacing_xyz[1], spacing_xyz[0])
        scores |= {
            f"hausdorff_{value}": hausdorff_mm(labels == value, truth == value, spacing) for value in values
        }
    return scores


def sweep(
    found: FramePrediction, truth: np.ndarray, classes: Sequence[ClassInfo]
) -> dict[str, dict[str, float]]:
    """Scores of two members with fixed weights w and 1 - w, by w (Streaming, Fig. 2)."""
    first, second = found.members
    scores = {}
    for weight in SWEEP_WEIGHTS:
        labels = arg_max(weight * first + (1 - weight) * second)
        scores[f"{weight:.1f}"] = frame_scores(labels, truth, classes, None)
    return scores


def map_row(
    name: MapName, values: np.ndarray, labels: np.ndarray, truth: np.ndarray, brier: np.ndarray
) -> dict[str, Any]:
    """Figures of one map on the union of predicted and true foreground, with the reliability of P(wrong)
    also on the whole region and on the predicted foreground, where a reader can check it."""
    doubt = 1 - values if name.info.falling else values
    row: dict[str, Any] = {"case_score": case_score(doubt, labels)}
    wrong = labels != truth
    masks = regions(labels, truth)
    union = masks[UNION]
    row[UNION] = map_scores(doubt[union], wrong[union], brier[union], is_probability=name.info.is_probability)
    for region in (CROP, PREDICTED) if name is MapName.ERROR_PROBABILITY else ():
        row[region] = {"reliability": reliability(doubt[masks[region]], wrong[masks[region]]).as_dict()}
    return row


def _occupied(labels: np.ndarray, truth: np.ndarray) -> tuple[slice, slice, slice]:
    """All slices, and the part of the plane in which either holds a structure."""
    plane = np.any((labels | truth) > 0, axis=0)
    if not plane.any():
        return (slice(None), slice(0, 1), slice(0, 1))
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    return (slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))


def _arrays(
    region: Region,
    volume: Volume,
    truth: np.ndarray,
    roi_truth: np.ndarray,
    judged: Mapping[MapName, np.ndarray],
    brier: np.ndarray,
) -> CaseArrays:
    """What the fit of P(wrong) reads again, in the pixels of the networks."""
    return CaseArrays(
        region.roi.extract(volume.array),
        roi_truth,
        region.opinion,
        region.labels,
        judged,
        voxel_of(region, volume),
        outside_of(region, truth, len(region.final)),
        brier,
    )


def _volumes(
    found: FramePrediction, truth: np.ndarray, classes: Sequence[ClassInfo], voxel_ml: float
) -> dict[str, Any]:
    return {
        "reference_ml": class_volumes(truth, classes, voxel_ml).tolist(),
        "predicted_ml": class_volumes(found.found.segmentation, classes, voxel_ml).tolist(),
        "pass_ml": np.asarray(found.found.pass_volumes_ml, float).tolist(),
    }
