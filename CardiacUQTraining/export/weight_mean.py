"""The mean of the weights before and after a further course of training: one network, the best of both.

Averages along one training, as in stochastic weight averaging (Izmailov et al., UAI 2018) and model soups
(Wortsman et al., ICML 2022), mean something only for networks that descend from each other; others lie in
valleys of their own, with a ridge between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from CardiacUQLib.base.errors import UsageError

from ..training.inflation import with_more_inputs
from ..training.method import Trainer
from ..training.recipe import Recipe
from ..training.run_folder import RunFolder
from ..training.warm_start import DATASET, STARTED_FROM, Earlier, WarmStart, origin_without_places


def check_descent(earlier: Earlier, run: RunFolder, recipe: Recipe, record: Mapping[str, Any]) -> str:
    """Bundle and version, or commit, of ``earlier``, which the run must have begun with.

    Raises :class:`UsageError` if it began with another training or with random weights.
    """
    held_out: dict[int, Sequence[str]] = {int(fold): ids for fold, ids in record["held_out"].items()}
    origin = origin_without_places(WarmStart(earlier).record(recipe, record[DATASET], held_out))
    if STARTED_FROM not in record or origin_without_places(record[STARTED_FROM]) != origin:
        raise UsageError(
            f"{earlier.place}: {run.path} did not begin with it; weights can be averaged only with those "
            "that --start-from named"
        )
    return str(origin.get("bundle", f"the run of commit {origin.get('commit')}"))


def mean_weights(
    earlier: Earlier, method: Trainer, run: RunFolder, fold: int
) -> dict[str, dict[str, Tensor]]:
    """Finished weights of a fold by network of the bundle, each the mean of the run's and the earlier ones.

    Averages over batches (batch norm) are averaged likewise; counters stay the run's.
    """
    mixed = {network: dict(tensors) for network, tensors in method.weights(run, fold).items()}
    for stage in method.stages():
        before = earlier.weights(fold, stage, method)
        for network, prefix in method.stage_networks(stage).items():
            own = {name: before[prefix + name] for name in mixed[network]}
            earlier_ones = with_more_inputs(own, mixed[network])
            for name, value in mixed[network].items():
                if value.is_floating_point():
                    mixed[network][name] = (value.float() + earlier_ones[name].float()) / 2
    return mixed
