"""The figures of an evaluation that travel with a bundle: in its manifest and on its model card."""

from __future__ import annotations

from collections.abc import Sequence

from CardiacUQLib.bundles.manifest import ClassInfo
from CardiacUQLib.measures.display import SIZE_NAMES
from CardiacUQLib.measures.size_catalogue import unit_of

from ..assessment.figures import assessment_headline
from ..shared.agreement import SizeRecord
from ..shared.fit_intervals import Coverage
from ..shared.markdown import PERCENT, interval, spread
from ..shared.methods import Method, Row, Stage
from ..shared.scores import UNION
from .analysis import Analysis
from .calibrate import ROW
from .report import pathological_cases
from .summary import present_dice, row_summary, segmentation_summary, stage_comparisons

SCS = Row(Stage.CASCADE, Method.SCS)
CARD_SIZES = ("lv_mass_g", "infarct_volume_ml", "infarct_share_of_lv_percent")
LESIONS = {"infarct_volume_ml": "Infarct", "mvo_volume_ml": "MVO"}


def headline(analysis: Analysis, classes: Sequence[ClassInfo]) -> dict[str, str]:
    """What a reader of the card of a cascade wants to know, by the name of the figure."""
    judged = analysis.judged
    sick = pathological_cases(judged)
    everyone, ill = segmentation_summary(judged.figures), segmentation_summary(judged.figures, sick)
    tests = {test.figure: test for test in stage_comparisons(judged.figures)}
    rows = row_summary(judged.figures)
    cascade, slices = everyone[Stage.CASCADE.value], everyone[Stage.SLICES.value]
    figures = {
        f"mean Dice, cascade ({len(judged.figures)} cases, absent from both = 1)": _percent(
            spread(cascade["mean_dice"], PERCENT, 1), interval(cascade["mean_dice"], PERCENT, 1)
        ),
        "mean Dice, 2D stage": f"{spread(slices['mean_dice'], PERCENT, 1)} % (paired Wilcoxon against the "
        f"cascade, Holm: p = {tests['mean_dice'].p_holm:.2g})",
    }
    if present := present_dice(judged.figures, [info.value for info in classes if info.value])["cascade"]:
        mean = PERCENT * sum(one.mean for one in present.values()) / len(present)
        figures["mean Dice, cascade, each class over the cases that have it"] = f"{mean:.1f} %"
    if SCS.key in rows:
        raw = spread(rows[SCS.key]["mean_dice"], PERCENT, 1)
        figures["mean Dice, cascade without the lesion limit"] = f"{raw} %"
    for info in classes:
        if info.value:
            figures[f"Dice, {info.name}"] = f"{spread(cascade[f'dice_{info.value}'], PERCENT, 1)} %"
    if "emidec_myocardium_dice" in cascade:
        whole = spread(cascade["emidec_myocardium_dice"], PERCENT, 1)
        figures["Dice, whole myocardium with infarct and MVO"] = f"{whole} %"
    if sick:
        name = f"mean / infarct / MVO Dice on the {len(sick)} pathological cases"
        chosen = ("mean_dice", "dice_3", "dice_4")
        ours = ill[Stage.CASCADE.value]
        figures[name] = " / ".join(f"{ours[key].mean * PERCENT:.1f}" for key in chosen if key in ours) + " %"
    for row in (SCS, ROW):
        if UNION in rows.get(row.key, {}):
            figures[f"{row.title}, union region: AUROC / Spearman / Pearson"] = " / ".join(
                f"{rows[row.key][UNION][name].mean:.3f}" for name in ("auroc", "spearman", "pearson")
            )
    if analysis.verdict is not None:
        figures["P(wrong), pooled ECE: union / predicted foreground / full crop"] = (
            f"{analysis.verdict.pooled_ece:.3f} / {analysis.verdict.pooled_ece_predicted:.3f} / "
            f"{analysis.verdict.pooled_ece_crop:.3f}"
        )
    if analysis.assessment is not None:
        figures |= assessment_headline(analysis.assessment)
    return figures | _found(analysis.sizes.records if analysis.sizes else ()) | _sizes(analysis)


def _found(records: Sequence[SizeRecord]) -> dict[str, str]:
    """Per lesion, in how many of the cases that have it, and of those that have not, the model shows some."""
    lines = {}
    for key, name in LESIONS.items():
        shown = [(one.reference[key] > 0, one.predicted[key] > 0) for one in records if key in one.reference]
        have = [predicted for reference, predicted in shown if reference]
        have_not = [predicted for reference, predicted in shown if not reference]
        if have:
            lines[f"{name} shown at all"] = f"in {sum(have)} of {len(have)} cases that have it" + (
                f", in {sum(have_not)} of {len(have_not)} that have not" if have_not else ""
            )
    return lines


def _sizes(analysis: Analysis) -> dict[str, str]:
    found = {}
    for key in CARD_SIZES:
        sizes = analysis.sizes
        agreement = None if sizes is None else sizes.agreement.get(key)
        if sizes is None or agreement is None:
            continue
        unit = unit_of(key)
        text = (
            f"bias {agreement.bias:+.1f} {unit}, limits of agreement {agreement.low:.1f} to "
            f"{agreement.high:.1f} {unit}, CCC {agreement.concordance:.2f}"
        )
        if key in sizes.coverage:
            text += f"; 90 % intervals cover {_covered(sizes.coverage[key], unit)}"
        if sizes.reviewed is not None and key in sizes.reviewed.coverage:
            text += f"; of reviewed cases {_covered(sizes.reviewed.coverage[key], unit)}"
        found[f"{SIZE_NAMES[key]} against the reader"] = text
    return found


def _covered(one: Coverage, unit: str) -> str:
    return f"{100 * one.coverage:.0f} %, {one.mean_width:.1f} {unit} wide"


def _percent(value: str, with_interval: str) -> str:
    return f"{value} % [{with_interval.partition('[')[2]}"
