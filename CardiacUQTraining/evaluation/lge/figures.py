"""Pictures of an evaluation: reliability, risk against coverage, spread over patients, examples, visits.

Drawn with matplotlib's figure objects, never through its global state, so that they can be made
anywhere without a display.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from CardiacUQLib.bundles.manifest import ClassInfo
from CardiacUQLib.images.slice_number import slice_number

from ..shared.cases import CaseArrays, CaseFigures
from ..shared.figure_style import DPI, PALETTE
from ..shared.methods import ROWS, Row, Stage
from ..shared.scores import CURVE_POINTS, UNION
from .annotator import OrderSummary
from .summary import pooled_reliability, row_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WORST_CASES = 4
"""How many cases of lowest Dice are shown below the best and the median one."""


def save_figures(
    figures: Mapping[str, CaseFigures],
    arrays_of: Callable[[str], CaseArrays],
    error_probability: Mapping[str, np.ndarray],
    classes: Sequence[ClassInfo],
    orders: Sequence[OrderSummary],
    out: Path,
) -> list[Path]:
    """Draw everything there are figures for; returns the PNG files, in the order of the page."""
    out.mkdir(parents=True, exist_ok=True)
    drawings: dict[str, Callable[[], Figure]] = {
        "boxplots": lambda: box_plots(figures),
        "risk_coverage": lambda: risk_coverage_plot(figures),
        "example_cases": lambda: example_cases(figures, arrays_of, error_probability, classes),
    }
    if any(row.is_probability for row in shown_rows(figures)):
        drawings["reliability"] = lambda: reliability_plot(figures)
    if orders:
        drawings["visits"] = lambda: visits_plot(orders)
    paths = []
    for name, draw in drawings.items():
        path = out / f"{name}.png"
        draw().savefig(path, dpi=DPI)
        paths.append(path)
    return paths


def shown_rows(figures: Mapping[str, CaseFigures]) -> list[Row]:
    """Rows with a map in at least one case."""
    return [row for row in ROWS if any(UNION in one.rows.get(row.key, {}) for one in figures.values())]


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _style(row: Row, rows: Sequence[Row]) -> dict[str, object]:
    methods = list(dict.fromkeys(r.method for r in rows))
    colour = PALETTE[methods.index(row.method) % len(PALETTE)]
    return {"color": colour, "linestyle": "--" if row.stage is Stage.SLICES else "-", "linewidth": 1.6}


def box_plots(figures: Mapping[str, CaseFigures]) -> Figure:
    """AUROC and Pearson of every row over the patients, and the Dice of the row's segmentation."""
    rows = shown_rows(figures)
    figure = _figure(12, 0.34 * len(rows) + 1.4)
    axes = figure.subplots(1, 3, sharey=True)
    dice = {
        row: [one.rows[row.key]["mean_dice"] for one in figures.values() if row.key in one.rows]
        for row in rows
    }
    panels = (
        ("AUROC (union)", {row: row_values(figures, row, UNION, "auroc") for row in rows}),
        ("Pearson (union)", {row: row_values(figures, row, UNION, "pearson") for row in rows}),
        ("mean Dice of the row's labels", dice),
    )
    for axis, (title, values) in zip(axes, panels, strict=True):
        finite = [np.asarray(values[row], float)[np.isfinite(values[row])] for row in rows]
        axis.boxplot(finite, orientation="horizontal", showmeans=True, widths=0.6)
        axis.set_title(title, fontsize=10)
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(range(1, len(rows) + 1), [row.title for row in rows], fontsize=8)
    axes[0].invert_yaxis()
    return figure


def risk_coverage_plot(figures: Mapping[str, CaseFigures]) -> Figure:
    """Share of wrong voxels among the most certain ones, mean over the patients, union region."""
    rows = shown_rows(figures)
    figure = _figure(10, 5)
    axes = figure.subplots(1, 2, sharey=True)
    for axis, stage in zip(axes, Stage, strict=True):
        for row in (row for row in rows if row.stage is stage):
            curves = [
                one.rows[row.key][UNION]["risk_curve"] for one in figures.values() if _has_curve(one, row)
            ]
            style = _style(row, rows) | {"linestyle": "-"}
            axis.plot(CURVE_POINTS, np.mean(curves, axis=0), label=row.title, **style)
        axis.set_xlabel("coverage (share of voxels kept, most certain first)")
        axis.set_title("2D stage" if stage is Stage.SLICES else "cascade", fontsize=10)
        axis.grid(alpha=0.3)
        if axis.get_lines():
            axis.legend(fontsize=8)
    axes[0].set_ylim(bottom=0)  # after all curves: a limit that is set early cuts those of the other stage
    axes[0].set_ylabel("share of wrong voxels")
    return figure


def _has_curve(one: CaseFigures, row: Row) -> bool:
    return bool(one.rows.get(row.key, {}).get(UNION, {}).get("risk_curve"))


def reliability_plot(figures: Mapping[str, CaseFigures]) -> Figure:
    """Observed share of wrong voxels against P(wrong), all cases pooled, and how many voxels each bin has."""
    rows = [row for row in shown_rows(figures) if row.is_probability]
    figure = _figure(9, 4.2)
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], color="0.6", linewidth=1)
    for row in rows:
        bins = pooled_reliability(figures, row, UNION)
        style = _style(row, rows)
        left.plot(
            bins.mean_probability,
            bins.observed,
            marker="o",
            markersize=3,
            label=f"{row.title}, ECE {bins.ece:.3f}",
            **style,
        )
        right.plot((np.arange(len(bins.count)) + 0.5) / len(bins.count), np.maximum(bins.count, 1), **style)
    left.set(xlabel="P(wrong)", ylabel="observed share of wrong voxels", xlim=(0, 1), ylim=(0, 1))
    left.legend(fontsize=8)
    right.set(xlabel="P(wrong)", ylabel="voxels (union region)", yscale="log", xlim=(0, 1))
    for axis in (left, right):
        axis.grid(alpha=0.3)
    return figure


def visits_plot(orders: Sequence[OrderSummary]) -> Figure:
    """Mean Dice and residual scar error against the number of visited regions."""
    figure = _figure(10, 4.2)
    left, right = figure.subplots(1, 2)
    for number, order in enumerate(orders):
        style = {"color": PALETTE[number], "marker": "o", "markersize": 3, "label": order.order.value}
        left.plot(order.dice, **style)
        right.plot(order.scar_error_ml, **style)
    left.set(xlabel="visits", ylabel="mean Dice")
    right.set(xlabel="visits", ylabel="residual scar volume error (ml)")
    left.legend(fontsize=8)
    for axis in (left, right):
        axis.grid(alpha=0.3)
    return figure


def example_cases(
    figures: Mapping[str, CaseFigures],
    arrays_of: Callable[[str], CaseArrays],
    error_probability: Mapping[str, np.ndarray],
    classes: Sequence[ClassInfo],
) -> Figure:
    """The best, the median and the worst cases by Dice, each in the slice with most wrong voxels: truth,
    prediction, wrong voxels, and P(wrong), or SCS where there is none, on its fixed scale."""
    from CardiacUQLib.bundles.map_catalogue import MapName

    order = sorted(figures, key=lambda case: figures[case].segmentation[Stage.CASCADE.value]["mean_dice"])
    worst = order[:WORST_CASES]
    shown = {order[-1]: "best", order[len(order) // 2]: "median"} | dict.fromkeys(worst, "among the worst")
    figure = _figure(11, 2.7 * len(shown))
    grid = figure.subplots(len(shown), 4, squeeze=False)
    for axes, (case, rank) in zip(grid, shown.items(), strict=True):
        arrays = arrays_of(case)
        wrong = arrays.segmentation != arrays.truth
        z = int(wrong.sum(axis=(1, 2)).argmax())
        dice = figures[case].segmentation[Stage.CASCADE.value]["mean_dice"]
        panels = (
            (f"{case}, {rank}\nslice {slice_number(z)}: truth", arrays.truth),
            (f"prediction, Dice {dice:.2f}", arrays.segmentation),
            ("wrong voxels", None),
        )
        for axis, (title, labels) in zip(axes, panels, strict=False):
            axis.imshow(arrays.image[z], cmap="gray")
            axis.set_title(title, fontsize=9)
            if labels is not None:
                _outline(axis, labels[z], classes)
        axes[2].imshow(np.ma.masked_equal(wrong[z], False), cmap="autumn_r", vmin=0, vmax=1, alpha=0.6)
        if case in error_probability:
            heat, title, top = error_probability[case][z], "P(wrong), 0 to 1", 1.0
        else:
            heat, title, top = arrays.maps[MapName.SCS][z], "SCS, 0 to 0.4", 2.0 / len(classes)
        axes[3].imshow(heat, cmap="inferno", vmin=0, vmax=top)
        axes[3].set_title(title, fontsize=9)
        for axis in axes:
            axis.set_axis_off()
    return figure


def _outline(axis: Axes, labels: np.ndarray, classes: Sequence[ClassInfo]) -> None:
    for info in classes:
        mask = labels == info.value
        if info.value and mask.any():
            axis.contour(mask, levels=[0.5], colors=[info.colour], linewidths=1.0)
