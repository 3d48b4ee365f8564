"""The tables of a cine evaluation, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from CardiacUQLib.bundles.manifest import ClassInfo
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.measures.display import SIZE_NAMES
from CardiacUQLib.measures.size_catalogue import unit_of

from ..shared.calibration_error import Reliability
from ..shared.fit_intervals import Coverage
from ..shared.markdown import PERCENT, interval, markdown_table, spread
from ..shared.scores import CROP, PREDICTED, UNION
from ..shared.statistics import Summary
from .cost import Cost
from .published import ROWS, SOURCE
from .summary import Member, SizeAgreement


def dice_section(
    name: str, classes: Sequence[ClassInfo], strata: Mapping[str, Mapping[str, Summary]], threshold: float
) -> str:
    """Dice and EC of all frames, of each phase and pathology, and Hausdorff distances."""
    structures = [info for info in classes if info.value]
    header = ["frames", "n", "mean", *(info.name for info in structures), "EC", "EC frames"]
    header += [f"{info.name} HD (mm)" for info in structures]
    rows = []
    for stratum, found in strata.items():
        dices = [found["mean_dice"], *(found[f"dice_{info.value}"] for info in structures)]
        distances = [found[f"hausdorff_{info.value}"] for info in structures]
        rows.append(
            [
                stratum,
                str(found["mean_dice"].count),
                *(spread(one, PERCENT, 1) for one in dices),
                interval(found["ec"], PERCENT, 1),
                str(found["ec"].count),
                *(spread(one, digits=1) for one in distances),
            ]
        )
    whole = next(iter(strata.values()))
    note = (
        "Dice in %, mean ± sd over frames; on all frames the mean is "
        f"{interval(whole['mean_dice'], PERCENT, 2)}. "
        f"EC: share of frames whose mean Dice on the end slices (first two, last two) exceeds {threshold:g}; "
        "end slices without all three structures in the reference do not count, frames without a counted one "
        "are left out; 95 % bootstrap interval. With the end slices of a frame taken together as one mask, "
        f"EC is {interval(whole['ec_together'], PERCENT, 1)}. HD: Hausdorff distance, 3D."
    )
    return "\n\n".join(
        ["## Segmentation", markdown_table(header, rows), note, _published(name, whole, structures)]
    )


def _published(name: str, whole: Mapping[str, Summary], structures: Sequence[ClassInfo]) -> str:
    def percent(figure: str) -> str:
        return f"**{whole[figure].mean * PERCENT:.2f}**"

    ours = ["**this model**", percent("mean_dice"), *(percent(f"dice_{info.value}") for info in structures)]
    rows = [[*ours, percent("ec")]]
    rows += [
        [row.title, *(f"{value:.2f}" for value in (row.mean, row.rv, row.myo, row.lv, row.ec))]
        for row in ROWS.get(name, ())
    ]
    if len(rows) == 1:
        return ""
    table = markdown_table(["", "mean", "RV", "MYO", "LV", "EC"], rows)
    note = f"Published: {SOURCE}. Compare only where the cases are the same."
    return "\n\n".join(["### Beside the published table", table, note])


def members_section(found: Sequence[Member], costs: Mapping[str, Cost]) -> str:
    """The ensemble and its members alone, with what each costs."""
    rows = []
    for one in found:
        tests = ["", ""] if one.p_dice != one.p_dice else [p_text(one.p_dice), p_text(one.p_end_dice)]
        cost = costs[one.name]
        rows.append(
            [
                one.name,
                spread(one.dice, PERCENT, 2),
                interval(one.ec, PERCENT, 1),
                *tests,
                f"{cost.parameters / 1e6:.3f}",
                f"{cost.flops / 1e9:.3f}",
            ]
        )
    header = ["", "mean Dice (%)", "EC (%)", "p Dice", "p end Dice", "parameters (M)", "GFLOPs per slice"]
    size = costs["ensemble"].size_px
    note = (
        "p: paired Wilcoxon test of the ensemble against the member over patients (mean of a patient's "
        "frames), Holm-corrected. FLOPs of one fold without test-time views on one slice of "
        f"{size} x {size} px, counted by torch (a multiplication and an addition are two); the heart locator "
        "is not counted."
    )
    return "\n\n".join(["## Members and cost", markdown_table(header, rows), note])


def choices_section(found: Sequence[Member]) -> str:
    """What the further views, the clean-up and the decision on base and apex bring, each left out once."""
    rows = []
    for one in found:
        tests = ["", ""] if one.p_dice != one.p_dice else [p_text(one.p_dice), p_text(one.p_end_dice)]
        rows.append([one.name, spread(one.dice, PERCENT, 2), interval(one.ec, PERCENT, 1), *tests])
    note = (
        "The views of test-time augmentation are averaged over; the clean-up leaves the main connected part "
        "of each structure; base and apex are decided on the stack as a whole where the bundle has learned "
        "it, for a held-out frame from other frames. p against the ensemble as it is shipped, as above."
    )
    table = markdown_table(["", "mean Dice (%)", "EC (%)", "p Dice", "p end Dice"], rows)
    return "\n\n".join(
        ["### What the further views, the clean-up and the decision on base and apex bring", table, note]
    )


def sweep_section(points: Sequence[tuple[float, float, float]]) -> str:
    """Fixed weights of two members; empty without them."""
    if not points:
        return ""
    header = ["weight of member 0", *(f"{weight:g}" for weight, _, _ in points)]
    rows = [
        ["mean Dice (%)", *(f"{100 * dice:.2f}" for _, dice, _ in points)],
        ["EC (%)", *(f"{100 * ec:.1f}" for _, _, ec in points)],
    ]
    return "\n\n".join(["### Fixed weights w, 1 - w on these members", markdown_table(header, rows)])


def sizes_section(found: Mapping[str, SizeAgreement]) -> str:
    """Volumes, mass and EF against the reader's; empty without patients."""
    if not found:
        return ""
    rows = []
    for key, one in found.items():
        a = one.found
        numbers = (a.bias, a.sd, a.mean_absolute_error)
        rows.append(
            [
                f"{SIZE_NAMES[key]} ({unit_of(key)})",
                str(a.count),
                *(f"{value:.2f}" for value in numbers),
                f"{a.low:.1f} to {a.high:.1f}",
                f"{one.pearson:.3f}",
                f"{a.concordance:.3f}",
            ]
        )
    header = ["", "n", "bias", "sd", "mean abs. error", "95 % limits", "Pearson r", "concordance"]
    return "\n\n".join(
        ["## Volumes, mass and ejection fraction (model - reader)", markdown_table(header, rows)]
    )


def coverage_section(found: Mapping[str, Coverage]) -> str:
    """How often 90 % intervals hold the reader's size; empty where none was fitted."""
    if not found:
        return ""
    rows = []
    for key, one in found.items():
        shares = (f"{PERCENT * share:.0f} %" for share in (one.coverage, one.below, one.above))
        scores = (f"{value:.2f}" for value in (one.mean_width, one.crps, one.crps_passes, one.crps_point))
        rows.append([f"{SIZE_NAMES[key]} ({unit_of(key)})", str(one.cases), *shares, *scores])
    header = ["", "n", "coverage", "below", "above", "mean width", "CRPS", "CRPS of passes", "CRPS of value"]
    note = (
        "90 % intervals by conformal calibration; each tenth of the cases is judged by a fit on the others. "
        "CRPS in the unit of the size, lower is better: of the calibrated distribution, of the raw passes, "
        "and of the value alone (its mean absolute error)."
    )
    return "\n\n".join(["### Intervals of sizes", markdown_table(header, rows), note])


def reliability_section(found: Mapping[str, Reliability]) -> str:
    """Calibration error of P(wrong) over the voxels of all frames together; empty where none was fitted."""
    if not found:
        return ""
    names = {UNION: "predicted or true foreground", CROP: "whole region", PREDICTED: "predicted foreground"}
    cells = (f"{names[region]} {one.ece:.3f}" for region, one in found.items())
    note = (
        "P(wrong) is fitted out of fold and judged on frames of other patients and other networks. Expected "
        f"calibration error over all voxels: {', '.join(cells)}. A voxel of the union that is predicted as "
        "background is wrong by definition, so that no map can be calibrated there and on the whole region."
    )
    return "\n\n".join(["### Calibrated P(wrong)", note])


def maps_section(found: Mapping[str, Mapping[str, Summary]]) -> str:
    """How well each uncertainty map finds wrong voxels."""
    names = ("auroc", "spearman", "pearson", "aurc", "ause", "ece")
    rows = [
        [MapName(name).info.title, *(spread(figures.get(figure), digits=3) for figure in names)]
        for name, figures in found.items()
    ]
    header = ["map", "AUROC", "Spearman", "Pearson", "AURC", "AUSE", "ECE"]
    note = (
        "Mean ± sd over frames, on the union of predicted and true foreground in the pixels of the networks; "
        "ECE only for maps that claim P(wrong)."
    )
    return "\n\n".join(["## Uncertainty", markdown_table(header, rows), note])


def p_text(p: float) -> str:
    """A p value for a table."""
    if p != p:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
