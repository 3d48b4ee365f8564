"""Pictures of a cine evaluation, drawn without matplotlib's global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..shared.agreement import SizeRecord, bland_altman_figure
from ..shared.calibration_error import Reliability
from ..shared.figure_style import DPI, PALETTE
from .end_slices import end_coefficient

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES_SHOWN = ("ef_percent", "edv_ml", "esv_ml", "lv_mass_g")
FEWEST_PATIENTS = 2


@dataclass(frozen=True)
class CostPoint:
    """One variant in the figure of Dice against cost; Dice and EC from 0 to 1."""

    name: str
    dice: float
    ec: float
    parameters: int
    flops: int


def cost_figure(points: Sequence[CostPoint]) -> Figure:
    """Dice and EC against FLOPs per slice; the area of a marker grows with the parameters (Fig. 4)."""
    figure = _figure(8.4, 3.6)
    most = max(point.parameters for point in points)
    for axes, figure_name, title in zip(
        figure.subplots(1, 2), ("dice", "ec"), ("Mean Dice (%)", "End Coefficient (%)"), strict=True
    ):
        labels: dict[tuple[float, float], list[str]] = {}
        for number, point in enumerate(points):
            y = 100 * getattr(point, figure_name)
            if not np.isfinite(y):
                continue
            area = 60 + 500 * point.parameters / most
            axes.scatter(point.flops / 1e9, y, s=area, color=PALETTE[number % len(PALETTE)], alpha=0.6)
            spot = (round(point.flops / 1e9, 3), round(y, 2))
            labels.setdefault(spot, []).append(f"{point.name}\n{point.parameters / 1e6:.2f} M")
        for spot, lines in labels.items():  # variants on one spot share a label
            axes.annotate("\n".join(lines), spot, textcoords="offset points", xytext=(9, 4), fontsize=7.5)
        axes.margins(0.28)
        axes.set_xlabel("GFLOPs per slice", fontsize=9)
        axes.set_title(title, fontsize=10)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
    return figure


def threshold_figure(end_dices: Mapping[str, ArrayLike], threshold: float) -> Figure:
    """EC over all thresholds, for the ensemble and its members; the chosen threshold marked."""
    figure = _figure(4.8, 3.4)
    axes = figure.subplots()
    thresholds = np.linspace(0, 1, 101)
    for number, (name, values) in enumerate(end_dices.items()):
        share = [100 * end_coefficient(values, t) for t in thresholds]
        width = 2.2 if number == 0 else 1.3
        axes.plot(thresholds, share, label=name, color=PALETTE[number % len(PALETTE)], linewidth=width)
    axes.axvline(threshold, color="#222222", linewidth=1, linestyle=":")
    axes.set_xlabel("threshold on the Dice of the end slices", fontsize=9)
    axes.set_ylabel("EC (% of frames)", fontsize=9)
    axes.legend(fontsize=8)
    axes.tick_params(labelsize=8)
    return figure


def sweep_figure(points: Sequence[tuple[float, float, float]], ours: tuple[float, float]) -> Figure:
    """Mean Dice and EC of fixed weights (Fig. 2), with the bundle's own combination as a dashed line."""
    figure = _figure(8.0, 3.2)
    weights, *curves = (np.array(column) for column in zip(*points, strict=True))
    titles = ("Mean Dice (%)", "End Coefficient (%)")
    for axes, values, own, title in zip(figure.subplots(1, 2), curves, ours, titles, strict=True):
        axes.plot(weights, 100 * values, "o-", color=PALETTE[0], label="fixed weights")
        axes.axhline(100 * own, color=PALETTE[1], linestyle="--", label="as trained")
        axes.set_xlabel("weight of member 0", fontsize=9)
        axes.set_title(title, fontsize=10)
        axes.legend(fontsize=8)
        axes.tick_params(labelsize=8)
    return figure


def sizes_figure(records: Sequence[SizeRecord]) -> Figure | None:
    """Bland-Altman plots of EF, volumes and mass; None for fewer than two patients."""
    if len(records) < FEWEST_PATIENTS:
        return None
    return bland_altman_figure(records, SIZES_SHOWN)


def reliability_figure(found: Mapping[str, Reliability]) -> Figure | None:
    """Share of wrong voxels against P(wrong), by region; the area of a marker grows with its voxels."""
    if not found:
        return None
    figure = _figure(4.4, 4.0)
    axes = figure.subplots()
    axes.plot((0, 1), (0, 1), color="#999999", linewidth=1, linestyle=":")
    for number, (region, bins) in enumerate(found.items()):
        area = 8 + 60 * np.sqrt(bins.count / max(bins.count.max(), 1))
        colour = PALETTE[number % len(PALETTE)]
        axes.plot(bins.mean_probability, bins.observed, color=colour, linewidth=1, label=region)
        axes.scatter(bins.mean_probability, bins.observed, s=area, color=colour)
    axes.set_xlabel("P(wrong)", fontsize=9)
    axes.set_ylabel("share of wrong voxels", fontsize=9)
    axes.legend(fontsize=8)
    axes.tick_params(labelsize=8)
    return figure


def save(figures: Mapping[str, Figure | None], folder: Path) -> list[Path]:
    """Write the figures there are as PNG files named after their keys."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures.items():
        if figure is not None:
            paths.append(folder / f"{name}.png")
            figure.savefig(paths[-1], dpi=DPI)
    return paths


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
