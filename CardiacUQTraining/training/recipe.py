"""Training recipes: every number of a training, read from YAML and checked before work starts."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.manifest import BundleKind, CascadeInput, RoiSpec
from CardiacUQLib.networks.spec import Architecture

Probability = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
Side = Annotated[int, Field(gt=0, le=1024)]
"""Pixels along a side that a processor can hold."""


class _Strict(BaseModel):
    """A misspelt key is an error, not a silently ignored wish."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class OptimiserName(enum.StrEnum):
    """Optimisers that a stage may ask for."""

    SGD = "sgd"
    ADAMW = "adamw"
    RMSPROP = "rmsprop"


class ScheduleName(enum.StrEnum):
    """Learning-rate curves over the steps of a stage."""

    POLYNOMIAL = "polynomial"
    ONE_CYCLE = "one_cycle"
    WARMUP_COSINE = "warmup_cosine"


class OptimiserRecipe(_Strict):
    """Optimiser, its rate and its curve; ``gradient_clip`` bounds the total gradient norm."""

    name: OptimiserName
    learning_rate: PositiveFloat
    weight_decay: Weight = 0.0
    momentum: float = 0.9
    schedule: ScheduleName
    warmup_share: float = Field(0.1, ge=0, lt=1)
    gradient_clip: PositiveFloat = 12.0


class LossRecipe(_Strict):
    """Weights of the loss terms; ``deep_supervision`` weighs the finest outputs, full size first."""

    dice: Weight = 1.0
    cross_entropy: Weight = 0.0
    focal: Weight = 0.0
    focal_alpha: float = 0.1
    focal_gamma: float = 2.0
    dice_over_batch: bool = True
    dice_class_weights: tuple[Weight, ...] | None = None
    include_background: bool = False
    deep_supervision: tuple[Weight, ...] = (1.0, 0.5, 0.25)


class AugmentationRecipe(_Strict):
    """Random changes of one sample, each with its probability and its range.

    ``reverse_p`` turns the order of a frame's slices round, for networks that see their neighbours: not
    every scanner stacks from apex to base.
    """

    flips: bool = True
    rotation_p: Probability = 0.2
    rotation_deg: float = 20.0
    quarter_turns: bool = False
    scale_p: Probability = 0.2
    scale: tuple[float, float] = (0.85, 1.2)
    shift_px: float = 5.0
    elastic_p: Probability = 0.1
    elastic_px: float = 3.0
    elastic_grid: PositiveInt = 6
    gamma_p: Probability = 0.2
    gamma: tuple[float, float] = (0.7, 1.5)
    contrast_p: Probability = 0.15
    contrast: tuple[float, float] = (0.7, 1.3)
    blur_p: Probability = 0.1
    blur_sigma_px: tuple[float, float] = (0.5, 1.2)
    low_resolution_p: Probability = 0.1
    low_resolution: tuple[float, float] = (0.5, 1.0)
    noise_p: Probability = 0.15
    noise_sd: tuple[float, float] = (0.0, 0.15)
    bias_p: Probability = 0.0
    bias: float = 0.3
    slice_shift_px: float = 0.0
    reverse_p: Probability = 0.0


class PerturbationRecipe(_Strict):
    """Synthetic errors in the masks that the 3D network is given (training only).

    One of the perturbations is drawn per volume; what is left to 1 leaves the masks alone.
    Source: the reference implementation of Schwab et al., MedIA 2025, as collected for this project.
    """

    after_epoch: int = Field(100, ge=0)
    delete_class: Probability = 0.10
    delete_infarct_share: Probability = 0.40
    empty_slices: Probability = 0.05
    empty_all: Probability = 0.10
    false_scar: Probability = 0.10
    scatter_mvo: Probability = 0.02

    @model_validator(mode="after")
    def _one_of(self) -> PerturbationRecipe:
        shares = (self.delete_class, self.empty_slices, self.empty_all, self.false_scar, self.scatter_mvo)
        if sum(shares) > 1:
            raise ValueError(f"the shares of the perturbations add up to {sum(shares):g}, more than 1")
        return self


class NetworkRecipe(_Strict):
    """Architecture and width of the networks of one stage."""

    architecture: Architecture
    filters: tuple[PositiveInt, ...]
    dropout: Probability = 0.1


class TrainingRecipe(_Strict):
    """How one stage is trained: its length, batches, loss and augmentation.

    ``ema`` averages the weights over about 1 / (1 - ema) steps (0 = off). ``keep`` chooses between
    the weights of the best validation Dice and the last ones. ``oversample`` adds to the weight 1 with
    which a sample is drawn for every class it shows: {4: 2.0} draws samples with MVO three times as
    often. ``full_precision`` computes in float32 whatever the recipe's precision says; without it
    "bf16-mixed" holds where the hardware gains by it (NVIDIA from Ampere on, a processor with AMX).
    """

    epochs: PositiveInt
    batch: PositiveInt
    optimiser: OptimiserRecipe
    loss: LossRecipe = LossRecipe()
    augmentation: AugmentationRecipe = AugmentationRecipe()
    ema: float = Field(0.0, ge=0, lt=1)
    keep: Literal["best", "last"] = "best"
    validate_every: PositiveInt = 10
    patch_slices: PositiveInt = 7
    perturbation: PerturbationRecipe | None = None
    phantom_share: Probability = 0.0
    oversample: dict[int, Weight] = Field(default_factory=dict)
    full_precision: bool = False


class StageRecipe(TrainingRecipe):
    """A training stage of one network per fold."""

    network: NetworkRecipe


class CropCentre(enum.StrEnum):
    """Where a training crop is placed: at the middle of the image, or of its labels."""

    IMAGE = "image"
    LABELS = "labels"


class RoiRecipe(_Strict):
    """The square the networks see; see :class:`CardiacUQLib.bundles.manifest.RoiSpec`.

    ``inference_size_px`` goes into the bundle where networks that learned from small crops, placed
    at random, do better with more around the heart.
    """

    size_px: Side = 96
    inference_size_px: Side | None = None
    spacing_mm: PositiveFloat | None = None
    locator_size_px: Side | None = None
    locator_spacing_mm: PositiveFloat | None = None

    def spec(self) -> RoiSpec:
        """The region of a bundle."""
        side = self.inference_size_px or self.size_px
        return RoiSpec(side, self.spacing_mm, self.locator_spacing_mm, self.locator_size_px)

    def while_learning(self, stage: str) -> tuple[float | None, ...]:
        """What the networks of a stage see while they learn; what inference shows them may change."""
        if stage == "locator":
            return self.locator_size_px, self.locator_spacing_mm
        return self.size_px, self.spacing_mm


class CascadeRecipe(_Strict):
    """Recipe of the 2D-3D cascade: the 2D stage, the 3D stage, an optional locator.

    ``inflate`` starts the 3D network from the 2D network's weights, see :mod:`.inflation`.
    ``context_slices`` is how many slices on each side of its own the 2D network sees, see
    :mod:`CardiacUQLib.inference.slice_context`; the paper's sees none. ``crop_centre`` is where the crops of
    both networks lie in training: around the labelled heart they lie as a locator places them at inference,
    and may be smaller.
    """

    kind: Literal[BundleKind.CASCADE]
    title: str
    seed: int = Field(20, ge=0, lt=2**32)
    folds: PositiveInt = 5
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    roi: RoiRecipe = RoiRecipe()
    cascade_input: CascadeInput = CascadeInput.ONE_HOT
    inflate: bool = False
    context_slices: int = Field(0, ge=0, le=3)
    crop_centre: CropCentre = CropCentre.IMAGE
    phantoms: int = Field(0, ge=0, le=10_000)
    locator: StageRecipe | None = None
    stage2d: StageRecipe
    stage3d: StageRecipe

    @model_validator(mode="after")
    def _networks_fit(self) -> CascadeRecipe:
        for name, stage in self.stages().items():
            side = self.roi.locator_size_px if name == "locator" else self.roi.size_px
            multiple = 2 ** (len(stage.network.filters) - 1)
            if side is not None and side % multiple:
                raise ValueError(f"{name} needs a square of a multiple of {multiple} px, not {side}")
        return self

    def stages(self) -> dict[str, StageRecipe]:
        """Stages by network name, in the order in which they are trained."""
        stages = {"stage2d": self.stage2d, "stage3d": self.stage3d, "locator": self.locator}
        return {name: stage for name, stage in stages.items() if stage is not None}

    def decisive(self, stage: str) -> tuple[object, ...]:
        """What makes a stage the one it is, to compare recipes by: its own part and what it shares."""
        shared = {
            "locator": (),
            "stage2d": (self.crop_centre, self.context_slices),
            "stage3d": (self.crop_centre, self.context_slices, self.cascade_input),
        }[stage]
        return (self.stages().get(stage), self.roi.while_learning(stage), *shared)


class StreamingVariant(enum.StrEnum):
    """Published ways to make an ensemble of 2D networks for cine (Streaming, section 3.2).

    UNCERTAINTY and FIXED train all members jointly through one loss; STACKING trains different
    networks apart, BAGGING the same network on resampled cases, AUGMENTING one network whose test
    images are augmented.
    """

    UNCERTAINTY = "uncertainty"
    FIXED = "fixed"
    STACKING = "stacking"
    BAGGING = "bagging"
    AUGMENTING = "augmenting"

    @property
    def joint(self) -> bool:
        """Whether one loss trains all members together."""
        return self in (StreamingVariant.UNCERTAINTY, StreamingVariant.FIXED)


class StreamingRecipe(_Strict):
    """Recipe of a cine ensemble; ``weights`` are those of members with a fixed share (else equal).

    ``final_softmax`` trains through the final softmax of eq. (3); without it the loss sees the
    weighted sum of the members' probabilities, whose arg max is the same. ``context_slices`` is how many
    slices on each side of its own a member sees, see ``inference.slice_context``; the paper's see none.
    ``sharpness`` multiplies sigma in the uncertainty weights of eq. (3); 1 as published.
    """

    kind: Literal[BundleKind.STREAMING]
    title: str
    seed: int = Field(20, ge=0, lt=2**32)
    folds: PositiveInt = 5
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    roi: RoiRecipe = RoiRecipe()
    variant: StreamingVariant = StreamingVariant.UNCERTAINTY
    members: tuple[NetworkRecipe, ...] = Field(min_length=1)
    weights: tuple[PositiveFloat, ...] | None = None
    sharpness: PositiveFloat = 1.0
    final_softmax: bool = True
    context_slices: int = Field(0, ge=0, le=3)
    locator: StageRecipe | None = None
    training: TrainingRecipe

    @model_validator(mode="after")
    def _members_fit(self) -> StreamingRecipe:
        if self.weights is not None and len(self.weights) != len(self.members):
            raise ValueError(f"{len(self.weights)} weights for {len(self.members)} members")
        if self.variant is StreamingVariant.AUGMENTING and len(self.members) != 1:
            raise ValueError("augmenting is a single network; list one member")
        if self.sharpness != 1 and self.variant is not StreamingVariant.UNCERTAINTY:
            raise ValueError(f"sharpness belongs to the variant uncertainty, not to {self.variant.value}")
        return self

    def stages(self) -> dict[str, TrainingRecipe]:
        """Stages in the order in which they are trained: the locator, then "ensemble" or each member."""
        stages: dict[str, TrainingRecipe] = {} if self.locator is None else {"locator": self.locator}
        names = ["ensemble"] if self.variant.joint else [f"member{n}" for n in range(len(self.members))]
        return stages | dict.fromkeys(names, self.training)

    def decisive(self, stage: str) -> tuple[object, ...]:
        """What makes a stage the one it is, to compare recipes by: its own part and what it shares."""
        rule = (self.variant, self.weights, self.sharpness, self.final_softmax)
        ensemble = (*rule, self.members, self.context_slices)
        shared = () if stage == "locator" else ensemble
        return (self.stages().get(stage), self.roi.while_learning(stage), *shared)


Recipe = Annotated[CascadeRecipe | StreamingRecipe, Field(discriminator="kind")]
RECIPE = TypeAdapter(Recipe)


def read_recipe(name_or_file: str | Path, course: int = 1) -> CascadeRecipe | StreamingRecipe:
    """The recipe of a YAML file, or of that name among the shipped ones.

    A file may hold further courses of the same training under ``courses``: what each changes of the one
    before it. ``course`` counts from 1, the recipe itself. Raises :class:`UsageError` naming the file and the
    first thing that is wrong with it.
    """
    path = Path(name_or_file)
    if not path.suffix:
        path = Path(__file__).parent / "recipes" / f"{name_or_file}.yaml"
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        shipped = ", ".join(sorted(p.stem for p in (Path(__file__).parent / "recipes").glob("*.yaml")))
        raise UsageError(f"{path}: no such recipe; shipped recipes are {shipped}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: not a readable YAML file ({str(error).splitlines()[0]})") from error
    if not isinstance(values, dict):
        raise UsageError(
            f"{path}: a recipe is a YAML mapping that begins with `kind: cascade` or `kind: streaming`"
        )
    later = values.pop("courses", [])
    if not isinstance(later, list) or not all(isinstance(change, dict) for change in later):
        raise UsageError(
            f"{path}: courses: a list of mappings, what each course changes of the one before it"
        )
    if not 1 <= course <= len(later) + 1:
        raise UsageError(
            f"{path}: there is no course {course}; this recipe has the courses 1 to {len(later) + 1}"
        )
    for change in later[: course - 1]:
        values = _merged(values, change)
    try:
        return RECIPE.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"][1:])) or "top level"
        raise UsageError(f"{path}: {where}: {first['msg']}") from None


def changed(recipe: Recipe, change: dict[str, Any]) -> CascadeRecipe | StreamingRecipe:
    """The recipe with the values of ``change`` in their places, checked anew."""
    return RECIPE.validate_python(_merged(recipe.model_dump(mode="json"), change))


def unaugmented(recipe: Recipe) -> CascadeRecipe | StreamingRecipe:
    """The recipe without any augmentation, for a first look at whether a training works at all."""
    none: dict[str, Any] = {name: 0.0 for name in AugmentationRecipe.model_fields if name.endswith("_p")}
    still = {
        "augmentation": none | {"flips": False, "quarter_turns": False, "shift_px": 0, "slice_shift_px": 0}
    }
    parts = [name for name in ("stage2d", "stage3d", "locator", "training") if getattr(recipe, name, None)]
    return changed(recipe, dict.fromkeys(parts, still))


def _merged(values: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """``values`` with those of ``change`` in their place, mappings entry by entry."""
    result = dict(values)
    for key, new in change.items():
        old = result.get(key)
        result[key] = _merged(old, new) if isinstance(old, dict) and isinstance(new, dict) else new
    return result
