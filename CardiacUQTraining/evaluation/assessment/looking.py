"""Places worth a look in judged cases, for the simulated annotator, and what second looks find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from CardiacUQLib.bundles.manifest import ClassInfo
from CardiacUQLib.uncertainty.look import LEAST_GAIN
from CardiacUQLib.uncertainty.looks import Material, disc_at, disc_of, places, proposals, worth

from ..shared.cases import CaseArrays
from ..shared.material import lesions_of

MOST_VISITS = 12


@dataclass(frozen=True)
class CaseLooks:
    """Zones (z, y, x), bool, of the places of one case by falling worth, and how many of them are listed;
    by lesion whether it is there, drawn, offered, and whether the offer meets it."""

    zones: tuple[np.ndarray, ...]
    listed: int
    present: Mapping[str, bool]
    drawn: Mapping[str, bool]
    offered: Mapping[str, bool]
    met: Mapping[str, bool]


def case_looks(
    arrays: CaseArrays, wrong: np.ndarray, presence: Mapping[str, float], classes: Sequence[ClassInfo]
) -> CaseLooks | None:
    """Places of one case with P(wrong) ``wrong``; None if its softmax was not kept."""
    if arrays.mean is None:
        return None
    pixel_mm, voxel_ml = arrays.spacing_xyz[0], float(np.prod(arrays.spacing_xyz)) / 1000.0
    material = Material(
        arrays.mean, arrays.segmentation, arrays.stage2d, wrong, presence, classes, pixel_mm, voxel_ml
    )
    offered = proposals(material)
    found = places(worth(material, offered), pixel_mm, least=1e-9, most=MOST_VISITS)
    radius = disc_of(pixel_mm).shape[0] // 2
    zones = []
    for place in found:
        zone = np.zeros(arrays.truth.shape, bool)
        zone[place.slice] = disc_at(zone.shape[1:], place.row, place.column, radius)
        zones.append(zone)
    values = {name: parts for name, parts in material.lesions.items() if name in lesions_of(classes)}
    truth = {name: np.isin(arrays.truth, parts) for name, parts in values.items()}
    return CaseLooks(
        tuple(zones),
        sum(place.gain >= LEAST_GAIN for place in found),
        {name: bool(mask.any()) for name, mask in truth.items()},
        {name: bool(np.isin(arrays.segmentation, parts).any()) for name, parts in values.items()},
        {name: name in offered for name in values},
        {name: name in offered and bool((offered[name] & truth[name]).any()) for name in values},
    )
