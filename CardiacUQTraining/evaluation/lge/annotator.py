"""Does the Discrete Correction Map save a reader time? A simulated annotator walks through the regions.

Each visited component of the DCM is replaced by the truth inside it, dilated by two voxels in the plane,
as a reader would correct a region and its rim. Measured after every visit: mean Dice and the residual
error of the scar volume (infarct + MVO). Compared are orders of visiting, and reading whole slices.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.images.volume import Geometry
from CardiacUQLib.inference.components import Corrections, find_components
from CardiacUQLib.inference.maps import discrete_correction_map

from ..shared.cases import CaseArrays
from ..shared.dice import mean_foreground_dice
from ..shared.statistics import Summary, paired_wilcoxon, summarise

DILATION_VOXELS = 2
SHOWN_VISITS = 10
FIRST_VISITS = 3
RANDOM_ORDERS = 10
SCAR = (3, 4)


class Order(enum.StrEnum):
    """What comes first."""

    SCS_VOLUME = "mean SCS x volume"
    ERROR_PROBABILITY = "expected wrong voxels"
    SIZE = "size"
    EXPECTED_GAIN = "places by expected gain"
    RANDOM = "random"
    SLICES = "whole slices by mean uncertainty"


@dataclass(frozen=True)
class Walk:
    """One case in one order: mean Dice and scar error (ml) after 0, 1, 2 ... :data:`SHOWN_VISITS` visits,
    and the share of all voxels of the window that were looked at."""

    dice: np.ndarray
    scar_error_ml: np.ndarray
    looked_at: np.ndarray


def walks(
    arrays: CaseArrays,
    error_probability: np.ndarray | None,
    classes: int,
    seed: int = 0,
    looks: Sequence[np.ndarray] = (),
) -> dict[Order, Walk]:
    """All orders over one case. By error probability only where there is one; the slices go by it too,
    else by SCS. ``looks`` are the zones of the places worth a look, best first."""
    spacing = arrays.spacing_xyz
    geometry = Geometry(arrays.truth.shape[::-1], spacing, (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    scs = arrays.maps[MapName.SCS]
    dcm = discrete_correction_map(arrays.stage2d, arrays.segmentation, classes)
    found = find_components(dcm, scs, geometry, classes)
    zones = component_zones(found)
    numbers = np.arange(len(zones))
    keys: dict[Order, np.ndarray] = {
        Order.SCS_VOLUME: np.array([c.mean_scs * c.volume_mm3 for c in found.components]),
        Order.SIZE: np.array([c.voxels for c in found.components], float),
    }
    if error_probability is not None:
        keys[Order.ERROR_PROBABILITY] = np.array([error_probability[zone].sum() for zone in zones])
    result = {
        order: walk(arrays, [zones[n] for n in numbers[np.argsort(-key, kind="stable")]], classes)
        for order, key in keys.items()
    }
    if looks:
        result[Order.EXPECTED_GAIN] = walk(arrays, looks, classes)
    rng = np.random.default_rng(seed)
    result[Order.RANDOM] = _mean(
        [walk(arrays, [zones[n] for n in rng.permutation(numbers)], classes) for _ in range(RANDOM_ORDERS)]
    )
    doubt = scs if error_probability is None else error_probability
    slices = np.argsort(-doubt.mean(axis=(1, 2)), kind="stable")
    result[Order.SLICES] = walk(arrays, [_slice(arrays.truth.shape, z) for z in slices], classes)
    return {order: result[order] for order in Order if order in result}


def component_zones(found: Corrections) -> list[np.ndarray]:
    """The voxels (boolean masks) that a visit to each component corrects: it and its rim in the plane."""
    around = np.zeros((3, 3, 3), bool)
    around[1] = ndimage.generate_binary_structure(2, 1)
    return [
        ndimage.binary_dilation(found.component_ids == component.id, around, iterations=DILATION_VOXELS)
        for component in found.components
    ]


def walk(arrays: CaseArrays, zones: Sequence[np.ndarray], classes: int) -> Walk:
    """Visit ``zones`` in their order; where there are fewer than shown, the last state goes on."""
    current = arrays.segmentation.copy()
    seen = np.zeros(current.shape, bool)
    voxel_ml = float(np.prod(arrays.spacing_xyz)) / 1000.0
    true_scar = np.isin(arrays.truth, SCAR).sum()
    states = []
    for visit in range(SHOWN_VISITS + 1):
        if 0 < visit <= len(zones):
            zone = zones[visit - 1]
            current[zone] = arrays.truth[zone]
            seen |= zone
        error = abs(int(np.isin(current, SCAR).sum()) - int(true_scar)) * voxel_ml
        states.append((mean_foreground_dice(current, arrays.truth, classes), error, seen.mean()))
    return Walk(*(np.array(column) for column in zip(*states, strict=True)))


def _slice(shape: tuple[int, ...], z: int) -> np.ndarray:
    zone = np.zeros(shape, bool)
    zone[z] = True
    return zone


def _mean(several: Sequence[Walk]) -> Walk:
    return Walk(
        *(
            np.mean([getattr(w, name) for w in several], axis=0)
            for name in ("dice", "scar_error_ml", "looked_at")
        )
    )


@dataclass(frozen=True)
class OrderSummary:
    """One order over all cases: mean curves by visit, gains of the first visits per patient."""

    order: Order
    dice: np.ndarray
    scar_error_ml: np.ndarray
    looked_at: np.ndarray
    dice_gain: Summary
    scar_error_drop_ml: Summary
    p_against_random: float
    p_against_scs: float


def summarise_walks(by_case: Mapping[str, Mapping[Order, Walk]]) -> list[OrderSummary]:
    """Mean over the cases of every order, with the gain of the first three visits tested against random."""
    gain = _gains(by_case, lambda w: w.dice[FIRST_VISITS] - w.dice[0])
    drop = _gains(by_case, lambda w: w.scar_error_ml[0] - w.scar_error_ml[FIRST_VISITS])
    found = []
    for order in gain:
        members = [case[order] for case in by_case.values()]
        dice, scar, looked = (
            np.mean([getattr(w, n) for w in members], axis=0) for n in ("dice", "scar_error_ml", "looked_at")
        )
        tests = (paired_wilcoxon(gain[order], gain[other]) for other in (Order.RANDOM, Order.SCS_VOLUME))
        gained, dropped = summarise(gain[order]), summarise(drop[order])
        found.append(OrderSummary(order, dice, scar, looked, gained, dropped, *tests))
    return found


def _gains(
    by_case: Mapping[str, Mapping[Order, Walk]], measure: Callable[[Walk], float]
) -> dict[Order, np.ndarray]:
    orders = [order for order in Order if by_case and all(order in case for case in by_case.values())]
    return {order: np.array([measure(case[order]) for case in by_case.values()]) for order in orders}


def best_order(summaries: Sequence[OrderSummary]) -> Order:
    """The order of components (slices cost more to read) with the highest Dice after the first visits."""
    components = [s for s in summaries if s.order is not Order.SLICES]
    return max(components, key=lambda s: s.dice_gain.mean).order
