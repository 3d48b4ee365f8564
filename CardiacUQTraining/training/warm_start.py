"""Training that begins with the weights of an earlier run or of a bundle: a second course, or fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.bundle import Bundle, load_bundle

from .checkpoint import load_weights, save_weights
from .inflation import with_more_inputs
from .recipe import RECIPE, Recipe
from .run_folder import RunFolder

STARTED_FROM = "started_from"
DATASET = "dataset"
LICENCE = "licence"
DATA_NAME = "training_data"
AVERAGED_WITH = "averaged_with"
OWN_DATA = "own_data"
"""What a data set says of itself, licence and name; empty where the catalogue knows better."""
_TOLD = ("recipe", DATASET, "commit", "bundle", AVERAGED_WITH, LICENCE, DATA_NAME, OWN_DATA, STARTED_FROM)


class StageWeights(Protocol):
    """What a method knows of its stages; see :class:`CardiacUQTraining.training.method.Method`."""

    def stage_networks(self, stage: str) -> Mapping[str, str]:
        """Networks of a bundle that the stage trains, each with the prefix of its weights there."""
        ...


class Earlier(Protocol):
    """Something trained before."""

    @property
    def place(self) -> str:
        """How it is named on the command line."""
        ...

    def record(self) -> dict[str, Any]:
        """Its recipe, held-out cases and origin, with the keys of a run's record."""
        ...

    def weights(self, fold: int, stage: str, method: StageWeights) -> dict[str, Tensor]:
        """Finished weights of a stage; raises UsageError or ModelError if it has none."""
        ...


@dataclass(frozen=True)
class EarlierRun:
    """A run folder."""

    run: RunFolder

    @property
    def place(self) -> str:
        """The run folder."""
        return str(self.run.path)

    def record(self) -> dict[str, Any]:
        """The record written at its start."""
        return self.run.read_record()

    def weights(self, fold: int, stage: str, method: StageWeights) -> dict[str, Tensor]:
        """Weights of a finished stage."""
        path = self.run.final(fold, stage)
        if not path.exists():
            raise UsageError(f"{self.run.path}: {stage} of fold {fold} is not finished; finish it first")
        return load_weights(path)[0]


@dataclass(frozen=True)
class EarlierBundle:
    """An exported bundle; its half-precision weights differ from the run's in the fourth digit."""

    bundle: Bundle
    place: str

    def record(self) -> dict[str, Any]:
        """What the manifest tells of the run it was exported from."""
        manifest = self.bundle.manifest
        if "recipe" not in manifest.training:
            raise UsageError(f"{self.place}: does not tell its recipe, so training cannot go on from it")
        return dict(manifest.training) | {
            "bundle": f"{manifest.name} {manifest.version}",
            "held_out": {str(fold): list(cases) for fold, cases in manifest.held_out.items()},
            LICENCE: manifest.licence,
            DATA_NAME: manifest.training_data,
        }

    def weights(self, fold: int, stage: str, method: StageWeights) -> dict[str, Tensor]:
        """The networks of a stage put together as training holds them."""
        return {
            prefix + name: value
            for network, prefix in method.stage_networks(stage).items()
            for name, value in self.bundle.network(network, fold).state_dict().items()
        }


def earlier_training(run_or_bundle: str) -> Earlier:
    """The run in that folder, else the bundle of that name or folder.

    Raises :class:`UsageError`, one line, if it is neither; ModelError for a damaged bundle.
    """
    run = RunFolder(Path(run_or_bundle))
    if run.record.exists():
        return EarlierRun(run)
    if run.path.is_dir() and not (run.path / "manifest.json").exists():
        raise UsageError(f"{run_or_bundle}: is neither a training run nor a bundle; give the folder of one")
    return EarlierBundle(load_bundle(run_or_bundle), run_or_bundle)


@dataclass(frozen=True)
class WarmStart:
    """Where the weights come from that a new run begins with, fold by fold and stage by stage."""

    earlier: Earlier

    def record(self, recipe: Recipe, dataset: str, held_out: Mapping[int, Sequence[str]]) -> dict[str, Any]:
        """Where the weights come from, for the record of the new run.

        Raises :class:`UsageError` if they are of the other method, or if a case that a fold is to be
        judged on was learned from by the same fold before.
        """
        begun, place = self.earlier.record(), self.earlier.place
        kind = RECIPE.validate_python(begun["recipe"]).kind
        if kind != recipe.kind:
            raise UsageError(f"{place}: is a {kind}; a {recipe.kind} recipe needs one of its own kind")
        kept = begun.get("held_out", {})
        known = {case for cases in kept.values() for case in cases}
        if begun.get(DATASET, dataset) == dataset:
            for fold, cases in held_out.items():
                seen = sorted(set(cases) & known - set(kept.get(str(fold), [])))
                if seen:
                    raise UsageError(
                        f"{place}: fold {fold} has learned from {seen[0]}, which this run holds "
                        "out; use the same number of folds and the same seed"
                    )
        return {"path": place} | {key: begun[key] for key in _TOLD if key in begun}

    def take_over(
        self, run: RunFolder, recipe: Recipe, folds: Sequence[int], stage: str, method: StageWeights
    ) -> bool:
        """Copy the weights of a stage that would be trained again in the same way on the same cases; False
        if it would not.

        Raises :class:`UsageError` or ModelError if the stage is not finished there for one of the ``folds``.
        """
        begun = self.earlier.record()
        if RECIPE.validate_python(begun["recipe"]).decisive(stage) != recipe.decisive(stage):
            return False
        known, ours = begun.get("held_out", {}), run.held_out()
        if any(sorted(known.get(str(fold), ())) != sorted(ours[fold]) for fold in folds):
            return False
        for fold in folds:
            save_weights(self.earlier.weights(fold, stage, method), run.final(fold, stage))
        return True

    def apply(self, network: nn.Module, fold: int, stage: str, method: StageWeights) -> None:
        """Load the earlier weights of a stage into ``network``, which may see more slices at once.

        Raises :class:`UsageError` if the stage is not finished there or its network is another one,
        ModelError if a bundle has no such network or fold.
        """
        weights = self.earlier.weights(fold, stage, method)
        try:
            network.load_state_dict(with_more_inputs(weights, network.state_dict()))
        except RuntimeError as error:
            problem = str(error).splitlines()[-1].strip()
            raise UsageError(
                f"{self.earlier.place}: {stage} of fold {fold} does not fit the recipe ({problem}); "
                "choose the same network"
            ) from None


def origin_without_places(origin: Mapping[str, Any]) -> dict[str, Any]:
    """What :meth:`WarmStart.record` gave, for others to read: its place on disk, and those of the runs
    before it, say nothing to them."""
    told = {key: value for key, value in origin.items() if key != "path"}
    if STARTED_FROM in told:
        told[STARTED_FROM] = origin_without_places(told[STARTED_FROM])
    return told
