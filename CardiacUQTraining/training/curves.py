"""The curves of a training run: loss and validation Dice of every stage, one line per fold."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from CardiacUQLib.base.safe_files import write_whole

from .journal import read_log
from .run_folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVES = "curves.png"
DPI = 100
LOG_FROM = 10.0
"""Losses that fall by more than this factor are drawn on a logarithmic scale."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colour-blind-safe (Okabe and Ito), by fold."""


def read_curves(
    run: RunFolder, stages: Sequence[str], folds: Sequence[int]
) -> dict[str, dict[int, list[dict[str, str]]]]:
    """Log lines by stage and fold, of those that have begun."""
    found = {stage: {fold: read_log(run.stage(fold, stage)) for fold in folds} for stage in stages}
    return {
        stage: {fold: rows for fold, rows in by_fold.items() if rows}
        for stage, by_fold in found.items()
        if any(by_fold.values())
    }


def draw_curves(curves: Mapping[str, Mapping[int, Sequence[Mapping[str, str]]]]) -> bytes:
    """PNG with a row of two panels per stage: loss and validation Dice."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(10, 2.6 * max(1, len(curves)) + 0.4), layout="constrained")
    grid = figure.subplots(max(1, len(curves)), 2, squeeze=False)
    for (stage, by_fold), (left, right) in zip(curves.items(), grid, strict=False):
        for fold, rows in by_fold.items():
            style = {"color": COLOURS[fold % len(COLOURS)], "label": f"fold {fold}"}
            style |= {"linewidth": 1.5, "marker": "o", "markersize": 3}
            _line(left, rows, "loss", style)
            _line(right, rows, "validation_dice", style)
        left.set(ylabel="loss", title=stage)
        right.set(ylabel="validation Dice", title=stage, ylim=(0, 1))
        last = max(int(row["epoch"]) for rows in by_fold.values() for row in rows)
        losses = [float(row["loss"]) for rows in by_fold.values() for row in rows]
        if min(losses) > 0 and max(losses) > LOG_FROM * min(losses):
            left.set_yscale("log")
        for axis in (left, right):
            axis.set_xlabel("epoch")
            axis.set_xlim(0, last + 1)
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.grid(alpha=0.3)
        left.legend(fontsize=8)
    written = io.BytesIO()
    figure.savefig(written, dpi=DPI, format="png")
    return written.getvalue()


def write_curves(run: RunFolder, png: bytes) -> None:
    """``curves.png`` of the run folder, whole or not at all."""
    write_whole(run.path / CURVES, png)


def _line(axis: Axes, rows: Sequence[Mapping[str, str]], figure: str, style: Mapping[str, Any]) -> None:
    shown = [(int(row["epoch"]), float(row[figure])) for row in rows if row.get(figure)]
    if shown:
        axis.plot(*zip(*shown, strict=True), **style)
