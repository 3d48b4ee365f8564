"""Segmenting a stack without its empty slices, and without labels where there is no image.

An empty slice between others would cut a heart in two and spoil what networks see of its neighbours: the
networks get the slices that hold an image, one after the other, and the results go back to their places.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ..bundles.map_catalogue import MapName
from ..images.volume import Geometry, Volume, vector3
from ..uncertainty.look import Look
from .components import find_components
from .found import Findings
from .maps import discrete_correction_map


def filled_slices(volume: Volume) -> np.ndarray:
    """Numbers of the slices that hold an image."""
    if volume.no_image is None:
        return np.arange(volume.array.shape[0])
    return np.flatnonzero(~volume.no_image.all(axis=(1, 2)))


def without_empty_slices(volume: Volume, filled: np.ndarray) -> Volume:
    """The volume with the ``filled`` slices alone; its spacing stays, its place is that of the first."""
    if len(filled) == volume.array.shape[0] or volume.no_image is None:
        return volume
    old = volume.geometry
    origin = old.index_to_lps @ np.array([0.0, 0.0, float(filled[0]), 1.0])
    size = (old.size[0], old.size[1], len(filled))
    geometry = Geometry(size, old.spacing, vector3(origin[:3]), old.direction)
    return dataclasses.replace(
        volume,
        array=np.ascontiguousarray(volume.array[filled]),
        no_image=np.ascontiguousarray(volume.no_image[filled]),
        geometry=geometry,
    )


def back_in_place(findings: Findings, volume: Volume, filled: np.ndarray, classes: int) -> Findings:
    """Findings on all slices of ``volume``: no label, and nothing to doubt, where there is no image."""
    if volume.no_image is None:
        return findings
    shape = volume.array.shape

    def whole(array: np.ndarray, outside: float) -> np.ndarray:
        placed = np.full(shape, outside, array.dtype)
        placed[filled] = array
        placed[volume.no_image] = outside
        return placed

    segmentation, opinion = whole(findings.segmentation, 0), whole(findings.opinion, 0)
    maps = {name: whole(array, float(name.info.falling)) for name, array in findings.maps.items()}
    dcm = discrete_correction_map(opinion, segmentation, classes)
    return dataclasses.replace(
        findings,
        segmentation=segmentation,
        opinion=opinion,
        maps=maps,
        looks=tuple(_moved(look, volume.geometry, filled) for look in findings.looks),
        proposals=whole(findings.proposals, 0),
        band_maps={name: whole(array, 0) for name, array in findings.band_maps.items()},
        corrections=find_components(dcm, maps[MapName.SCS], volume.geometry, classes),
    )


def _moved(look: Look, geometry: Geometry, filled: np.ndarray) -> Look:
    """A place counted among the filled slices, where it lies among all."""
    number = int(filled[look.slice])
    jump = number - int(filled[0]) - look.slice
    step = geometry.index_to_ras(np.array([0.0, 0.0, 1.0])) - geometry.index_to_ras(np.zeros(3))
    position = vector3(np.round(np.array(look.centre_ras) + jump * step, 2))
    return dataclasses.replace(look, slice=number, centre_ras=position)
