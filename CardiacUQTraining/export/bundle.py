"""From a training run to a bundle that inference can load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.version import __version__
from CardiacUQLib.bundles.bundle import MODEL_CARD, load_bundle, write_manifest, write_weights
from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.bundles.manifest import MIRRORED, TURNED, Manifest, StageRule, View, WeightFile
from CardiacUQLib.inference.passes import STAGE_2D, STAGE_3D

from ..datasets.catalogue import dataset_info
from ..training.input_statistics import INPUT_STATISTICS
from ..training.method import Trainer
from ..training.recipe import RECIPE, CascadeRecipe, StreamingRecipe
from ..training.run import method_of
from ..training.run_folder import RunFolder
from ..training.warm_start import (
    AVERAGED_WITH,
    DATA_NAME,
    DATASET,
    LICENCE,
    OWN_DATA,
    STARTED_FROM,
    earlier_training,
    origin_without_places,
)
from .model_card import model_card
from .weight_mean import check_descent, mean_weights
from .whole_folder import check_absent, whole_folder


def export_run(
    run_folder: Path,
    output: Path,
    *,
    name: str | None = None,
    version: str = __version__,
    sharpness: float = 1.0,
    score_sharpness: float = 1.0,
    average_with: str | None = None,
) -> Path:
    """Write the bundle of a run; only folds whose every stage is finished go in.

    ``score_sharpness`` multiplies the logits of both stages of a cascade where SCS compares them: networks
    trained for tens of epochs with averaged weights are less decided than those of the paper, and what both
    stages doubt alike, SCS cannot see (Schwab et al., eq. (1)). ``sharpness`` does so wherever the bundle is
    used, which makes its softmax overconfident. ``average_with`` names the run or bundle that the run began
    with; the new bundle gets the mean of both weights.

    The bundle is assembled beside ``output`` and moved there when it loads, so that a failing
    export leaves nothing. Raises :class:`UsageError` for an unfinished run or an existing target.
    """
    run = RunFolder(run_folder)
    record = run.read_record()
    recipe = RECIPE.validate_python(record["recipe"])
    method = method_of(recipe)
    for option, factor in (("--sharpness", sharpness), ("--score-sharpness", score_sharpness)):
        if factor != 1 and not isinstance(recipe, CascadeRecipe):
            raise UsageError(f"{option} {factor:g}: is for a cascade, {run_folder} is a {recipe.kind}")
    folds = [
        fold for fold in range(recipe.folds) if all(run.final(fold, s).exists() for s in recipe.stages())
    ]
    if not folds:
        raise UsageError(f"{run_folder}: no fold is finished yet; go on training with --resume")
    check_absent(output)
    factors = sharpness, score_sharpness
    earlier = None if average_with is None else earlier_training(average_with)
    if earlier is not None:
        record = record | {AVERAGED_WITH: check_descent(earlier, run, recipe, record)}
    with whole_folder(output) as partial:
        weights = [
            write_weights(state, partial, network, fold)
            for fold in folds
            for network, state in (
                method.weights(run, fold) if earlier is None else mean_weights(earlier, method, run, fold)
            ).items()
        ]
        manifest = _manifest(name or output.name, version, recipe, method, record, tuple(weights), factors)
        write_manifest(manifest, partial)
        (partial / MODEL_CARD).write_text(model_card(manifest), encoding="utf-8")
        load_bundle(partial)
    return output


def _manifest(
    name: str,
    version: str,
    recipe: CascadeRecipe | StreamingRecipe,
    method: Trainer,
    record: Mapping[str, Any],
    weights: tuple[WeightFile, ...],
    factors: tuple[float, float],
) -> Manifest:
    data = origins(record)
    folds = {weight.fold for weight in weights}
    special: dict[str, Any]
    if isinstance(recipe, CascadeRecipe):
        special = {
            "title": "LGE infarct segmentation, 2D-3D cascade",
            "classes": LGE_CLASSES,
            "cascade_input": recipe.cascade_input,
            "sharpness": dict.fromkeys((STAGE_2D, STAGE_3D), factors[0]) if factors[0] != 1 else {},
            "stage_rule": StageRule(score_sharpness=factors[1]),
        }
        mixed = f" and {recipe.phantoms} phantoms" if recipe.phantoms else ""
    else:
        title = f"Cine segmentation, ensemble of {len(recipe.members)} ({recipe.variant})"
        special = {"title": title, "classes": CINE_CLASSES, "combination": method.combination}
        mixed = ""
    return Manifest(
        name=name,
        version=version,
        kind=recipe.kind,
        licence=_joined([licence for licence, _ in data]),
        training_data=_joined([name for _, name in data]) + mixed,
        roi=recipe.roi.spec(),
        networks=method.specs(),
        weights=weights,
        views=_views(recipe),
        held_out={int(fold): tuple(ids) for fold, ids in record["held_out"].items() if int(fold) in folds},
        training={
            "recipe": recipe.model_dump(mode="json"),
            DATASET: record[DATASET],
            "commit": record["commit"],
            "torch": record["torch"],
            "exported": datetime.now(UTC).date().isoformat(),
            **{key: record[key] for key in (INPUT_STATISTICS,) if key in record},
            **({STARTED_FROM: origin_without_places(record[STARTED_FROM])} if STARTED_FROM in record else {}),
            **{key: record[key] for key in (AVERAGED_WITH,) if key in record},
        },
        **special,
    )


def origins(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Licence and name of the data of a run, then of the trainings it began with: all bind the weights."""
    if LICENCE in record:
        return [(record[LICENCE], record[DATA_NAME])]
    info, own = dataset_info(record[DATASET]), record.get(OWN_DATA, {})
    earlier = origins(record[STARTED_FROM]) if STARTED_FROM in record else []
    return [(own.get(LICENCE) or info.licence, own.get(DATA_NAME) or info.citation), *earlier]


def _joined(texts: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(texts))


def _views(recipe: CascadeRecipe | StreamingRecipe) -> tuple[View, ...]:
    """Mirrored views where the networks have learned from mirrored slices, else small turns."""
    stage = recipe.stage2d if isinstance(recipe, CascadeRecipe) else recipe.training
    return MIRRORED if stage.augmentation.flips else TURNED
