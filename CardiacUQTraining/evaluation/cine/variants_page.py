"""The page of a comparison of cine ensembles, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..shared.markdown import PERCENT, interval, markdown_table
from ..shared.statistics import Summary
from .compared import EC, PHASES, PairedTest, Variant
from .tables import p_text

NAMES = {
    "mean_dice": "mean Dice",
    "dice_1": "RV Dice",
    "dice_2": "myocardium Dice",
    "dice_3": "LV Dice",
    "end_dice": "Dice of the end slices",
    EC: "EC",
}


def write_page(
    variants: Sequence[Variant],
    tests: Sequence[PairedTest],
    cases: Sequence[str],
    threshold: float,
    path: Path,
) -> None:
    """Write the page; ``cases`` are the frames that all variants judged."""
    first = variants[0].evaluated
    patients = len({first.frames[case]["patient"] for case in cases})
    folds = sorted({fold for case in cases for fold in first.frames[case]["folds"]})
    how = "predicted by the folds that had not seen them" if first.content["cross_validated"] else "predicted"
    sections = [
        f"# {', '.join(variant.evaluated.name for variant in variants)}",
        f"{first.content['dataset']}: {len(cases)} frames of {patients} patients that all variants judged, "
        f"{how} (folds {', '.join(map(str, folds))}).",
        _table(variants),
        f"Mean over frames with its 95 % bootstrap interval, in %. EC: share of frames whose mean Dice on "
        f"the end slices exceeds {threshold:g}. Epochs are those of the members together; FLOPs of one fold "
        "without test-time views on one slice, counted by torch.",
        "![Dice and EC against cost](figures/cost.png)",
        "![EC over thresholds](figures/end_slices.png)",
        "## Paired tests",
        markdown_table(
            ["figure", "frames", "pairs", "first (%)", "second (%)", "p", "p (Holm)"], _rows(tests)
        ),
        "Dice: Wilcoxon's signed-rank test, pairs are patients (the mean of both frames where both phases "
        "count). EC: McNemar's exact test, pairs are frames. Holm's correction over all tests of a pair of "
        "variants.",
    ]
    path.write_text("\n\n".join(sections) + "\n", "utf-8")


def _table(variants: Sequence[Variant]) -> str:
    phases = [phase for phase in PHASES if phase in variants[0].figures]
    header = ["variant", *(f"mean Dice, {phase}" for phase in phases)]
    header += ["RV", "myocardium", "LV", *(f"EC, {phase}" for phase in phases)]
    header += ["parameters (M)", "GFLOPs", "epochs"]
    rows = []
    for variant in variants:
        parameters, flops = variant.evaluated.cost
        whole = variant.figures["all"]
        rows.append(
            [
                variant.evaluated.name,
                *(interval(variant.figures[phase]["mean_dice"], PERCENT, 2) for phase in phases),
                *(_percent(whole[f"dice_{value}"]) for value in (1, 2, 3)),
                *(interval(variant.figures[phase][EC], PERCENT, 1) for phase in phases),
                f"{parameters / 1e6:.3f}",
                f"{flops / 1e9:.3f}",
                str(variant.evaluated.content.get("epochs") or "–"),
            ]
        )
    return markdown_table(header, rows)


def _rows(tests: Sequence[PairedTest]) -> list[list[str]]:
    return [
        [
            f"{NAMES[test.figure]}: {test.first} against {test.second}",
            test.phase,
            str(test.count),
            f"{PERCENT * test.first_mean:.2f}",
            f"{PERCENT * test.second_mean:.2f}",
            p_text(test.p),
            p_text(test.p_holm),
        ]
        for test in tests
    ]


def _percent(one: Summary) -> str:
    return f"{one.mean * PERCENT:.2f}"
