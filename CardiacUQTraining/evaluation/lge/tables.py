"""The report of an evaluation: one Markdown page, CSV per case, everything once more as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..shared.cases import CaseFigures
from ..shared.csv_file import write_csv
from ..shared.markdown import PERCENT, interval, markdown_table, spread
from ..shared.methods import ROWS, Stage
from ..shared.scores import CROP, LOW_DICE, UNION
from ..shared.statistics import Summary
from .annotator import FIRST_VISITS, SHOWN_VISITS, Order, OrderSummary
from .published import EMIDEC_ROWS, SOURCE
from .summary import MAP_FIGURES, Comparison


def segmentation_section(
    everyone: Mapping[str, Mapping[str, Summary]],
    pathological: Mapping[str, Mapping[str, Summary]],
    tests: Sequence[Comparison],
    class_names: Mapping[int, str],
) -> str:
    """Dice per class, 2D stage against cascade, then EMIDEC's official figures."""
    count = next(iter(everyone[Stage.CASCADE.value].values())).count
    sick = next(iter(pathological[Stage.CASCADE.value].values())).count
    names = {"mean_dice": "mean of the classes"}
    names |= {f"dice_{value}": name for value, name in class_names.items() if value}
    p_holm = {test.figure: test.p_holm for test in tests}
    header = [
        "Dice (%)",
        "2D stage",
        "cascade",
        "95 % interval",
        "p (Holm)",
        f"2D, {sick} path.",
        f"cascade, {sick} path.",
    ]
    rows = [
        [
            title,
            spread(everyone["2d"][key], PERCENT, 1),
            spread(everyone["cascade"][key], PERCENT, 1),
            interval(everyone["cascade"][key], PERCENT, 1),
            _p(p_holm[key]),
            spread(pathological["2d"][key], PERCENT, 1),
            spread(pathological["cascade"][key], PERCENT, 1),
        ]
        for key, title in names.items()
    ]
    parts = [
        f"## Segmentation ({count} cases)",
        markdown_table(header, rows),
        "Mean ± sd over patients; a class absent from prediction and truth counts 1. The interval is that of "
        "the cascade's mean (bootstrap over patients). p: paired Wilcoxon test, cascade against 2D stage.",
    ]
    official = [key for key in everyone["cascade"] if key.startswith("emidec_")]
    if official:
        parts += [
            "### EMIDEC's official figures",
            markdown_table(*_official(official, everyone, pathological)),
        ]
    return "\n\n".join(parts)


def present_section(present: Mapping[str, Mapping[int, Summary]], class_names: Mapping[int, str]) -> str:
    """Dice of every class over the cases that have it, and the mean of these."""
    slices, cascade = present[Stage.SLICES.value], present[Stage.CASCADE.value]
    rows = [
        [class_names[value], str(found.count), spread(slices[value], PERCENT, 1), spread(found, PERCENT, 1)]
        for value, found in cascade.items()
    ]
    means = [
        f"{PERCENT * float(np.mean([one.mean for one in column.values()])):.1f}"
        for column in (slices, cascade)
    ]
    rows.append(["mean of the classes", "", *means])
    return "\n\n".join(
        [
            "### Dice (%) of every class over the cases that have it",
            markdown_table(["class", "cases", "2D stage", "cascade"], rows),
            "Nothing is gained here by drawing nothing where nothing is; a lesion that is drawn in a case "
            "without one costs nothing either. The table above counts both.",
        ]
    )


def _official(
    keys: Sequence[str],
    everyone: Mapping[str, Mapping[str, Summary]],
    pathological: Mapping[str, Mapping[str, Summary]],
) -> tuple[list[str], list[list[str]]]:
    units = {
        "dice": "%",
        "volume_difference": "mm³",
        "hausdorff": "mm",
        "ratio_difference": "% of myocardium",
    }
    rows = []
    for key in keys:
        unit = next(unit for end, unit in units.items() if key.endswith(end))
        scale, digits = (PERCENT, 1) if unit == "%" else (1.0, 0 if unit == "mm³" else 1)
        title = key.removeprefix("emidec_").replace("_", " ").replace("no reflow", "no-reflow")
        columns = (everyone["2d"], everyone["cascade"], pathological["2d"], pathological["cascade"])
        rows.append([f"{title} ({unit})", *(spread(column[key], scale, digits) for column in columns)])
    return ["figure", "2D stage", "cascade", "2D, path.", "cascade, path."], rows


def uncertainty_section(summary: Mapping[str, Mapping[str, Any]], missing: Mapping[str, str]) -> str:
    """The paper's table with its rows beside ours, then all figures of both regions."""
    parts = ["## Uncertainty methods", "### Voxel level, union of predicted and true foreground (primary)"]
    parts.append(_paper_table(summary, missing))
    parts.append(f"Mean ± sd over patients; published: {SOURCE}.")
    parts.append("### Calibration and selective prediction, union region")
    parts.append(
        _region_table(summary, UNION, ("ece", "pooled_ece", "ace", "aurc", "e_aurc", "augrc", "ause"))
    )
    parts.append(
        "ECE, ACE: only for maps that claim to be P(wrong). Risk of AURC, E-AURC, AUGRC: wrong voxel; of "
        "AUSE: Brier score. Lower is better in this table."
    )
    parts.append("### Full crop")
    parts.append(
        _region_table(summary, CROP, ("auroc", "spearman", "pearson", "ece", "pooled_ece", "ace", "ause"))
    )
    parts.append(
        f"### Case level (score = mean of the map over the predicted foreground; low Dice < {LOW_DICE})"
    )
    parts.append(_case_table(summary))
    return "\n\n".join(parts)


def _paper_table(summary: Mapping[str, Mapping[str, Any]], missing: Mapping[str, str]) -> str:
    published = {row.ours: row for row in EMIDEC_ROWS}
    names = ("auroc", "spearman", "pearson")
    rows = []
    for row in ROWS:
        found = summary.get(row.key, {})
        paper = published.get(row.key)
        printed = ["–"] * 4
        if paper:
            pairs = (paper.dice, paper.auroc, paper.spearman, paper.pearson)
            printed = [f"{mean:g} ± {sd:g}" for mean, sd in pairs]
        if row.key in missing:
            rows.append([row.title, f"not available: {missing[row.key]}", "–", "–", "–", *printed])
        elif UNION in found:
            ours = [spread(found["mean_dice"], PERCENT, 1), *(spread(found[UNION][n]) for n in names)]
            rows.append([row.title, *ours, *printed])
    header = ["Method", "Dice (%)", "AUROC", "Spearman", "Pearson"]
    return markdown_table([*header, *(f"published {name}" for name in header[1:])], rows)


def _region_table(summary: Mapping[str, Mapping[str, Any]], region: str, names: Sequence[str]) -> str:
    titles = {"auroc": "AUROC", "pooled_ece": "pooled ECE", "e_aurc": "E-AURC"}
    rows = [
        [row.title, *(_cell(summary[row.key][region].get(name)) for name in names)]
        for row in ROWS
        if region in summary.get(row.key, {})
    ]
    short = [titles.get(n, n.upper() if len(n) <= 5 else n.capitalize()) for n in names]
    return markdown_table(["Method", *short], rows)


def _cell(found: Summary | float | None) -> str:
    return f"{found:.3f}" if isinstance(found, float | int) else spread(found, digits=3)


def _case_table(summary: Mapping[str, Mapping[str, Any]]) -> str:
    names = ("spearman", "pearson", "auroc_low_dice", "aurc", "e_aurc", "augrc")
    rows = []
    for row in ROWS:
        level = summary.get(row.key, {}).get("case_level")
        if level:
            rows.append([row.title, *(_number(level[name]) for name in names), str(level["low_dice_cases"])])
    header = [
        "Method",
        "Spearman with 1 - Dice",
        "Pearson",
        "AUROC low Dice",
        "AURC",
        "E-AURC",
        "AUGRC",
        "low cases",
    ]
    return markdown_table(header, rows)


def tests_section(tests: Sequence[Comparison], titles: Mapping[str, str]) -> str:
    """Paired tests between rows, one line each."""
    if not tests:
        return ""
    rows = [
        [
            f"{t.figure}: {titles[t.first]} against {titles[t.second]}",
            f"{t.mean_difference:+.3f}",
            _p(t.p),
            _p(t.p_holm),
        ]
        for t in tests
    ]
    title = "### Paired Wilcoxon tests, union region (Holm over all lines)"
    return f"{title}\n\n" + markdown_table(["comparison", "mean difference", "p", "p (Holm)"], rows)


def calibration_section(lines: Sequence[str], *, fitted: bool) -> str:
    """The figures of P(wrong) against its targets and the best single map."""
    origin = (
        "Fitted on these cases' out-of-fold predictions; every figure below comes from models fitted without "
        "the patient and without the networks that predicted it."
        if fitted
        else "By the model stored in the bundle, which was not fitted on these cases."
    )
    return "\n\n".join(
        ["### Error probability, union region", origin, "\n".join(f"- {line}" for line in lines)]
    )


def annotator_section(orders: Sequence[OrderSummary], best: Order) -> str:
    """Mean Dice and scar error by number of visits, and the gain of the first visits."""
    shown = (0, 1, 2, FIRST_VISITS, 6, SHOWN_VISITS)
    header = ["order", *(f"Dice after {n}" for n in shown)]
    header += [
        f"gain of {FIRST_VISITS} [95 %]",
        "p against random",
        "p against SCS order",
        f"scar error 0 → {FIRST_VISITS} (ml)",
        "looked at",
    ]
    rows = [
        [
            order.order.value,
            *(f"{order.dice[n]:.3f}" for n in shown),
            interval(order.dice_gain, digits=3),
            _p(order.p_against_random),
            _p(order.p_against_scs),
            f"{order.scar_error_ml[0]:.2f} → {order.scar_error_ml[FIRST_VISITS]:.2f}",
            f"{order.looked_at[FIRST_VISITS]:.1%} / {order.looked_at[6]:.1%}",
        ]
        for order in orders
    ]
    return "\n\n".join(
        [
            "## Simulated annotator: components of the correction map, most urgent first",
            markdown_table(header, rows),
            "A visit replaces the component and two voxels around it in the plane by the truth, a place "
            "worth a look (a disc in one slice), or a whole slice. "
            f"Looked at: share of the window after {FIRST_VISITS} and 6 visits. "
            f"Best order: **{best.value}**.",
        ]
    )


def write_case_tables(figures: Mapping[str, CaseFigures], out: Path) -> None:
    """``segmentation.csv`` (a line per case and stage) and ``uncertainty.csv`` (per case, row and region)."""
    lines: list[dict[str, Any]] = []
    maps: list[dict[str, Any]] = []
    for name, one in figures.items():
        start = {"case": name, "group": one.group, "folds": " ".join(map(str, one.folds))}
        lines += [start | {"stage": stage} | dict(scores) for stage, scores in one.segmentation.items()]
        for key, record in one.rows.items():
            whole = {"method": key, "mean_dice": record["mean_dice"], "case_score": record["case_score"]}
            for region in (UNION, CROP) if UNION in record else ("",):
                wanted = {n: record.get(region, {}).get(n, "") for n in (*MAP_FIGURES, "error_rate")}
                maps.append(start | whole | {"region": region} | wanted)
    write_csv(lines, out / "segmentation.csv", "case")
    write_csv(maps, out / "uncertainty.csv", "case")


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.3f}"
