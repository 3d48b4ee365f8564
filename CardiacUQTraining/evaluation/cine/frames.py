"""One labelled frame through a cine ensemble: predictions of ensemble and members, and their figures."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from CardiacUQLib.calibration import KEY
from CardiacUQLib.jobs import add_error_probability, arg_max, on_image, roi_voxel_ml
from CardiacUQLib.locator import LOCATOR, find_heart
from CardiacUQLib.manifest import ClassInfo
from CardiacUQLib.passes import Arithmetic
from CardiacUQLib.progress import CancelToken
from CardiacUQLib.result import MapName
from CardiacUQLib.roi import find_roi
from CardiacUQLib.streaming import StreamingAccumulator, normalise_frame, other_opinion, run_streaming
from CardiacUQLib.volume import Volume

from ...datasets import LabelledCase
from ..agreement import class_volumes
from ..cases import CaseArrays, CaseFigures
from ..dice import dice_per_class
from ..predict import KeptNetworks, PassOptions, Window, on_grid, window_of
from ..run import check_labels
from ..scores import UNION, brier_score, case_score, map_scores, regions
from ..surface import hausdorff_mm
from .end_slices import countable, end_dice

ENSEMBLE = "ensemble"
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
    """What the passes of one frame gave. Means are softmax (C, z, y, x) inside ``window``, on the grid of
    the volume; labels are uint8 on the whole grid; ``pass_ml`` (passes, C) are volumes in ml."""

    window: Window
    mean: np.ndarray
    members: tuple[np.ndarray, ...]
    labels: np.ndarray
    member_labels: tuple[np.ndarray, ...]
    maps: Mapping[MapName, np.ndarray]
    pass_ml: np.ndarray


def predict_frame(
    volume: Volume,
    networks: KeptNetworks,
    arithmetic: Arithmetic,
    folds: Sequence[int],
    options: PassOptions,
    cancel: CancelToken | None = None,
) -> FramePrediction:
    """Run one frame as :func:`CardiacUQLib.segment.segment` does, and keep the members apart.

    P(wrong) is left out under cross-validation: the bundle's model was fitted on these very cases.
    """
    manifest = networks.manifest
    located = LOCATOR in manifest.networks
    centre = find_heart(volume, networks, arithmetic, folds, cancel) if located else None
    roi = find_roi(volume, manifest.roi, centre)
    crop = normalise_frame(roi.extract(volume.array))
    passes = StreamingAccumulator()
    for one in run_streaming(crop, networks, arithmetic, folds=folds, flips=options.flips, cancel=cancel):
        passes.add(one)
    means = passes.member_means()
    maps = {name: values.cpu().numpy() for name, values in passes.maps().items()}
    if not options.cross_validated and KEY in manifest.calibration:
        add_error_probability(maps, passes.final.mean, means[0], manifest)
    window = window_of(roi, volume.array.shape)
    return FramePrediction(
        window,
        on_grid(passes.final.mean.cpu().numpy(), roi, window),
        tuple(on_grid(member.cpu().numpy(), roi, window) for member in means),
        arg_max(on_image(passes.final.mean, roi)),
        tuple(arg_max(on_image(member, roi)) for member in means),
        {name: window.cut(roi.restore(values)) for name, values in maps.items()},
        passes.final.class_voxels * roi_voxel_ml(roi, volume.geometry),
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
    spacing = volume.geometry.spacing
    segmentation = {ENSEMBLE: frame_scores(found.labels, truth, classes, spacing)}
    for number, labels in enumerate(found.member_labels):
        segmentation[f"member{number}"] = frame_scores(labels, truth, classes, None)
    true_window, labels = found.window.cut(truth), found.window.cut(found.labels)
    brier = brier_score(found.mean, true_window)
    rows: dict[str, dict[str, Any]] = {
        VOLUMES: _volumes(found, truth, classes, volume.geometry.voxel_volume_ml)
    }
    if len(found.members) == 2:
        rows[SWEEP] = sweep(found, truth, classes)
    mean_dice = segmentation[ENSEMBLE]["mean_dice"]
    judged = {name: found.maps[name] for name in JUDGED_MAPS if name in found.maps}
    for name, values in judged.items():
        rows[name.value] = {"mean_dice": mean_dice} | _map_row(name, values, labels, true_window, brier)
    figures = CaseFigures(
        case.id, case.group, folds, round(time.perf_counter() - start, 3), segmentation, rows
    )
    opinion = other_opinion(np.stack(found.member_labels), found.labels)
    outside = class_counts(truth, classes) - class_counts(true_window, classes)
    arrays = CaseArrays(
        found.window.cut(volume.array).astype(np.float32),
        true_window,
        found.window.cut(opinion),
        labels,
        judged,
        spacing,
        tuple(outside.tolist()),
        brier,
    )
    return figures, arrays


def frame_scores(
    labels: np.ndarray,
    truth: np.ndarray,
    classes: Sequence[ClassInfo],
    spacing_xyz: tuple[float, float, float] | None,
) -> dict[str, float]:
    """Dice per structure, their mean, the end Dice in both readings and the number of counted slices;
    with ``spacing_xyz`` the Hausdorff distances in mm too. Labels (z, y, x) on the whole grid."""
    values = [info.value for info in classes if info.value]
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


def class_counts(labels: np.ndarray, classes: Sequence[ClassInfo]) -> np.ndarray:
    """Voxels of every class."""
    return np.bincount(labels.ravel(), minlength=len(classes))


def _volumes(
    found: FramePrediction, truth: np.ndarray, classes: Sequence[ClassInfo], voxel_ml: float
) -> dict[str, Any]:
    return {
        "reference_ml": class_volumes(truth, classes, voxel_ml).tolist(),
        "predicted_ml": class_volumes(found.labels, classes, voxel_ml).tolist(),
        "pass_ml": np.asarray(found.pass_ml, float).tolist(),
    }


def _map_row(
    name: MapName, values: np.ndarray, labels: np.ndarray, truth: np.ndarray, brier: np.ndarray
) -> dict[str, Any]:
    doubt = 1 - values if name is MapName.MAX_PROBABILITY else values
    union = regions(labels, truth)[UNION]
    probability = name in JUDGED_MAPS[-2:]
    scores = map_scores(doubt[union], (labels != truth)[union], brier[union], is_probability=probability)
    return {"case_score": case_score(doubt, labels), UNION: scores}
