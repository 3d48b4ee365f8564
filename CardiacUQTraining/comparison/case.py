"""Two opinions on a scan as one case folder: regions, maps, measures of both and their difference."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from CardiacUQLib.base.arg_max import arg_max
from CardiacUQLib.base.checksum import sha256_of
from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.version import __version__
from CardiacUQLib.bundles.manifest import BundleKind, ClassInfo
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.cases.writing import write_case
from CardiacUQLib.images.volume import Volume
from CardiacUQLib.inference.components import Corrections, find_components
from CardiacUQLib.inference.maps import (
    discrete_correction_map,
    ensemble_variance,
    entropy,
    soft_correction_score,
)
from CardiacUQLib.inference.result import Result, RunRecord
from CardiacUQLib.measures import measure
from CardiacUQLib.report.page import can_render, report_writer

from ..evaluation.shared.dice import dice_by_name

KEY = "comparison"
"""Entry of ``measures.json`` with both opinions beside each other."""


@dataclass(frozen=True)
class Opinion:
    """One side: uint8 labels (z, y, x), and its softmax passes (passes, classes, z, y, x) or None."""

    path: Path
    labels: np.ndarray
    passes: np.ndarray | None = None


def opinion_of_passes(path: Path, stored: np.ndarray, scan: Volume) -> Opinion:
    """An opinion from probabilities (passes, classes, k, j, i) in file order."""
    turned = np.stack([[scan.storage.from_stored(channel) for channel in one] for one in stored])
    return Opinion(path, arg_max(turned.mean(axis=0)), turned)


def compared(a: Opinion, b: Opinion, scan: Volume, classes: tuple[ClassInfo, ...]) -> Result:
    """The result whose first opinion is A and whose final one is B.

    With probabilities of both: the Soft Correction Score between them, and entropy and variance over all
    passes. Regions are ordered by score times volume, else by volume. Raises UsageError if the numbers of
    classes differ.
    """
    counts = {len(one.passes[0]) for one in (a, b) if one.passes is not None}
    if counts - {len(classes)}:
        raise UsageError(f"{a.path} and {b.path} have {sorted(counts)} classes, {len(classes)} are named")
    maps = _maps(a, b)
    found = _regions(a, b, maps.get(MapName.SCS), scan, len(classes))
    both = [one.passes for one in (a, b) if one.passes is not None]
    passes = np.concatenate(both) if both else None
    voxel_ml = scan.geometry.voxel_volume_ml
    volumes = np.zeros((0, len(classes))) if passes is None else passes.sum(axis=(2, 3, 4)) * voxel_ml
    run = RunRecord(
        bundle=f"{a.path.name} and {b.path.name}",
        bundle_version="",
        bundle_sha256=_hash_of(a.path, b.path),
        device="none",
        precision="none",
        folds=(),
        views=(),
        timings={},
        peak_memory_mb=0.0,
        versions={"cardiacuq": __version__},
        default_map=MapName.SCS if MapName.SCS in maps else None,
    )
    return Result(
        volume=scan,
        kind=BundleKind.COMPARISON,
        classes=classes,
        segmentation=b.labels,
        opinion=a.labels,
        maps=maps,
        dcm=found.dcm,
        component_ids=found.component_ids,
        components=found.components,
        pass_volumes_ml=volumes,
        run=run,
        measures=_measures(a, b, scan, classes, passes),
    )


def write_comparison(result: Result, output: Path, *, overwrite: bool = False) -> Path:
    """Write the case folder ``output``, with its report where one can be drawn; as :func:`write_case`."""
    target = output.resolve()
    writers = [report_writer(target.name)] if can_render() else []
    return write_case(result, target.parent, name=target.name, overwrite=overwrite, extra_writers=writers)


def _maps(a: Opinion, b: Opinion) -> dict[MapName, np.ndarray]:
    if a.passes is None or b.passes is None:
        return {}
    one, other = a.passes, b.passes
    if len(one) != len(other):  # folds of different number cannot be paired: their means can
        one, other = one.mean(axis=0, keepdims=True), other.mean(axis=0, keepdims=True)
    every = np.concatenate([a.passes, b.passes])
    maps = {
        MapName.SCS: soft_correction_score(one, other),
        MapName.ENTROPY: entropy(every.mean(axis=0)),
        MapName.VARIANCE: ensemble_variance(every),
    }
    return {name: array.astype(np.float32) for name, array in maps.items()}


def _regions(a: Opinion, b: Opinion, scs: np.ndarray | None, scan: Volume, count: int) -> Corrections:
    dcm = discrete_correction_map(a.labels, b.labels, count)
    if scs is not None:
        return find_components(dcm, scs, scan.geometry, count)
    certain = np.where(dcm > 0, 2.0 / count, 0.0).astype(np.float32)  # the score of two one-hot predictions
    return find_components(dcm, certain, scan.geometry, count, priority=lambda c, _: c.volume_mm3)


def _measures(
    a: Opinion, b: Opinion, scan: Volume, classes: tuple[ClassInfo, ...], passes: np.ndarray | None
) -> dict[str, Any]:
    """Measures of B, the final opinion, with those of A, their differences and the overlaps beside them."""
    first, final = (measure(one.labels, scan, BundleKind.COMPARISON, classes) for one in (a, b))
    content: dict[str, Any] = {
        "a": {"file": a.path.name, "sizes": _values(first)},
        "b": {"file": b.path.name, "sizes": _values(final)},
        "difference": _difference(_values(first), _values(final)),
        "dice": dice_by_name(a.labels, b.labels, classes),
        "equal_share": float((a.labels == b.labels).mean()),
    }
    if passes is not None and len(passes) > 1:
        content["pairwise_dice"] = _pairwise(passes, classes)
    lead = ", ".join(f"{name} {value:.2f}" for name, value in content["dice"].items())
    return {**final, "headline": f"Dice of A and B: {lead}", KEY: content}


def _values(measures: Mapping[str, Any]) -> dict[str, float | None]:
    sizes = measures.get("sizes")
    if sizes:
        return {key: entry["value"] for key, entry in sizes.items()}
    return {f"{name}_volume_ml": volume for name, volume in measures["volumes_ml"].items()}


def _difference(a: Mapping[str, float | None], b: Mapping[str, float | None]) -> dict[str, float | None]:
    """B - A of every size that both know."""
    found: dict[str, float | None] = {}
    for key, value in a.items():
        other = b.get(key)
        found[key] = None if value is None or other is None else round(float(other) - float(value), 4)
    return found


def _pairwise(passes: np.ndarray, classes: tuple[ClassInfo, ...]) -> dict[str, float]:
    """Mean Dice over all pairs of passes, by class."""
    labels = arg_max(passes, axis=1)
    pairs = [
        dice_by_name(labels[i], labels[j], classes)
        for i in range(len(labels))
        for j in range(i + 1, len(labels))
    ]
    return {name: float(np.mean([pair[name] for pair in pairs])) for name in pairs[0]}


def _hash_of(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        digest.update(sha256_of(files).encode())
    return digest.hexdigest()
