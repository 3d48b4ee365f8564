"""What ``cardiacuq train`` says before the first step: cases, folds, batches, memory, time."""

from __future__ import annotations

from collections.abc import Sequence

from CardiacUQLib.base.duration import duration

from ..datasets import LabelledDataset
from ..training.cost import Costs
from ..training.preparation import Prepared


def cases_lines(dataset: LabelledDataset, left_out: Sequence[str]) -> list[str]:
    """How many cases there are, how many have each class, and which were left out."""
    counts = dict.fromkeys((info.value for info in dataset.classes[1:]), 0)
    for case in dataset:
        present = set(case.load()[1].ravel().tolist())
        for value in counts:
            counts[value] += value in present
    merged = dataset.cases[0].merged if dataset.cases else {}
    names = {info.value: info.name for info in dataset.classes}
    shown = [
        f"{names[value]} not told apart from {names[merged[value]]}"
        if value in merged
        else f"{names[value]} in {count}"
        for value, count in counts.items()
    ]
    groups = sorted({case.group for case in dataset})
    return [
        f"cases     {len(dataset)} for training"
        + (f" in the groups {', '.join(groups)}" if len(groups) > 1 else ""),
        *[f"          {line}" for line in left_out],
        f"classes   {', '.join(shown)}",
    ]


def plan_lines(prepared: Prepared, processes: int) -> list[str]:
    """Folds, what was fitted, and every stage with its batch, steps and time."""
    recipe, costs = prepared.recipe, prepared.costs
    held = ", ".join(str(len(prepared.held_out[fold])) for fold in prepared.folds)
    of = "" if len(prepared.folds) == recipe.folds else f" of {recipe.folds}"
    lines = [f"folds     {len(prepared.folds)}{of}, which hold out {held} cases"]
    lines += [f"fitted    {line}" for line in prepared.lines]
    for name, stage in recipe.stages().items():
        told = f"{name:<9} {stage.epochs} epochs"
        if costs is not None:
            cost = costs.stages[name]
            told += (
                f" x {cost.steps} steps, {1000 * cost.step_seconds:.0f} ms a step, "
                f"{cost.parameters / 1e6:.2f} M weights"
            )
        told += f"; batches of {stage.batch}"
        if processes > 1:
            shares = sorted(
                {(n + 1) * stage.batch // processes - n * stage.batch // processes for n in range(processes)}
            )
            told += f", {' or '.join(map(str, shares))} on each of {processes} processes"
        lines.append(told)
    if costs is not None:
        lines += _cost_lines(prepared, costs)
    return lines


def _cost_lines(prepared: Prepared, costs: Costs) -> list[str]:
    seconds = costs.seconds(prepared.recipe.stages(), len(prepared.folds))
    count = len(prepared.folds)
    what = f"{count} fold{'s' * (count != 1)}"
    told = f"about {duration(seconds)} for {what} on this machine, as busy as it is now"
    memory = f"memory    about {costs.memory / 2**30:.1f} GiB" if costs.memory else ""
    return [*([memory] if memory else []), f"time      {told}"]
