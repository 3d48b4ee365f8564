"""What a model bundle says about itself: the typed form of ``manifest.json``."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..base.json_codec import Colour
from ..networks.spec import NetworkSpec


class BundleKind(enum.StrEnum):
    """Which of the two methods a bundle holds; a case may also be the comparison of two opinions."""

    CASCADE = "cascade"
    STREAMING = "streaming"
    COMPARISON = "comparison"

    @property
    def opinions(self) -> tuple[str, str]:
        """What a correction goes from and to: a stage or a member is overruled by the final prediction."""
        names = {BundleKind.CASCADE: ("2D", "3D"), BundleKind.STREAMING: ("one member", "ensemble")}
        return names.get(self, ("A", "B"))


class View(enum.StrEnum):
    """One pass of test-time augmentation: the slices as they are, mirrored or turned in their plane."""

    IDENTITY = "identity"
    HORIZONTAL = "horizontal"
    VERTICAL = "vertical"
    LEFT = "turned left"
    RIGHT = "turned right"

    @property
    def axes(self) -> tuple[int, ...]:
        """Array axes to reverse, counted from the end of any (..., y, x) array."""
        return {"horizontal": (-1,), "vertical": (-2,)}.get(self.value, ())

    @property
    def angle_deg(self) -> float:
        """Counter-clockwise turn as seen with x to the right and y downwards."""
        return {"turned left": 20.0, "turned right": -20.0}.get(self.value, 0.0)


MIRRORED = (View.IDENTITY, View.HORIZONTAL, View.VERTICAL)
"""Views for networks that have learned from mirrored slices [paper, cascade]."""
TURNED = (View.IDENTITY, View.LEFT, View.RIGHT)
"""Views for networks that know the heart one way round."""


class CascadeInput(enum.StrEnum):
    """How the 2D stage's infarct and MVO enter the 3D network."""

    ONE_HOT = "one_hot"
    SOFT = "soft"


@dataclass(frozen=True)
class Code:
    """A coded concept as DICOM and Slicer terminologies write it."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class ClassInfo:
    """One label: its value in the maps, its name for people, its colour (#RRGGBB), its code."""

    value: int
    name: str
    colour: Colour
    code: Code


@dataclass(frozen=True)
class RoiSpec:
    """The square the networks look at: ``size_px`` pixels of ``spacing_mm`` in plane.

    ``spacing_mm`` None keeps the image's own pixels. ``locator_spacing_mm`` is the pixel size of the
    coarse pass that finds the heart; None takes the image centre.
    """

    size_px: int
    spacing_mm: float | None
    locator_spacing_mm: float | None = None
    locator_size_px: int | None = None


@dataclass(frozen=True)
class WeightFile:
    """One network's weights: ``network`` is a key of ``Manifest.networks``."""

    network: str
    fold: int
    file: str
    sha256: str


@dataclass(frozen=True)
class StageRule:
    """How the opinions of a cascade's two stages are compared and become one prediction.

    ``outline_share`` is how much the 2D stage has to say about the outlines of cavity and wall where the 3D
    stage sees no lesion; 0 leaves everything to the 3D stage [paper]. ``background_weight`` multiplies the
    probability of the background before all are brought to 1 again; above 1 the heart is drawn smaller.
    ``score_sharpness`` multiplies the logits of both stages where the Soft Correction Score compares them,
    and nowhere else. See :mod:`CardiacUQLib.inference.stages`.
    """

    outline_share: float = 0.0
    background_weight: float = 1.0
    score_sharpness: float = 1.0


@dataclass(frozen=True)
class InsertionFinder:
    """Which other bundle is asked for the right ventricle where the labels of this one know none.

    ``bundle`` is its name, ``folds`` are those of its folds that are run. ``median_deg`` and ``ninety_deg``
    tell how far the anterior insertions found so were off, in half and in nine of ten scans. See
    :mod:`CardiacUQLib.inference.insertion`.
    """

    bundle: str
    folds: tuple[int, ...]
    median_deg: float
    ninety_deg: float


@dataclass(frozen=True)
class Manifest:
    """Everything inference needs to know besides the weights themselves.

    ``networks`` holds "stage2d" and "stage3d" for a cascade, "member0", "member1", ... for
    streaming, and optionally "locator". ``held_out[fold]`` lists the training cases that fold never
    saw, so that cross-validated evaluation can be honest. ``sharpness`` multiplies the logits of a
    cascade's stage before its softmax (1 where it is not named). ``calibration`` holds fitted models by
    name ("error_probability", "intervals") as plain numbers.
    """

    name: str
    version: str
    kind: BundleKind
    title: str
    licence: str
    training_data: str
    classes: tuple[ClassInfo, ...]
    roi: RoiSpec
    networks: Mapping[str, NetworkSpec]
    weights: tuple[WeightFile, ...]
    views: tuple[View, ...] = MIRRORED
    cascade_input: CascadeInput = CascadeInput.ONE_HOT
    combination: str = "uncertainty"
    sharpness: Mapping[str, float] = field(default_factory=dict)
    stage_rule: StageRule = StageRule()
    insertion: InsertionFinder | None = None
    smallest_lesion_ml: Mapping[str, float] = field(default_factory=dict)
    limitations: tuple[str, ...] = ()
    held_out: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folds(self) -> tuple[int, ...]:
        """Fold numbers for which weights are present, ascending."""
        return tuple(sorted({w.fold for w in self.weights}))
