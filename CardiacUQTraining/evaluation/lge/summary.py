"""From figures per case to figures of the whole data set: means, intervals, paired tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..shared.calibration_error import Reliability
from ..shared.cases import CaseFigures
from ..shared.methods import ROWS, Method, Row, Stage
from ..shared.scores import CROP, UNION, case_level
from ..shared.statistics import Summary, holm, paired_wilcoxon, summarise

MAP_FIGURES = ("auroc", "spearman", "pearson", "ece", "ace", "aurc", "e_aurc", "augrc", "ause")
TESTED_FIGURES = ("auroc", "pearson")
PATHOLOGICAL = "P"
"""Group of EMIDEC's pathological cases; any case with true infarct counts where groups say nothing."""


@dataclass(frozen=True)
class Comparison:
    """Paired Wilcoxon test of a figure between two rows: mean difference, p and Holm-corrected p."""

    figure: str
    first: str
    second: str
    mean_difference: float
    p: float
    p_holm: float


def segmentation_summary(
    figures: Mapping[str, CaseFigures], pathological: Iterable[str] | None = None
) -> dict[str, dict[str, Summary]]:
    """Summary of every segmentation figure by stage, over all cases or only the ``pathological`` ones."""
    chosen = set(figures if pathological is None else pathological)
    return {
        stage.value: {
            name: summarise(
                [one.segmentation[stage.value][name] for key, one in figures.items() if key in chosen]
            )
            for name in _figure_names(figures, stage)
        }
        for stage in Stage
    }


def present_dice(figures: Mapping[str, CaseFigures], classes: Iterable[int]) -> dict[str, dict[int, Summary]]:
    """By stage and class the Dice over the cases in which the reader drew the class; classes that no case
    has are left out. The other means count a class that is absent from both as 1, which flatters."""
    found: dict[str, dict[int, Summary]] = {}
    for stage in Stage:
        found[stage.value] = {}
        for value in classes:
            have = [
                one for one in figures.values() if len(one.reference_ml) > value and one.reference_ml[value]
            ]
            if have:
                scores = [one.segmentation[stage.value][f"dice_{value}"] for one in have]
                found[stage.value][value] = summarise(scores)
    return found


def _figure_names(figures: Mapping[str, CaseFigures], stage: Stage) -> list[str]:
    return list(next(iter(figures.values())).segmentation[stage.value]) if figures else []


def stage_comparisons(figures: Mapping[str, CaseFigures]) -> list[Comparison]:
    """Cascade against 2D stage: the Dice of every class and their mean, Holm-corrected over these."""
    names = [n for n in _figure_names(figures, Stage.CASCADE) if "dice" in n]

    def values(stage: Stage, name: str) -> np.ndarray:
        return np.array([one.segmentation[stage.value][name] for one in figures.values()])

    return _tests(
        {(name, "cascade", "2d"): (values(Stage.CASCADE, name), values(Stage.SLICES, name)) for name in names}
    )


def row_values(figures: Mapping[str, CaseFigures], row: Row, region: str, figure: str) -> np.ndarray:
    """A figure of one row for every case, in order; NaN where the case has none."""
    records = (one.rows.get(row.key, {}).get(region, {}) for one in figures.values())
    return np.array([record.get(figure, np.nan) for record in records], float)


def row_summary(figures: Mapping[str, CaseFigures]) -> dict[str, dict[str, Any]]:
    """By row key: Dice, the figures of both regions over patients, pooled ECE, and the case level."""
    found: dict[str, dict[str, Any]] = {}
    for row in ROWS:
        records = {name: one.rows[row.key] for name, one in figures.items() if row.key in one.rows}
        if not records:
            continue
        found[row.key] = {"mean_dice": summarise([r["mean_dice"] for r in records.values()])}
        found[row.key]["case_level"] = case_level(records)
        if row.method is Method.PAIRWISE_DICE:
            continue
        for region in (UNION, CROP):
            names = [n for n in MAP_FIGURES if any(n in r.get(region, {}) for r in records.values())]
            found[row.key][region] = {n: summarise(row_values(figures, row, region, n)) for n in names}
            if row.is_probability:
                found[row.key][region]["pooled_ece"] = pooled_reliability(figures, row, region).ece
    return found


def pooled_reliability(figures: Mapping[str, CaseFigures], row: Row, region: str) -> Reliability:
    """Reliability over the voxels of all cases together."""
    bins = (one.rows.get(row.key, {}).get(region, {}).get("reliability") for one in figures.values())
    parts = [Reliability.from_dict(stored) for stored in bins if stored]
    return sum(parts[1:], start=parts[0])


def row_comparisons(figures: Mapping[str, CaseFigures], reference: Row) -> list[Comparison]:
    """``reference`` against every other row with a map, on the union; Holm over all of these tests."""
    pairs = {}
    for figure in TESTED_FIGURES:
        ours = row_values(figures, reference, UNION, figure)
        for row in ROWS:
            theirs = row_values(figures, row, UNION, figure)
            if row != reference and np.isfinite(theirs).any():
                pairs[(figure, reference.key, row.key)] = (ours, theirs)
    return _tests(pairs)


def _tests(pairs: Mapping[tuple[str, str, str], tuple[np.ndarray, np.ndarray]]) -> list[Comparison]:
    p = {name: paired_wilcoxon(*pair) for name, pair in pairs.items()}
    corrected = holm(p)
    return [
        Comparison(*name, float(np.nanmean(pairs[name][0] - pairs[name][1])), p[name], corrected[name])
        for name in pairs
    ]
