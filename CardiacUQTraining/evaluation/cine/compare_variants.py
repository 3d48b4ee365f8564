"""Two or more evaluated cine ensembles side by side: paired tests over patients, Dice against cost.

Reads the ``evaluation.json`` that :mod:`.report` wrote; only frames that all of them judged are compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from CardiacUQLib.errors import InputError, UsageError

from ..cases import nan_from_none, write_json
from ..report import FIGURES
from ..statistics import holm, paired_wilcoxon
from ..tables import as_plain, markdown_table
from .end_slices import THRESHOLD, end_coefficient
from .figures import CostPoint, cost_figure, save
from .report import PROTOCOL
from .tables import p_text

COMPARED = ("mean_dice", "dice_1", "dice_2", "dice_3", "end_dice")
PHASES = ("all", "ED", "ES")
PAGE, RESULT = "comparison.md", "comparison.json"


@dataclass(frozen=True)
class Evaluated:
    """One evaluation folder: its name in the tables, its JSON, its frames by case."""

    name: str
    content: Mapping[str, Any]

    @property
    def frames(self) -> Mapping[str, Mapping[str, Any]]:
        """Figures of every frame."""
        return self.content["frames"]


@dataclass(frozen=True)
class PairedTest:
    """``first`` against ``second`` over ``patients``: means (0 to 1) and paired Wilcoxon p, Holm-corrected
    over the figures and phases of this pair."""

    first: str
    second: str
    figure: str
    phase: str
    patients: int
    first_mean: float
    second_mean: float
    p: float
    p_holm: float


def compare_variants(folders: Sequence[Path], out: Path, threshold: float = THRESHOLD) -> list[PairedTest]:
    """Compare the first evaluation with each other one and write page, JSON and figure to ``out``.

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
    tests = [test for other in others for test in paired_tests(first, other, common)]
    points = [_point(one, common, threshold) for one in evaluated]
    out.mkdir(parents=True, exist_ok=True)
    save({"cost": cost_figure(points)}, out / "figures")
    (out / PAGE).write_text(_page(evaluated, points, tests, len(common), threshold), "utf-8")
    content = {"variants": as_plain(points), "frames": len(common), "tests": as_plain(tests)}
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
    return Evaluated(content["model"], nan_from_none(content))


def paired_tests(first: Evaluated, second: Evaluated, cases: Sequence[str]) -> list[PairedTest]:
    """All figures, over both phases and over each, paired by patient."""
    pairs: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
    for phase in PHASES:
        chosen = [case for case in cases if phase in ("all", first.frames[case]["phase"])]
        for figure in COMPARED:
            pair = tuple(_by_patient(one, chosen, figure) for one in (first, second))
            if chosen and all(np.isfinite(values).any() for values in pair):
                pairs[figure, phase] = pair
    p = {name: paired_wilcoxon(*pair) for name, pair in pairs.items()}
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


def _by_patient(one: Evaluated, cases: Sequence[str], figure: str) -> np.ndarray:
    """Mean of a figure over each patient's frames, patients in the order in which they appear."""
    found: dict[str, list[float]] = {}
    for case in cases:
        frame = one.frames[case]
        found.setdefault(frame["patient"], []).append(float(frame.get(figure, np.nan)))
    known = ([v for v in values if np.isfinite(v)] for values in found.values())
    return np.array([np.mean(values) if values else np.nan for values in known])


def _point(one: Evaluated, cases: Sequence[str], threshold: float) -> CostPoint:
    cost = one.content["cost"]["ensemble"]
    frames = [one.frames[case] for case in cases]
    return CostPoint(
        one.name,
        float(np.mean([frame["mean_dice"] for frame in frames])),
        end_coefficient([frame["end_dice"] for frame in frames], threshold),
        int(cost["parameters"]),
        int(cost["flops"]),
    )


def _named(evaluated: Sequence[Evaluated]) -> list[Evaluated]:
    """Equal names get a number, so that a bundle can be compared with a later version of itself."""
    names = [one.name for one in evaluated]
    return [
        one if names.count(one.name) == 1 else Evaluated(f"{one.name} ({number + 1})", one.content)
        for number, one in enumerate(evaluated)
    ]


def _page(
    evaluated: Sequence[Evaluated],
    points: Sequence[CostPoint],
    tests: Sequence[PairedTest],
    frames: int,
    threshold: float,
) -> str:
    variants = [
        [
            point.name,
            str(one.content.get("title", "")),
            f"{100 * point.dice:.2f}",
            f"{100 * point.ec:.1f}",
            f"{point.parameters / 1e6:.3f}",
            f"{point.flops / 1e9:.3f}",
        ]
        for one, point in zip(evaluated, points, strict=True)
    ]
    lines = [
        [
            f"{test.figure}, {test.phase}: {test.first} against {test.second}",
            str(test.patients),
            f"{100 * test.first_mean:.2f}",
            f"{100 * test.second_mean:.2f}",
            p_text(test.p),
            p_text(test.p_holm),
        ]
        for test in tests
    ]
    names = {str(value): name for value, name in ((1, "RV"), (2, "myocardium"), (3, "LV"))}
    legend = ", ".join(f"dice_{value}: {name}" for value, name in names.items())
    return (
        "\n\n".join(
            [
                f"# {', '.join(one.name for one in evaluated)}",
                f"Dataset {evaluated[0].content['dataset']}, {frames} frames that all of them judged.",
                markdown_table(
                    [
                        "variant",
                        "what",
                        "mean Dice (%)",
                        f"EC (%) at {threshold:g}",
                        "parameters (M)",
                        "GFLOPs",
                    ],
                    variants,
                ),
                "## Paired tests",
                markdown_table(
                    ["figure and phase", "patients", "first (%)", "second (%)", "p", "p (Holm)"], lines
                ),
                "Wilcoxon signed-rank tests over patients (mean of a patient's frames), Holm-corrected "
                f"within each pair of variants. {legend}; end_dice: mean Dice of the end slices.",
                "![Dice against cost](figures/cost.png)",
            ]
        )
        + "\n"
    )
