"""P(voxel is wrong) from the uncertainty maps of a case: an additive logistic model in plain numbers.

The logit of P(wrong) is a sum of one piecewise linear curve per feature plus a constant per pair of
labels (2D stage, final) and per distance to the ends of the heart. Such a model is calibrated where it
is fitted (logistic loss is a proper score and has an intercept per category), follows any curve from
uncertainty to error, can be plotted and read feature by feature, and needs nothing but
:func:`numpy.interp` to apply. It is fitted by ``CardiacUQTraining.evaluation.shared.fit_calibration`` on
predictions of folds that did not see the case, and stored in ``manifest.calibration``.

All features come from the maps and label maps of one case, none from the grey values, and work in
pixels of the plane, as the networks do. Which of them a model uses is stored with it, so that a bundle
without a 2D stage (a cine ensemble) has a model of the maps it writes: its "other opinion" is the
dissenting member's label, its features those of :func:`available_features`.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.special import expit

from ..base.errors import ModelError
from ..bundles.map_catalogue import MapName

KEY = "error_probability"
"""Name of the model in ``manifest.calibration``."""
KIND = "additive_logistic"
FLOOR = 1e-4
"""Added before the logarithm: uncertainties below it are all the same certainty."""
SMOOTHING_PX = (1.5, 4.0)
"""Standard deviations of the in-plane Gaussians that look around a voxel."""
FARTHEST_PX = 8.0
END_LEVELS = 4
"""Slices from the nearer end of the predicted heart: 0, 1, 2 or more, and 3 = beyond the ends."""


class Feature(enum.StrEnum):
    """Continuous inputs; ``LOG_*`` are natural logarithms of a map, ``NEAR_*`` and ``WIDE_*`` of its
    in-plane average with the small and the large Gaussian. ``LOG_INCONSISTENCY`` is of cine alone: how
    little the weighted members keep to one class over the slices."""

    LOG_SCS = "log_scs"
    LOG_VARIANCE = "log_variance"
    LOG_ENTROPY = "log_entropy"
    LOG_MUTUAL_INFORMATION = "log_mutual_information"
    LOG_DOUBT = "log_doubt"
    LOG_INCONSISTENCY = "log_inconsistency"
    LOG_VARIANCE_2D = "log_variance_2d"
    LOG_ENTROPY_2D = "log_entropy_2d"
    LOG_MUTUAL_INFORMATION_2D = "log_mutual_information_2d"
    LOG_DOUBT_2D = "log_doubt_2d"
    NEAR_ENTROPY = "near_entropy"
    NEAR_SCS = "near_scs"
    WIDE_ENTROPY = "wide_entropy"
    WIDE_SCS = "wide_scs"
    NEXT_SLICES_ENTROPY = "next_slices_entropy"
    BORDER_DISTANCE = "border_distance"


class Category(enum.StrEnum):
    """Discrete inputs: label pair other opinion * C + final, final label, slices to the nearer end of the
    heart. The other opinion is the 2D stage's, or the dissenting member's."""

    LABEL_PAIR = "label_pair"
    LABEL = "label"
    END_DISTANCE = "end_distance"


_LOG_MAPS: Mapping[Feature, MapName] = {
    Feature.LOG_SCS: MapName.SCS,
    Feature.LOG_VARIANCE: MapName.VARIANCE,
    Feature.LOG_ENTROPY: MapName.ENTROPY,
    Feature.LOG_MUTUAL_INFORMATION: MapName.MUTUAL_INFORMATION,
    Feature.LOG_INCONSISTENCY: MapName.UNCERTAINTY,
    Feature.LOG_VARIANCE_2D: MapName.VARIANCE_2D,
    Feature.LOG_ENTROPY_2D: MapName.ENTROPY_2D,
    Feature.LOG_MUTUAL_INFORMATION_2D: MapName.MUTUAL_INFORMATION_2D,
}
_DOUBT_MAPS = {Feature.LOG_DOUBT: MapName.MAX_PROBABILITY, Feature.LOG_DOUBT_2D: MapName.MAX_PROBABILITY_2D}
_AVERAGES = {
    Feature.NEAR_ENTROPY: (MapName.ENTROPY, SMOOTHING_PX[0]),
    Feature.NEAR_SCS: (MapName.SCS, SMOOTHING_PX[0]),
    Feature.WIDE_ENTROPY: (MapName.ENTROPY, SMOOTHING_PX[1]),
    Feature.WIDE_SCS: (MapName.SCS, SMOOTHING_PX[1]),
}
_SOURCE: Mapping[Feature, MapName] = {
    **_LOG_MAPS,
    **_DOUBT_MAPS,
    **{feature: name for feature, (name, _) in _AVERAGES.items()},
    Feature.NEXT_SLICES_ENTROPY: MapName.ENTROPY,
}
"""The map that each feature is made of; features that are not listed come from the labels."""


def available_features(maps: Collection[MapName]) -> tuple[Feature, ...]:
    """Features that can be made of these maps, in the order of :class:`Feature`."""
    return tuple(feature for feature in Feature if feature not in _SOURCE or _SOURCE[feature] in maps)


@dataclass(frozen=True)
class Term:
    """One curve of the model per level of ``by`` (or a single one).

    ``values[level, k]`` is the contribution to the logit at ``knots[k]`` of ``feature``, linear between
    knots and constant beyond. ``feature`` None: a constant per level, ``values`` (levels, 1).
    """

    feature: Feature | None
    by: Category | None
    knots: np.ndarray
    values: np.ndarray

    def contribution(
        self, features: Mapping[Feature, np.ndarray], categories: Mapping[Category, np.ndarray]
    ) -> np.ndarray:
        """Share of the logit, float64, of the shape of the inputs."""
        if self.feature is None:
            if self.by is None:
                raise ValueError("a term of P(wrong) names neither a feature nor a category")
            return self.values[np.minimum(categories[self.by], len(self.values) - 1), 0]
        x = features[self.feature]
        if self.by is None:
            return np.interp(x, self.knots, self.values[0])
        level = np.minimum(categories[self.by], len(self.values) - 1)
        result = np.zeros(x.shape)
        for number in np.unique(level):
            chosen = level == number
            result[chosen] = np.interp(x[chosen], self.knots, self.values[number])
        return result


@dataclass(frozen=True)
class ErrorProbability:
    """The fitted model: ``intercept`` plus ``terms``; ``classes`` is C of the label maps."""

    classes: int
    intercept: float
    terms: tuple[Term, ...]

    @property
    def features(self) -> tuple[Feature, ...]:
        """Features that the terms need, in the order of :class:`Feature`."""
        used = {term.feature for term in self.terms}
        return tuple(feature for feature in Feature if feature in used)

    @property
    def required_maps(self) -> tuple[MapName, ...]:
        """Maps that :meth:`predict` needs."""
        return tuple(dict.fromkeys(_SOURCE[f] for f in self.features if f in _SOURCE))

    def predict(
        self, maps: Mapping[MapName, np.ndarray], segmentation: np.ndarray, other: np.ndarray
    ) -> np.ndarray:
        """P(the label in ``segmentation`` is wrong), float32 (z, y, x), 0 .. 1.

        ``maps`` holds :attr:`required_maps` and the label maps lie on the same grid, z the slices;
        ``other`` is the other opinion: the 2D stage's labels, or the dissenting member's.
        Raises :class:`ModelError` if a map is missing.
        """
        features, categories = case_features(maps, segmentation, other, self.classes, self.features)
        return self.predict_features(features, categories)

    def predict_features(
        self, features: Mapping[Feature, np.ndarray], categories: Mapping[Category, np.ndarray]
    ) -> np.ndarray:
        """P(wrong), float32, of features of any common shape."""
        logit = self.intercept + sum(term.contribution(features, categories) for term in self.terms)
        return expit(logit).astype(np.float32)

    def to_manifest(self) -> dict[str, Any]:
        """Plain numbers for ``manifest.calibration["error_probability"]``."""
        return {
            "kind": KIND,
            "classes": self.classes,
            "intercept": round(self.intercept, 6),
            "terms": [
                {
                    "feature": term.feature and term.feature.value,
                    "by": term.by and term.by.value,
                    "knots": np.round(term.knots, 6).tolist(),
                    "values": np.round(term.values, 6).tolist(),
                }
                for term in self.terms
            ],
        }

    @classmethod
    def from_manifest(cls, stored: Mapping[str, Any]) -> ErrorProbability:
        """Inverse of :meth:`to_manifest`; raises :class:`ModelError` for anything it did not write."""
        if stored.get("kind") != KIND:
            raise ModelError(f"calibration: kind {stored.get('kind')!r} is unknown; expected {KIND!r}")
        try:
            terms = tuple(_read_term(term) for term in stored["terms"])
            return cls(int(stored["classes"]), float(stored["intercept"]), terms)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"calibration: the stored model is damaged ({error}); fit it anew") from None


def _read_term(stored: Mapping[str, Any]) -> Term:
    feature = None if stored["feature"] is None else Feature(stored["feature"])
    by = None if stored["by"] is None else Category(stored["by"])
    knots = np.asarray(stored["knots"], float)
    values = np.asarray(stored["values"], float)
    if feature is None and by is None:
        raise ValueError("a term has neither feature nor category")
    if values.ndim != 2 or values.shape[1] != max(1, knots.size) or (np.diff(knots) <= 0).any():
        raise ValueError("knots and values of a term do not fit")
    return Term(feature, by, knots, values)


def case_features(
    maps: Mapping[MapName, np.ndarray],
    segmentation: np.ndarray,
    other: np.ndarray,
    classes: int,
    wanted: Iterable[Feature] | None = None,
) -> tuple[dict[Feature, np.ndarray], dict[Category, np.ndarray]]:
    """Features of one case (``wanted``; default: all that ``maps`` allow) and all categories, each
    (z, y, x); categories are integers from 0. ``other`` is the other opinion on every voxel.

    Raises :class:`ModelError` if a map of a wanted feature is missing.
    """
    chosen = available_features(maps) if wanted is None else tuple(wanted)
    missing = sorted({_SOURCE[f].value for f in chosen if f in _SOURCE and _SOURCE[f] not in maps})
    if missing:
        raise ModelError(
            f"calibration: the maps {', '.join(missing)} are missing; the stored model was fitted with them"
        )
    features = {feature: _feature(feature, maps, segmentation) for feature in chosen}
    pair = other.astype(np.intp) * classes + segmentation
    categories = {
        Category.LABEL_PAIR: pair,
        Category.LABEL: segmentation.astype(np.intp),
        Category.END_DISTANCE: np.broadcast_to(end_distance(segmentation)[:, None, None], pair.shape),
    }
    return features, categories


def _feature(feature: Feature, maps: Mapping[MapName, np.ndarray], segmentation: np.ndarray) -> np.ndarray:
    """One feature (z, y, x)."""
    if feature is Feature.BORDER_DISTANCE:
        return border_distance(segmentation)
    values = maps[_SOURCE[feature]]
    if feature in _DOUBT_MAPS:
        return _log(1.0 - values)
    if feature in _AVERAGES:
        sigma = _AVERAGES[feature][1]
        return _log(ndimage.gaussian_filter(values, (0, sigma, sigma), mode="nearest"))
    if feature is Feature.NEXT_SLICES_ENTROPY:
        return _log(_next_slices(values))
    return _log(values)


def border_distance(labels: np.ndarray) -> np.ndarray:
    """In-plane distance in pixels from a voxel of (z, y, x) to the nearest voxel with another label,
    at least 1 and capped at :data:`FARTHEST_PX`, float32."""
    distance = np.full(labels.shape, FARTHEST_PX, np.float32)
    for z, plane in enumerate(labels):
        present = np.unique(plane)
        for value in present if present.size > 1 else ():
            inside = plane == value
            distance[z][inside] = np.asarray(ndimage.distance_transform_edt(inside))[inside]
    return np.minimum(distance, FARTHEST_PX)


def end_distance(labels: np.ndarray) -> np.ndarray:
    """Slices between each slice and the nearer end of the labelled heart (0, 1, 2 and more), 3 beyond it.

    Both ends count alike because files store the base first or last.
    """
    filled = np.flatnonzero(labels.any(axis=(1, 2)))
    levels = np.full(len(labels), END_LEVELS - 1, np.intp)
    if filled.size:
        first, last = filled[0], filled[-1]
        z = np.arange(first, last + 1)
        levels[first : last + 1] = np.minimum(np.minimum(z - first, last - z), END_LEVELS - 2)
    return levels


def _log(values: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(values, 0.0) + FLOOR)


def _next_slices(values: np.ndarray) -> np.ndarray:
    """Mean of the slices above and below; at the ends the one there is, of a single slice itself."""
    if len(values) == 1:
        return values
    above = np.concatenate([values[1:], values[-2:-1]])
    below = np.concatenate([values[1:2], values[:-1]])
    return 0.5 * (above + below)
