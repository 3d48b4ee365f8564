"""Do the sizes agree with the reader's? Bias, limits of agreement, concordance, Bland-Altman figure.

Bland and Altman, Lancet 1986; Lin, Biometrics 1989 (concordance correlation coefficient). The yardstick
for LGE: 501 scans of 20 sites, concordance 0.87 for LV mass, 0.77 for scar mass, 0.78 for scar share
(Eur Heart J Cardiovasc Imaging 2024;25:829).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from CardiacUQLib.bundles.manifest import ClassInfo
from CardiacUQLib.measures.display import SIZE_NAMES
from CardiacUQLib.measures.size_catalogue import Scan, unit_of
from CardiacUQLib.measures.sizes import scan_of, size_doubts, sizes_of, structures_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIMITS = 1.96


@dataclass(frozen=True)
class ClassVolumes:
    """Class volumes in ml of one scan: the reader's and the final ones (classes,), all passes (passes,
    classes) fold by fold."""

    case: str
    reference_ml: np.ndarray
    predicted_ml: np.ndarray
    pass_ml: np.ndarray


@dataclass(frozen=True)
class SizeRecord:
    """Sizes of one case by key (unit in the key); NaN where undefined, as a share of nothing.

    ``passes[key]`` is the size in every pass, ``doubts[key]`` what of it is in doubt, where that is known.
    """

    case: str
    reference: Mapping[str, float]
    predicted: Mapping[str, float]
    passes: Mapping[str, np.ndarray]
    doubts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Agreement:
    """Measured minus reference over ``count`` cases, in the unit of the size.

    ``low`` and ``high`` are the 95 % limits of agreement, ``concordance`` is Lin's coefficient.
    """

    count: int
    bias: float
    sd: float
    low: float
    high: float
    concordance: float
    mean_absolute_error: float


def scan_record(
    volumes: ClassVolumes, classes: Sequence[ClassInfo], doubt_ml: Mapping[str, float] | None = None
) -> SizeRecord:
    """Sizes of an LGE stack or of a single cine frame; ``doubt_ml`` is what of a lesion is in doubt."""
    scan = scan_of(classes)
    reference, predicted, passes = (
        sizes_of(scan, structures_of(ml, classes))
        for ml in (volumes.reference_ml, volumes.predicted_ml, volumes.pass_ml)
    )
    doubts = size_doubts(scan, structures_of(volumes.predicted_ml, classes), doubt_ml)
    return SizeRecord(volumes.case, _single(reference), _single(predicted), passes, doubts)


def pair_record(case: str, ed: ClassVolumes, es: ClassVolumes, classes: Sequence[ClassInfo]) -> SizeRecord:
    """Sizes of a patient from the end-diastolic and the end-systolic frame."""
    reference, predicted, passes = (
        sizes_of(Scan.PAIR, structures_of(a, classes), structures_of(b, classes))
        for a, b in (
            (ed.reference_ml, es.reference_ml),
            (ed.predicted_ml, es.predicted_ml),
            (ed.pass_ml, es.pass_ml),
        )
    )
    return SizeRecord(case, _single(reference), _single(predicted), passes)


def class_volumes(labels: np.ndarray, classes: Sequence[ClassInfo], voxel_ml: float) -> np.ndarray:
    """Volume in ml of every class of a label map, in the order of ``classes``."""
    counts = np.bincount(labels.ravel(), minlength=max(info.value for info in classes) + 1)
    return counts[[info.value for info in classes]] * voxel_ml


def agreement(reference: ArrayLike, measured: ArrayLike) -> Agreement:
    """Agreement over the cases in which both are defined; NaN figures for fewer than two."""
    x, y = np.asarray(reference, float), np.asarray(measured, float)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if x.size < 2:
        return Agreement(int(x.size), *(float("nan"),) * 6)
    difference = y - x
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    return Agreement(
        int(x.size),
        bias,
        sd,
        bias - LIMITS * sd,
        bias + LIMITS * sd,
        concordance(x, y),
        float(np.abs(difference).mean()),
    )


def concordance(x: np.ndarray, y: np.ndarray) -> float:
    """Lin's concordance correlation coefficient, with the moments' 1/n; 1 if both are the same constant."""
    covariance = float(np.mean((x - x.mean()) * (y - y.mean())))
    denominator = float(x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    return 1.0 if denominator == 0 else 2.0 * covariance / denominator


def agreements(records: Sequence[SizeRecord]) -> dict[str, Agreement]:
    """Agreement of every size that the records hold, by key, in the order of the first record."""
    if not records:
        return {}
    return {
        key: agreement([r.reference[key] for r in records], [r.predicted[key] for r in records])
        for key in records[0].reference
    }


def bland_altman_figure(records: Sequence[SizeRecord], keys: Sequence[str]) -> Figure:
    """Difference against mean for each size, with bias and limits of agreement."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.0 * len(keys), 3.4), layout="constrained")
    for axes, key in zip(figure.subplots(1, len(keys), squeeze=False)[0], keys, strict=True):
        x, y = (np.array([getattr(r, which)[key] for r in records]) for which in ("reference", "predicted"))
        found, unit = agreement(x, y), unit_of(key)
        axes.plot((x + y) / 2, y - x, "o", color="#0072B2", markersize=4, alpha=0.8)
        axes.axhline(found.bias, color="#222222", linewidth=1.5)
        for limit in (found.low, found.high):
            axes.axhline(limit, color="#D55E00", linewidth=1.2, linestyle="--")
        axes.set_title(
            f"{SIZE_NAMES[key]}\nbias {found.bias:.1f} {unit} ({found.low:.1f} to {found.high:.1f}), "
            f"CCC {found.concordance:.2f}, n = {found.count}",
            fontsize=8.5,
        )
        axes.set_xlabel(f"mean of both ({unit})", fontsize=8)
        axes.set_ylabel(f"CardiacUQ - reader ({unit})", fontsize=8)
        axes.tick_params(labelsize=8)
    return figure


def _single(sizes: Mapping[str, np.ndarray]) -> dict[str, float]:
    return {key: float(values[0]) for key, values in sizes.items()}
