"""From the folder of an evaluation to an experiment of the benchmark of failure detection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.uncertainty.quality import MEAN

from .calibration_error import Reliability
from .cases import nan_from_none
from .failure_benchmark import Experiment
from .methods import Method, Row, Stage
from .source import FIGURES

DICE, MEAN_DICE, PREDICTED_DICE = "dice", "mean_dice", "predicted_dice"
PUBLIC_NAMES = {
    Row(Stage.CASCADE, Method.PAIRWISE_DICE).key: "pairwise_mean_dice",
    Row(Stage.CASCADE, Method.ENTROPY).key: "predictive_entropy_foreground",
    "entropy": "predictive_entropy_foreground",
}
"""Scores of ours that the benchmark knows, by its names; the others keep ours."""


def read_evaluation(folder: Path) -> dict[str, dict[str, Any]]:
    """The figures of every judged case of an evaluation, by case; raises InputError if it is none."""
    path = folder / FIGURES
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, "cannot be read", "expected the folder that `evaluate -o` wrote") from error
    cases = content.get("cases") if isinstance(content, dict) else None
    kept = sorted((folder / "cases").glob("*.json"))
    if not isinstance(cases, dict) or not cases:
        cases = {path.stem: json.loads(path.read_text("utf-8"))["figures"] for path in kept}
    if not cases:
        raise InputError(path, "holds no judged case", "expected the folder that `evaluate -o` wrote")
    return nan_from_none(cases)


def experiment_of(folder: Path, domain: str) -> Experiment:
    """Confidences and Dice of an evaluation; ``domain`` names its data.

    A score is the negative mean of a map over the predicted foreground, so that more is more confident, or
    the predicted mean Dice. Scores that not all cases have are left out.
    """
    cases = read_evaluation(folder)
    every = list(cases.values())
    scores = {key: [_confidence(one, key) for one in every] for key in _common_rows(every)}
    predicted = [value for one in every if (value := _predicted(one)) is not None]
    if len(predicted) == len(every):
        scores[PREDICTED_DICE] = predicted
    finals = [_final(one) for one in every]
    classes = sorted(key for key in finals[0] if key.startswith("dice_") and key[5:].isdigit())
    by_class = np.array([[[one[key]] for key in classes] for one in finals], float)
    return Experiment(
        tuple(cases),
        (domain,) * len(every),
        np.array(list(scores.values()), float).T.reshape(len(every), len(scores)),
        tuple(PUBLIC_NAMES.get(key, key) for key in scores),
        np.array([[one[MEAN_DICE]] for one in finals], float),
        (MEAN_DICE,),
        by_class,
        (DICE,),
    )


def calibration_of(folder: Path) -> dict[str, dict[str, Reliability]]:
    """Reliability over the voxels of all cases, by map and region, of maps that claim to be P(wrong)."""
    found: dict[str, dict[str, Reliability]] = {}
    for one in read_evaluation(folder).values():
        for key, row in one["rows"].items():
            for region, record in row.items():
                if isinstance(record, Mapping) and record.get("reliability"):
                    bins, regions = Reliability.from_dict(record["reliability"]), found.setdefault(key, {})
                    regions[region] = regions[region] + bins if region in regions else bins
    return found


def _common_rows(every: list[dict[str, Any]]) -> list[str]:
    keys = [key for key, row in every[0]["rows"].items() if "case_score" in row]
    return [key for key in keys if all("case_score" in one["rows"].get(key, {}) for one in every)]


def _confidence(one: Mapping[str, Any], key: str) -> float:
    score = float(one["rows"][key]["case_score"])
    return 1.0 - score if key.startswith(Method.PAIRWISE_DICE.value) else -score


def _predicted(one: Mapping[str, Any]) -> float | None:
    said = one.get("assessment", {}).get("predicted_dice") or ()
    return next((float(d["value"]) for d in said if d["structure"] == MEAN), None)


def _final(one: Mapping[str, Any]) -> Mapping[str, float]:
    """Scores of what is given to a user: the cascade's or the ensemble's, not of a part of it."""
    scores = one["segmentation"]
    return scores.get(Stage.CASCADE.value) or next(iter(scores.values()))
