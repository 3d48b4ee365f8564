"""Two or more evaluated cine ensembles side by side: paired tests, Dice and EC against cost.

Reads the ``evaluation.json`` that :mod:`.report` wrote; only frames that all of them judged are compared,
so that runs of which only some folds are finished can be compared too.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from CardiacUQLib.base.errors import InputError, UsageError
from CardiacUQLib.base.json_codec import write_json

from ..shared.cases import nan_from_none
from ..shared.markdown import as_plain
from ..shared.source import FIGURES
from ..shared.statistics import Summary, holm, paired_wilcoxon, summarise
from .compared import COMPARED, EC, PHASES, Evaluated, PairedTest, Variant
from .end_slices import THRESHOLD, good_ends
from .figures import CostPoint, cost_figure, save, threshold_figure
from .report import PROTOCOL
from .variants_page import write_page

PAGE, RESULT = "comparison.md", "comparison.json"


def compare_variants(folders: Sequence[Path], out: Path, threshold: float = THRESHOLD) -> list[PairedTest]:
    """Compare the first evaluation with each other one and write page, JSON and figures to ``out``.

    Raises UsageError for fewer than two folders or no common frame, InputError for a folder that holds no
    cine evaluation.
    """
    if len(folders) < 2:
        raise UsageError("a comparison needs at least two evaluation folders")
    evaluated = _named([read_evaluation(folder) for folder in folders])
    common = [case for case in evaluated[0].frames if all(case in one.frames for one in evaluated)]
    if not common:
        raise UsageError("the evaluations have no frame in common; evaluate both on the same data set")
    first, *others = evaluated
    tests = [test for other in others for test in paired_tests(first, other, common, threshold)]
    variants = [Variant(one, phase_figures(one, common, threshold)) for one in evaluated]
    out.mkdir(parents=True, exist_ok=True)
    ends = {one.name: [one.frames[case]["end_dice"] for case in common] for one in evaluated}
    points = [_point(variant) for variant in variants]
    save({"cost": cost_figure(points), "end_slices": threshold_figure(ends, threshold)}, out / "figures")
    write_page(variants, tests, common, threshold, out / PAGE)
    content = {
        "variants": as_plain(points),
        "figures": {variant.evaluated.name: as_plain(variant.figures) for variant in variants},
        "frames": len(common),
        "tests": as_plain(tests),
    }
    write_json(content, out / RESULT)
    return tests


def read_evaluation(folder: Path) -> Evaluated:
    """What an evaluation of a cine bundle left; raises InputError for anything else."""
    path = folder / FIGURES
    remedy = "give the output folder of `cardiacuq evaluate` on a cine data set"
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise InputError(path, "there is no readable evaluation", remedy) from None
    if not isinstance(content, dict) or content.get("format") != PROTOCOL or not content.get("frames"):
        raise InputError(path, "this is no evaluation of cine frames", remedy)
    return Evaluated(content.get("variant") or content["model"], nan_from_none(content))


def paired_tests(
    first: Evaluated, second: Evaluated, cases: Sequence[str], threshold: float = THRESHOLD
) -> list[PairedTest]:
    """All figures, over both phases together and over each."""
    pairs: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
    for phase in PHASES:
        chosen = _of_phase(first, cases, phase)
        for figure in COMPARED:
            pair = (_by_patient(first, chosen, figure), _by_patient(second, chosen, figure))
            if chosen and all(np.isfinite(values).any() for values in pair):
                pairs[figure, phase] = pair
        ours, theirs = (good_ends(_values(one, chosen, "end_dice"), threshold) for one in (first, second))
        ends = (ours, theirs)
        if np.isfinite(ends[0] + ends[1]).any():
            pairs[EC, phase] = ends
    p = {
        name: mcnemar_exact(*pair) if name[0] == EC else paired_wilcoxon(*pair)
        for name, pair in pairs.items()
    }
    corrected = holm(p)
    return [
        PairedTest(
            first.name,
            second.name,
            *name,
            int(np.isfinite(a + b).sum()),
            float(np.nanmean(a)),
            float(np.nanmean(b)),
            p[name],
            corrected[name],
        )
        for name, (a, b) in pairs.items()
    ]


def mcnemar_exact(first: np.ndarray, second: np.ndarray) -> float:
    """Two-sided p of McNemar's exact test for pairs of 0 and 1 (NaN: left out); 1 without a difference."""
    from scipy.stats import binomtest

    known = np.isfinite(first) & np.isfinite(second)
    better, worse = int((first > second)[known].sum()), int((first < second)[known].sum())
    return float(binomtest(better, better + worse, 0.5).pvalue) if better + worse else 1.0


def phase_figures(one: Evaluated, cases: Sequence[str], threshold: float) -> dict[str, dict[str, Summary]]:
    """Mean over frames with its 95 % bootstrap interval, by phase and figure; phases without frames left
    out."""
    found = {}
    for phase in PHASES:
        chosen = _of_phase(one, cases, phase)
        if chosen:
            figures = {figure: summarise(_values(one, chosen, figure)) for figure in COMPARED}
            figures[EC] = summarise(good_ends(_values(one, chosen, "end_dice"), threshold))
            found[phase] = figures
    return found


def _of_phase(one: Evaluated, cases: Sequence[str], phase: str) -> list[str]:
    return [case for case in cases if phase in ("all", one.frames[case]["phase"])]


def _values(one: Evaluated, cases: Sequence[str], figure: str) -> np.ndarray:
    return np.array([one.frames[case].get(figure, np.nan) for case in cases], float)


def _by_patient(one: Evaluated, cases: Sequence[str], figure: str) -> np.ndarray:
    """Mean of a figure over each patient's frames, patients in the order in which they appear."""
    found: dict[str, list[float]] = {}
    for case, value in zip(cases, _values(one, cases, figure), strict=True):
        found.setdefault(one.frames[case]["patient"], []).append(float(value))
    known = ([v for v in values if np.isfinite(v)] for values in found.values())
    return np.array([np.mean(values) if values else np.nan for values in known])


def _point(variant: Variant) -> CostPoint:
    whole = variant.figures["all"]
    return CostPoint(variant.evaluated.name, whole["mean_dice"].mean, whole[EC].mean, *variant.evaluated.cost)


def _named(evaluated: Sequence[Evaluated]) -> list[Evaluated]:
    """Equal names get the bundle's, then a number, so that a bundle can be compared with a later version."""
    names = [one.name for one in evaluated]
    clear = [
        one if names.count(one.name) == 1 else dataclasses.replace(one, name=one.content["model"])
        for one in evaluated
    ]
    names = [one.name for one in clear]
    return [
        one if names.count(one.name) == 1 else dataclasses.replace(one, name=f"{one.name} ({number + 1})")
        for number, one in enumerate(clear)
    ]
