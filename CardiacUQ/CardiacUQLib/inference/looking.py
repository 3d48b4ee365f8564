"""Places worth a look, from the pixels of the networks to the grid of the volume."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..bundles.map_catalogue import MapName
from ..images.volume import vector3
from ..uncertainty.look import RADIUS_MM, Look
from ..uncertainty.looks import Material, describe, places, proposals, worth
from ..uncertainty.presence import class_values
from .jobs import Job, roi_voxel_ml
from .roi import Roi


def find_looks(
    job: Job,
    roi: Roi,
    mean: np.ndarray,
    labels: np.ndarray,
    opinion: np.ndarray,
    maps: Mapping[MapName, np.ndarray],
    presence: Mapping[str, float],
) -> tuple[tuple[Look, ...], np.ndarray]:
    """The places, best first, and the proposed labels (z, y, x), uint8, on the grid of the volume, 0 where
    nothing is proposed. None without P(wrong). ``mean`` is the mean softmax of both opinions, all arrays
    but the proposals lie in the pixels of the networks."""
    manifest, geometry = job.source.manifest, job.volume.geometry
    wrong = maps.get(MapName.ERROR_PROBABILITY)
    if wrong is None:
        return (), np.zeros(job.volume.array.shape, np.uint8)
    pixel_mm = geometry.spacing[0] * roi.step[1]
    material = Material(
        mean, labels, opinion, wrong, presence, manifest.classes, pixel_mm, roi_voxel_ml(roi, geometry)
    )
    offered, values = proposals(material), class_values(manifest.classes)
    proposed = np.zeros(labels.shape, np.uint8)
    for lesion, outline in offered.items():
        proposed[outline] = values[lesion]
    found = []
    for number, place in enumerate(places(worth(material, offered), pixel_mm), start=1):
        said = describe(material, place, offered, manifest.kind.opinions)
        row, column = (
            first + step * at
            for first, step, at in zip(roi.first, roi.step, (place.row, place.column), strict=True)
        )
        ras = geometry.index_to_ras(np.array([column, row, place.slice]))
        found.append(
            Look(
                number,
                said.kind,
                place.slice,
                vector3(np.round(ras, 2)),
                RADIUS_MM,
                round(place.gain, 4),
                round(said.scar_ml, 3),
                said.text,
                said.label,
                None if said.probability is None else round(said.probability, 4),
                said.was,
                said.became,
            )
        )
    return tuple(found), roi.restore(proposed, order=0)
