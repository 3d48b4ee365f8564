"""One training run on disk: its folds, its stages in order, and how it goes on after a stop."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from lightning_fabric import Fabric

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.safe_files import write_whole
from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES

from ..datasets import LabelledDataset
from .cascade import CascadeMethod
from .commit import project_commit
from .crops import stratified_folds
from .input_statistics import INPUT_STATISTICS, usual_ranges
from .loop import ReportEpoch, ReportStep, StageJob, StopRequest, train_stage, unwatched
from .method import CropShelf, Trainer
from .ranks import Ranks
from .recipe import CascadeRecipe, StreamingRecipe, TrainingRecipe
from .run_folder import RunFolder
from .streaming import StreamingMethod
from .warm_start import DATA_NAME, LICENCE, OWN_DATA, STARTED_FROM, WarmStart


def method_of(recipe: CascadeRecipe | StreamingRecipe) -> Trainer:
    """The method that a recipe is for."""
    if isinstance(recipe, CascadeRecipe):
        return CascadeMethod(recipe)
    return StreamingMethod(recipe)


def check_recipe(recipe: CascadeRecipe | StreamingRecipe, dataset: LabelledDataset) -> None:
    """Raise UsageError unless the data set labels the classes that the recipe's method is for."""
    wanted = LGE_CLASSES if isinstance(recipe, CascadeRecipe) else CINE_CLASSES
    ours, theirs = ([info.name for info in classes] for classes in (wanted, dataset.classes))
    if ours != theirs:
        raise UsageError(
            f"recipe of kind {recipe.kind} learns {', '.join(ours[1:])}; {dataset.name} is labelled "
            f"{', '.join(theirs[1:])}: choose data or recipe of the same kind"
        )


def begin_run(
    run: RunFolder,
    recipe: CascadeRecipe | StreamingRecipe,
    dataset: LabelledDataset,
    *,
    resume: bool,
    start: WarmStart | None = None,
    notes: Mapping[str, Any] = MappingProxyType({}),
) -> dict[int, tuple[str, ...]]:
    """Write or check the run's record; returns the held-out case ids of every fold.

    ``notes`` are written beside it when the run begins: what was asked, what it is expected to cost.
    Raises :class:`UsageError` if the folder holds a run and ``resume`` is not asked for, or if the
    recipe, the data set or the run that it starts from changed since it was begun.
    """
    if len({case.patient or case.id for case in dataset}) < recipe.folds:
        raise UsageError(
            f"{run.path}: {len(dataset)} cases cannot be split into {recipe.folds} folds; use fewer folds"
        )
    folds = stratified_folds(dataset.cases, recipe.folds, recipe.seed)
    record: dict[str, Any] = {
        "recipe": recipe.model_dump(mode="json"),
        "dataset": dataset.name,
        "held_out": {str(fold): list(cases) for fold, cases in enumerate(folds)},
    }
    if start is not None:
        record[STARTED_FROM] = start.record(recipe, dataset.name, dict(enumerate(folds)))
    if run.record.exists():
        if not resume:
            raise UsageError(
                f"{run.path}: holds a training run already; add --resume or choose another folder"
            )
        begun = run.read_record()
        if any(begun.get(key) != value for key, value in record.items()):
            raise UsageError(
                f"{run.record}: was begun with another recipe, other cases or from another run; "
                "choose another folder"
            )
        if start is None and STARTED_FROM in begun:
            source = begun[STARTED_FROM]["path"]
            raise UsageError(f"{run.record}: was begun from another run; add --start-from {source}")
    else:
        run.path.mkdir(parents=True, exist_ok=True)
        record |= {**notes, "commit": project_commit(), "torch": torch.__version__}
        if dataset.citation or dataset.licence:
            record[OWN_DATA] = {LICENCE: dataset.licence, DATA_NAME: dataset.citation}
        record[INPUT_STATISTICS] = usual_ranges(dataset)
        write_whole(run.record, json.dumps(record, indent=1))
    return dict(enumerate(folds))


def check_shares(stages: Mapping[str, TrainingRecipe], processes: int) -> None:
    """Raise UsageError if some of ``processes`` would have no sample in any stage.

    In a stage with smaller batches the others work and the rest keep in step.
    """
    most = max(stage.batch for stage in stages.values())
    if most < processes:
        raise UsageError(
            f"batches of at most {most} samples cannot be shared by {processes} processes; "
            f"start {most} or fewer"
        )


def train_run(
    fabric: Fabric,
    run: RunFolder,
    recipe: CascadeRecipe | StreamingRecipe,
    dataset: LabelledDataset,
    folds: Sequence[int],
    *,
    resume: bool,
    stop: StopRequest,
    report: ReportEpoch,
    start: WarmStart | None = None,
    crops: CropShelf | None = None,
    notes: Mapping[str, Any] = MappingProxyType({}),
    tick: ReportStep = unwatched,
) -> bool:
    """Train all stages of the given folds; False if it was stopped before the end.

    With ``start`` every stage begins with the weights that the earlier training ended with; a stage whose
    recipe is the same there is taken over as it is. ``crops`` are those made before, if any were; ``notes``
    see :func:`begin_run`.
    The ranks of one training call this alike and need the run folder at the same place.
    """
    ranks = Ranks(fabric)
    method = method_of(recipe)
    ranks.agree(lambda: check_shares(method.stages(), ranks.count))
    held_out = ranks.agree(lambda: begin_run(run, recipe, dataset, resume=resume, start=start, notes=notes))
    shelf = crops or CropShelf(method, dataset, fabric.device)
    for name, stage in method.stages().items():
        waiting = ranks.agree(partial(run.unfinished, folds, name))
        if not waiting:
            continue
        if start is not None and ranks.agree(partial(start.take_over, run, recipe, waiting, name, method)):
            continue
        own = shelf.of(name)
        for fold in waiting:
            job = StageJob(name, fold, stage, run.stage(fold, name), recipe.seed)
            torch.manual_seed(recipe.seed * 1000 + fold)
            network = method.build(name)
            if start is None:
                method.initialise(name, network, fold, run)
            else:
                start.apply(network, fold, name, method)
            network = network.to(fabric.device)
            data = method.data(name, fold, own, held_out[fold], run)
            if not train_stage(fabric, job, network, data, stop, report, tick):
                return False
    return True
