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
import torch

from CardiacUQLib.base.progress import CancelToken
from CardiacUQLib.bundles.manifest import ClassInfo, View
from CardiacUQLib.images.volume import Volume
from CardiacUQLib.inference.ensemble import (
    StreamingAccumulator,
    normalise_frame,
    other_opinion,
    run_streaming,
)
from CardiacUQLib.inference.jobs import add_error_probability, arg_max, roi_voxel_ml
from CardiacUQLib.inference.locator import LOCATOR, find_heart
from CardiacUQLib.inference.passes import Arithmetic
from CardiacUQLib.inference.result import MapName
from CardiacUQLib.inference.roi import Roi, find_roi
from CardiacUQLib.inference.streaming_cleanup import main_parts

from ...datasets import LabelledCase
from ...training.crops import crop_labels
from ..agreement import class_volumes
from ..calibration_error import reliability
from ..cases import CaseArrays, CaseFigures
from ..dice import dice_per_class
from ..predict import KeptNetworks, PassOptions, Window, on_grid, window_of
from ..run import check_labels
from ..scores import CROP, PREDICTED, UNION, brier_score, case_score, map_scores, regions
from ..surface import hausdorff_mm
from .end_slices import countable, end_dice

ENSEMBLE = "ensemble"
ONE_VIEW, RAW = "one view", "without clean-up"
CHOICES = (ONE_VIEW, RAW)
"""Parts of the figures that leave one step of the ensemble out, to measure what it brings."""
SWEEP, VOLUMES = "sweep", "volumes"
"""Rows of the kept figures that are no uncertainty map."""
SWEEP_WEIGHTS = tuple(round(0.1 * n, 1) for n in range(11))
JUDGED_MAPS = (
    MapName.SCS,
    MapName.UNCERTAINTY,
    MapName.ENTROPY,
    MapName.MUTUAL_INFORMATION,
    MapName.VARIANCE,
    MapName.MAX_PROBABILITY,
    MapName.ERROR_PROBABILITY,
)
"""Maps that are to point at errors; the last two claim to be P(wrong)."""


@dataclass(frozen=True)
class FramePrediction:
    """What the passes of one frame gave.

    Softmax ``mean``, ``plain`` (no views) and ``members`` (C, z, y, x) lie inside ``window`` on the grid of
    the volume; labels are uint8 on the whole grid; ``pass_ml`` (passes, C) are volumes in ml. In the pixels
    of ``roi``: ``roi_mean`` (C, z, size, size), ``roi_labels`` and the dissenting ``roi_opinion``, and the
    maps, all (z, size, size).
    """

    window: Window
    mean: np.ndarray
    plain: np.ndarray
    members: tuple[np.ndarray, ...]
    labels: np.ndarray
    raw_labels: np.ndarray
    member_labels: tuple[np.ndarray, ...]
    pass_ml: np.ndarray
    roi: Roi
    roi_mean: np.ndarray
    roi_labels: np.ndarray
    roi_opinion: np.ndarray
    maps: Mapping[MapName, np.ndarray]


def predict_frame(
    volume: Volume,
    networks: KeptNetworks,
    arithmetic: Arithmetic,
    folds: Sequence[int],
    options: PassOptions,
    cancel: CancelToken | None = None,
) -> FramePrediction:
    """Run one frame as :func:`CardiacUQLib.inference.segment.segment` does, and keep the members apart.

    P(wrong) is left out under cross-validation: the bundle's model was fitted on these very cases.
    """
    manifest = networks.manifest
    located = LOCATOR in manifest.networks
    centre = find_heart(volume, networks, arithmetic, folds, cancel) if located else None
    roi = find_roi(volume, manifest.roi, centre)
    crop = normalise_frame(roi.extract(volume.array))
    passes, unflipped = StreamingAccumulator(), []
    for one in run_streaming(crop, networks, arithmetic, folds=folds, views=options.views, cancel=cancel):
        passes.add(one)
        if one.view is View.IDENTITY:
            unflipped.append((one.weights[:, None, None] * one.members).sum(dim=0))
    mean, means = passes.final.mean.cpu().numpy(), passes.member_means().cpu().numpy()
    maps = {name: values.cpu().numpy() for name, values in passes.maps().items()}
    roi_labels = main_parts(arg_max(mean), manifest.classes)
    roi_opinion = other_opinion(np.stack([arg_max(member) for member in means]), roi_labels)
    if not options.cross_validated:
        add_error_probability(maps, roi_labels, roi_opinion, manifest)
    window = window_of(roi, volume.array.shape)
    on_window = on_grid(mean, roi, window)
    plain = torch.stack(unflipped).mean(dim=0).cpu().numpy() if unflipped else None
    members = tuple(on_grid(member, roi, window) for member in means)
    raw = window.paste(arg_max(on_window))
    return FramePrediction(
        window,
        on_window,
        on_window if plain is None else on_grid(plain, roi, window),
        members,
        main_parts(raw, manifest.classes),
        raw,
        tuple(window.paste(arg_max(member)) for member in members),
        passes.final.class_voxels * roi_voxel_ml(roi, volume.geometry),
        roi,
        mean,
        roi_labels,
        roi_opinion,
        maps,
    )


def judge_frame(
    case: LabelledCase,
    networks: KeptNetworks,
    arithmetic: Arithmetic,
    folds: tuple[int, ...],
    options: PassOptions,
    cancel: CancelToken | None = None,
) -> tuple[CaseFigures, CaseArrays]:
    """Predict and score one frame."""
    start = time.perf_counter()
    volume, truth = case.load()
    classes = networks.manifest.classes
    check_labels(case, truth, volume.array.shape, len(classes))
    found = predict_frame(volume, networks, arithmetic, folds, options, cancel)
    segmentation = part_scores(found, truth, classes, volume.geometry.spacing)
    rows: dict[str, dict[str, Any]] = {
        VOLUMES: _volumes(found, truth, classes, volume.geometry.voxel_volume_ml)
    }
    if len(found.members) == 2:
        rows[SWEEP] = sweep(found, truth, classes)
    roi_truth = crop_labels(found.roi, truth)
    brier = brier_score(found.roi_mean, roi_truth)
    mean_dice = segmentation[ENSEMBLE]["mean_dice"]
    judged = {name: found.maps[name] for name in JUDGED_MAPS if name in found.maps}
    for name, values in judged.items():
        rows[name.value] = {"mean_dice": mean_dice}
        rows[name.value] |= map_row(name, values, found.roi_labels, roi_truth, brier)
    figures = CaseFigures(
        case.id, case.group, folds, round(time.perf_counter() - start, 3), segmentation, rows
    )
    return figures, _arrays(found, volume, roi_truth, judged, brier)


def part_scores(
    found: FramePrediction,
    truth: np.ndarray,
    classes: Sequence[ClassInfo],
    spacing_xyz: tuple[float, float, float],
) -> dict[str, dict[str, float]]:
    """Scores of the ensemble, of each member alone, and of the ensemble without each of its extra steps."""
    plain = main_parts(found.window.paste(arg_max(found.plain)), classes)
    scores = {ENSEMBLE: frame_scores(found.labels, truth, classes, spacing_xyz)}
    for number, labels in enumerate(found.member_labels):
        scores[f"member{number}"] = frame_scores(labels, truth, classes, None)
    scores[ONE_VIEW] = frame_scores(plain, truth, classes, None)
    scores[RAW] = frame_scores(found.raw_labels, truth, classes, spacing_xyz)
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
        labels = found.window.paste(arg_max(weight * first + (1 - weight) * second))
        scores[f"{weight:.1f}"] = frame_scores(labels, truth, classes, None)
    return scores


def map_row(
    name: MapName, values: np.ndarray, labels: np.ndarray, truth: np.ndarray, brier: np.ndarray
) -> dict[str, Any]:
    """Figures of one map on the union of predicted and true foreground, with the reliability of P(wrong)
    also on the whole region and on the predicted foreground, where a reader can check it."""
    doubt = 1 - values if name is MapName.MAX_PROBABILITY else values
    probability = name in JUDGED_MAPS[-2:]
    row: dict[str, Any] = {"case_score": case_score(doubt, labels)}
    wrong = labels != truth
    masks = regions(labels, truth)
    union = masks[UNION]
    row[UNION] = map_scores(doubt[union], wrong[union], brier[union], is_probability=probability)
    for region in (CROP, PREDICTED) if name is MapName.ERROR_PROBABILITY else ():
        row[region] = {"reliability": reliability(doubt[masks[region]], wrong[masks[region]]).as_dict()}
    return row


def class_counts(labels: np.ndarray, classes: Sequence[ClassInfo]) -> np.ndarray:
    """Voxels of every class."""
    return np.bincount(labels.ravel(), minlength=len(classes))


def _occupied(labels: np.ndarray, truth: np.ndarray) -> tuple[slice, slice, slice]:
    """All slices, and the part of the plane in which either holds a structure."""
    plane = (labels | truth).any(axis=0)
    if not plane.any():
        return (slice(None), slice(0, 1), slice(0, 1))
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    return (slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))


def _arrays(
    found: FramePrediction,
    volume: Volume,
    truth: np.ndarray,
    judged: Mapping[MapName, np.ndarray],
    brier: np.ndarray,
) -> CaseArrays:
    """What the fit of P(wrong) reads again, in the pixels of the networks."""
    x, y, z = volume.geometry.spacing
    step_y, step_x = found.roi.step
    return CaseArrays(
        found.roi.extract(volume.array),
        truth,
        found.roi_opinion,
        found.roi_labels,
        judged,
        (x * step_x, y * step_y, z),
        (0,) * len(found.roi_mean),
        brier,
    )


def _volumes(
    found: FramePrediction, truth: np.ndarray, classes: Sequence[ClassInfo], voxel_ml: float
) -> dict[str, Any]:
    return {
        "reference_ml": class_volumes(truth, classes, voxel_ml).tolist(),
        "predicted_ml": class_volumes(found.labels, classes, voxel_ml).tolist(),
        "pass_ml": np.asarray(found.pass_ml, float).tolist(),
    }
