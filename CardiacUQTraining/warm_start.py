"""A run that begins with the weights of an earlier one: a second course of training, or fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from CardiacUQLib.errors import UsageError

from .checkpoint import load_weights, save_weights
from .recipe import RECIPE, Recipe, RoiRecipe
from .run_folder import RunFolder

STARTED_FROM = "started_from"


@dataclass(frozen=True)
class WarmStart:
    """The finished run whose weights a new one begins with, fold by fold and stage by stage."""

    earlier: RunFolder

    def record(self, dataset: str, held_out: Mapping[int, Sequence[str]]) -> dict[str, Any]:
        """Where the weights come from, for the record of the new run.

        Raises :class:`UsageError` if a case that a fold is to be judged on was learned from by the
        same fold of the earlier run.
        """
        begun = self.earlier.read_record()
        if begun.get("dataset") == dataset:
            for fold, cases in held_out.items():
                kept = begun.get("held_out", {}).get(str(fold), [])
                seen = sorted(set(cases) - set(kept))
                if seen:
                    raise UsageError(
                        f"{self.earlier.path}: fold {fold} has learned from {seen[0]}, which this run holds "
                        "out; use the same number of folds and the same seed"
                    )
        keys = ("recipe", "dataset", "commit", STARTED_FROM)
        return {"path": str(self.earlier.path)} | {key: begun[key] for key in keys if key in begun}

    def take_over(self, run: RunFolder, recipe: Recipe, folds: Sequence[int], stage: str) -> bool:
        """Copy the weights of a stage that would be trained again in the same way; False if it would not.

        Raises :class:`UsageError` if the stage is not finished there for one of the ``folds``.
        """
        earlier = RECIPE.validate_python(self.earlier.read_record()["recipe"])
        same = earlier.stages().get(stage) == recipe.stages()[stage]
        if not same or _training_region(earlier) != _training_region(recipe):
            return False
        for fold in folds:
            save_weights(load_weights(self._finished(fold, stage))[0], run.final(fold, stage))
        return True

    def apply(self, network: nn.Module, fold: int, stage: str) -> None:
        """Load the earlier weights of a stage into ``network``.

        Raises :class:`UsageError` if the stage is not finished there or its network is another one.
        """
        path = self._finished(fold, stage)
        try:
            network.load_state_dict(load_weights(path)[0])
        except RuntimeError as error:
            problem = str(error).splitlines()[-1].strip()
            raise UsageError(
                f"{path}: does not fit the recipe ({problem}); choose the same network"
            ) from None

    def _finished(self, fold: int, stage: str) -> Path:
        path = self.earlier.final(fold, stage)
        if not path.exists():
            raise UsageError(f"{self.earlier.path}: {stage} of fold {fold} is not finished; finish it first")
        return path


def origin_without_places(origin: Mapping[str, Any]) -> dict[str, Any]:
    """What :meth:`WarmStart.record` gave, for others to read: its place on disk, and those of the runs
    before it, say nothing to them."""
    told = {key: value for key, value in origin.items() if key != "path"}
    if STARTED_FROM in told:
        told[STARTED_FROM] = origin_without_places(told[STARTED_FROM])
    return told


def _training_region(recipe: Recipe) -> RoiRecipe:
    """What the networks see while they learn; what inference shows them may change."""
    return recipe.roi.model_copy(update={"inference_size_px": None})
