"""Where to look first: a few places that one look can judge, the most rewarding first, and where to stop.

A place is a disc of 15 mm in one slice. It is worth what correcting it is expected to bring: the gain in
mean Dice. A wrong voxel of label a that should be b costs about 1 / 2 V_a + 1 / V_b of their Dice (V are
volumes in voxels; to first order), so it is worth P(wrong) times that, shared by the number of classes. A
lesion that is not drawn but may be there, or is drawn and may not be, is worth P(the other) on top, spread
over its plausible or drawn voxels. Places are taken greedily from the map of these worths.

What is plausible but drawn by no final stage becomes a proposal with an outline of its own: the place of
highest lesion probability and all that hangs together with it down to a share of that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..base.arg_max import arg_max
from ..base.regions import connected
from ..bundles.classes import LESIONS
from ..bundles.manifest import ClassInfo
from .look import LEAST_GAIN, RADIUS_MM, LookKind
from .presence import class_values

MOST_LOOKS = 12
OFFERED_FROM, OUTLINE_SHARE = 0.15, 0.3
"""Probability from which a lesion that is not drawn is proposed; share of its peak that bounds it."""
SMALL_LESION_VOXELS = {"MVO": 100, "infarct": 300}
"""About the smallest lesions that readers draw, in voxels of 1.5 mm: no volume below counts as smaller."""
SMALLEST_STRUCTURE = 300
FALSE_LESION_ML = 5.0
"""Above this a drawn lesion is not there by mistake, only in part."""


@dataclass(frozen=True)
class Description:
    """What is said about a place, as in :class:`Look`."""

    kind: LookKind
    text: str
    scar_ml: float
    label: int | None = None
    probability: float | None = None
    was: int | None = None
    became: int | None = None


@dataclass(frozen=True)
class Material:
    """What places are found from, all in the pixels of the networks, (z, y, x) or (C, z, y, x).

    ``mean`` is the mean softmax of both opinions, ``labels`` the final ones, ``opinion`` the overruled ones,
    ``wrong`` P(wrong); ``presence`` is P(lesion) by name.
    """

    mean: np.ndarray
    labels: np.ndarray
    opinion: np.ndarray
    wrong: np.ndarray
    presence: Mapping[str, float]
    classes: Sequence[ClassInfo]
    pixel_mm: float
    voxel_ml: float

    @property
    def lesions(self) -> dict[str, list[int]]:
        """Label values by lesion whose presence is known."""
        values = class_values(self.classes)
        return {name: [values[part] for part in LESIONS[name]] for name in self.presence}


@dataclass(frozen=True)
class Place:
    """A disc in pixels of the networks: slice, centre row and column, expected gain."""

    slice: int
    row: int
    column: int
    gain: float


def proposals(material: Material) -> dict[str, np.ndarray]:
    """Outlines (z, y, x), bool, of lesions that are not drawn but may well be there, by name.

    Of a lesion within another one only the outer is proposed if neither is drawn.
    """
    found: dict[str, np.ndarray] = {}
    for name, values in material.lesions.items():
        if material.presence[name] < OFFERED_FROM or np.isin(material.labels, values).any():
            continue
        if any(name in LESIONS[outer] for outer in found):
            continue
        p = ndimage.gaussian_filter(material.mean[values].sum(axis=0), (0, 1, 1))
        parts, _ = connected(p >= OUTLINE_SHARE * p.max(), np.ones((3, 3, 3)))
        found[name] = parts == parts[np.unravel_index(p.argmax(), p.shape)]
    return found


def worth(material: Material, offered: Mapping[str, np.ndarray]) -> np.ndarray:
    """Expected gain in mean Dice of every voxel that is set right, float64 (z, y, x)."""
    counted = len(material.classes) - 1
    floors = np.full(len(material.classes), float(SMALLEST_STRUCTURE))
    for info in material.classes:
        floors[info.value] = SMALL_LESION_VOXELS.get(info.name, SMALLEST_STRUCTURE)
    sizes = np.maximum(np.bincount(material.labels.ravel(), minlength=len(floors)), floors)
    cost = 1.0 / sizes
    cost[0] = 0.0
    second = material.mean.copy()
    np.put_along_axis(second, material.labels[None].astype(np.intp), -1.0, axis=0)
    gain = material.wrong * (0.5 * cost[material.labels] + cost[arg_max(second)]) / counted
    for name, values in material.lesions.items():
        p, drawn = material.presence[name], np.isin(material.labels, values)
        if name in offered:
            chance = material.mean[values].sum(axis=0) * offered[name]
            gain = gain + 0.5 * p / counted * chance / max(float(chance.sum()), 1e-9)
        elif drawn.any() and drawn.sum() * material.voxel_ml < FALSE_LESION_ML:
            gain = gain + (1.0 - p) / counted * drawn / drawn.sum()
    return gain


def places(
    gain: np.ndarray, pixel_mm: float, least: float = LEAST_GAIN, most: int = MOST_LOOKS
) -> list[Place]:
    """The most rewarding discs, each after what the ones before it have taken away."""
    left, disc = gain.copy(), disc_of(pixel_mm)[None].astype(float)
    radius = disc.shape[1] // 2
    total = ndimage.convolve(left, disc, mode="constant")
    found: list[Place] = []
    while len(found) < most:
        z, row, column = (int(i) for i in np.unravel_index(total.argmax(), total.shape))
        if total[z, row, column] < least:
            break
        found.append(Place(z, row, column, float(total[z, row, column])))
        left[z][disc_at(left.shape[1:], row, column, radius)] = 0.0
        total[z] = ndimage.convolve(left[z], disc[0], mode="constant")
    return found


def disc_of(pixel_mm: float) -> np.ndarray:
    """A disc of :data:`RADIUS_MM`, bool, of odd side."""
    radius = max(1, round(RADIUS_MM / pixel_mm))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.hypot(y, x) <= radius + 0.3


def disc_at(shape: tuple[int, ...], row: int, column: int, radius: int) -> np.ndarray:
    """The disc about a pixel as a mask of a slice."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.hypot(y - row, x - column) <= radius + 0.3


def describe(
    material: Material, place: Place, offered: Mapping[str, np.ndarray], opinions: tuple[str, str]
) -> Description:
    """Kind, words and labels of a place among the ``offered`` outlines of :func:`proposals`."""
    radius = disc_of(material.pixel_mm).shape[0] // 2
    disc = disc_at(material.labels.shape[1:], place.row, place.column, radius)
    labels, opinion = material.labels[place.slice][disc], material.opinion[place.slice][disc]
    wrong, mean = material.wrong[place.slice][disc], material.mean[:, place.slice][:, disc]
    names = {info.value: info.name for info in material.classes}
    scar = [value for name, value in class_values(material.classes).items() if name in LESIONS]
    is_scar = np.isin(labels, scar)
    at_stake = float(np.where(is_scar, wrong, wrong * mean[scar].sum(axis=0)).sum() * material.voxel_ml)
    for lesion, outline in offered.items():
        if outline[place.slice][disc].any():
            volume = outline.sum() * material.voxel_ml
            chance = material.presence[lesion]
            text = f"possible {lesion}, {volume:.1f} ml, probability {chance:.2f}"
            label = class_values(material.classes)[lesion]
            return Description(LookKind.SECOND_LOOK, text, at_stake, label, chance)
    gain = worth(material, offered)[place.slice][disc]
    for lesion, values in material.lesions.items():
        drawn = np.isin(labels, values)
        whole = np.isin(material.labels, values).sum()
        if lesion not in offered and drawn.any() and whole * material.voxel_ml < FALSE_LESION_ML:
            chance = material.presence[lesion]
            if (1.0 - chance) / (len(names) - 1) * drawn.sum() / whole > 0.5 * gain.sum():
                text, drawn_as = (
                    f"{lesion}, probability {chance:.2f}?",
                    class_values(material.classes)[lesion],
                )
                return Description(LookKind.DOUBT, text, at_stake, None, chance, became=drawn_as)
    second = mean.copy()
    second[labels, np.arange(labels.size)] = -1.0
    other = np.where(opinion != labels, opinion, arg_max(second))
    pairs = np.bincount(labels.astype(int) * len(names) + other, weights=gain)
    became, was = (int(value) for value in divmod(int(pairs.argmax()), len(names)))
    label, instead = names[became], names[was]
    chosen = (labels.astype(int) * len(names) + other) == pairs.argmax()
    if (opinion != labels)[chosen].mean() >= 0.5:
        text = f"{opinions[0]} said {instead}, {opinions[1]} says {label}"
        return Description(LookKind.CORRECTION, text, at_stake, was=was, became=became)
    return Description(LookKind.DOUBT, f"{label}, or rather {instead}?", at_stake, became=became)
