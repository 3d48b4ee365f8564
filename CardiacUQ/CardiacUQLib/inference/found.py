"""What either method finds: in the pixels of the networks, and back on the grid of the volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..bundles.map_catalogue import MapName
from ..uncertainty.assessment import Assessment
from ..uncertainty.bands import Band
from ..uncertainty.look import Look
from .components import Corrections
from .ensemble import StreamingPass
from .passes import Arithmetic, CascadePass
from .roi import Roi

Passes = tuple[CascadePass, ...] | tuple[StreamingPass, ...]


@dataclass(frozen=True)
class Region:
    """Everything found in the pixels of the networks.

    ``final`` is the mean softmax (C, z, size, size) of the final prediction, ``opinions`` (M, C, z, size,
    size) that of those it overrules: the 2D stage of a cascade, the members of an ensemble. ``labels`` are
    what the bundle decides on, ``undecided`` the mere arg max, ``opinion`` what the overruled say, all uint8
    (z, size, size) like the float32 ``maps``. ``passes`` and the Monte Carlo dropout ``samples``, softmax on
    the device of the networks, are empty unless they were asked for.
    """

    roi: Roi
    final: np.ndarray
    opinions: np.ndarray
    labels: np.ndarray
    undecided: np.ndarray
    opinion: np.ndarray
    maps: Mapping[MapName, np.ndarray]
    passes: Passes = ()
    samples: tuple[CascadePass, ...] = ()

    @property
    def both(self) -> np.ndarray:
        """Mean softmax (C, z, size, size) of both opinions, the final one and those that it overrules."""
        return 0.5 * (self.final + self.opinions.mean(axis=0))


@dataclass(frozen=True)
class Findings:
    """The same on the grid of the volume, (z, y, x), and how it came about.

    ``opinion`` is the label of the 2D stage, or of the dissenting member. ``pass_volumes_ml`` (passes, C).
    ``evidence`` is what the passes know about the case as a whole, ``assessment`` what is said from it;
    ``looks`` are the places worth a look, ``proposals`` uint8 labels of lesions that are not drawn; ``bands``
    of contours, with their maps by structure.
    """

    region: Region
    segmentation: np.ndarray
    opinion: np.ndarray
    maps: Mapping[MapName, np.ndarray]
    corrections: Corrections
    pass_volumes_ml: np.ndarray
    arithmetic: Arithmetic
    timings: Mapping[str, float]
    warnings: tuple[str, ...]
    evidence: Mapping[str, float]
    assessment: Assessment
    looks: tuple[Look, ...]
    proposals: np.ndarray
    bands: tuple[Band, ...] = ()
    band_maps: Mapping[str, np.ndarray] = field(default_factory=dict)
