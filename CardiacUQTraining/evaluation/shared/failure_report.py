"""The tables and plots of the failure-detection benchmark on disk, as its own programs name them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from CardiacUQLib.base.json_codec import write_json
from CardiacUQLib.base.safe_files import replacing, write_whole

from .calibration_error import Reliability
from .csv_file import write_csv
from .failure_benchmark import ALL, Curve, Experiment, benchmark_curve, domains_of, results
from .failure_gather import PREDICTED_DICE, calibration_of, experiment_of
from .figure_style import DPI, PALETTE
from .markdown import markdown_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE, CALIBRATION, PAGE = "fd_metrics.csv", "calibration.csv", "benchmark.md"
CURVES = "risk_coverage_curve"
LOW_DICE = (0.7,)
SHOWN = ("aurc", "e-aurc", "norm-aurc", "spearman", "pearson", "failauc<0.7")

EXPLAINED = (
    "Risk is 1 - mean Dice, a class absent from reader and model counting 1. Names, columns and definitions "
    "are those of the benchmark of Zenk et al. (MedIA 2025): aurc and e-aurc are better when lower, "
    "norm-aurc and failauc when higher, correlations of confidence with risk when lower. `failauc<0.7` finds "
    "cases with a mean Dice below 0.7."
)

Bins = Mapping[str, Mapping[str, Reliability]]
"""Reliability by map, then by region."""


def benchmark(evaluations: Sequence[tuple[Path, str]], out: Path) -> tuple[Experiment, Path]:
    """Join folders of evaluations, each with the name of its data, and write all of it into ``out``; returns
    the experiment and the page. Raises InputError for a folder that is no evaluation."""
    whole = reduce(Experiment.then, [experiment_of(folder, domain) for folder, domain in evaluations])
    calibration = {domain: maps for folder, domain in evaluations if (maps := calibration_of(folder))}
    said = f"cardiacuq benchmark {' '.join(domain for _, domain in evaluations)} -o OUT"
    return whole, write_benchmark(whole, calibration, out, said)


def write_benchmark(experiment: Experiment, calibration: Mapping[str, Bins], out: Path, command: str) -> Path:
    """Arrays, ``fd_metrics.csv``, ``calibration.csv``, curves, plots and ``benchmark.md``; returns the page.

    ``calibration`` holds the reliability of every data set. Raises OSError if something cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    _write_arrays(experiment, out)
    rows = results(experiment, LOW_DICE)
    calibrated = calibration_rows(calibration)
    curves = _write_curves(experiment, rows, out)
    write_csv(rows, out / TABLE, "confid_name")
    write_csv(calibrated, out / CALIBRATION, "confid_name")
    pictures = {"risk_coverage.png": _risk_plot(curves), "confidence.png": _scatter(experiment)}
    if calibrated:
        pictures["reliability.png"] = _reliability_plot(calibration)
    for name, png in pictures.items():
        write_whole(out / name, png)
    return write_whole(out / PAGE, _page(experiment, rows, calibrated, list(pictures), command))


def calibration_rows(calibration: Mapping[str, Bins]) -> list[dict[str, object]]:
    """ECE, voxels and share of wrong ones of every map that claims to be P(wrong), by data set and region."""
    return [
        {
            "confid_name": name,
            "domain": domain,
            "region": region,
            "voxels": int(bins.count.sum()),
            "error_rate": float(bins.wrong.sum() / max(1.0, bins.count.sum())),
            "mean_probability": float(bins.probability_sum.sum() / max(1.0, bins.count.sum())),
            "ece": bins.ece,
        }
        for domain, maps in calibration.items()
        for name, regions in maps.items()
        for region, bins in regions.items()
    ]


def _write_arrays(experiment: Experiment, out: Path) -> None:
    """The files that the benchmark's ``ExperimentData.load`` reads."""
    arrays = {
        "confidence_scores.npz": experiment.confidence,
        "metrics.npz": experiment.metrics,
        "metrics_multi.npz": experiment.by_class,
    }
    for name, array in arrays.items():
        with replacing(out / name, suffix=".npz") as beside:
            np.savez_compressed(beside, array)
    names = {
        "confid_names.json": experiment.confidence_names,
        "case_ids.json": experiment.cases,
        "metrics_names.json": experiment.metric_names,
        "metrics_names_multi.json": experiment.class_metric_names,
        "domains.json": experiment.domains,
    }
    for name, values in names.items():
        write_json(list(values), out / name)


def _write_curves(experiment: Experiment, rows: Sequence[dict[str, object]], out: Path) -> dict[str, Curve]:
    """A file per row of the table, which gets its name; returns the curves of all cases by score."""
    (out / CURVES).mkdir(exist_ok=True)
    chosen = domains_of(experiment)
    whole = {}
    for row in rows:
        domain, score, metric = (str(row[key]) for key in ("domain", "confid_name", "metric"))
        of = experiment.confidence_names.index(score), experiment.metric_names.index(metric)
        confidence, values = (
            experiment.confidence[chosen[domain], of[0]],
            experiment.metrics[chosen[domain], of[1]],
        )
        if len(values) < 2 or not (np.isfinite(confidence).all() and np.isfinite(values).all()):
            continue
        curve = benchmark_curve(confidence, 1.0 - values)
        row[f"file_{CURVES}"] = f"{CURVES}/{domain}_{score}_{metric}.npz"
        with replacing(out / str(row[f"file_{CURVES}"]), suffix=".npz") as beside:
            np.savez(beside, coverage=curve.coverage, risk=curve.risk, weight=curve.weight)
        if domain == ALL:
            whole[score] = curve
    return whole


def _risk_plot(curves: Mapping[str, Curve]) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.subplots()
    for number, (name, curve) in enumerate(curves.items()):
        style: dict[str, Any] = {
            "color": PALETTE[number % len(PALETTE)],
            "linestyle": "-" if number < len(PALETTE) else "--",
        }
        axis.plot(curve.coverage, curve.risk, label=f"{name}, AURC {curve.area:.3f}", **style)
    axis.set(xlabel="coverage (share of cases kept, most confident first)", ylabel="risk (1 - mean Dice)")
    axis.set_xlim(0, 1)
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    return _png(figure)


def _scatter(experiment: Experiment) -> bytes:
    """Confidence against mean Dice; colours are data sets."""
    from matplotlib.figure import Figure

    names = experiment.confidence_names
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(3.5 * columns, 3.1 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    for number, axis in enumerate(grid.flat):
        if number >= len(names):
            axis.set_axis_off()
            continue
        for colour, domain in zip(PALETTE, sorted(set(experiment.domains)), strict=False):
            own = np.array(experiment.domains) == domain
            axis.scatter(
                experiment.confidence[own, number],
                experiment.metrics[own, 0],
                s=12,
                color=colour,
                label=domain,
            )
        axis.set_title(names[number], fontsize=9)
        axis.locator_params(axis="x", nbins=4)
        axis.set(xlabel="confidence", ylabel="mean Dice", ylim=(-0.02, 1.02))
        if names[number] == PREDICTED_DICE:
            axis.plot([0, 1], [0, 1], color="0.6", linewidth=1)
        axis.grid(alpha=0.3)
    grid[0][0].legend(fontsize=7)
    return _png(figure)


def _reliability_plot(calibration: Mapping[str, Bins]) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(calibration), 4.2), layout="constrained")
    for axis, (domain, maps) in zip(
        figure.subplots(1, len(calibration), squeeze=False)[0], calibration.items(), strict=True
    ):
        axis.plot([0, 1], [0, 1], color="0.6", linewidth=1)
        for number, (name, regions) in enumerate(maps.items()):
            region, bins = next(iter(regions.items()))
            axis.plot(
                bins.mean_probability,
                bins.observed,
                marker="o",
                markersize=3,
                color=PALETTE[number % len(PALETTE)],
                label=f"{name}, {region}, ECE {bins.ece:.3f}",
            )
        axis.set(title=domain, xlabel="P(wrong)", ylabel="share of wrong voxels", xlim=(0, 1), ylim=(0, 1))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    written = io.BytesIO()
    figure.savefig(written, dpi=DPI, format="png")
    return written.getvalue()


def _page(
    experiment: Experiment,
    rows: Sequence[Mapping[str, object]],
    calibrated: Sequence[Mapping[str, object]],
    pictures: Sequence[str],
    command: str,
) -> str:
    parts = [
        "# Failure detection and calibration",
        f"`{command}`",
        f"{len(experiment.cases)} cases of {', '.join(sorted(set(experiment.domains)))}. {EXPLAINED}",
        markdown_table(
            ["domain", "score", "cases", *SHOWN],
            [
                [
                    str(row["domain"]),
                    str(row["confid_name"]),
                    str(row["n_cases"]),
                    *[_number(row[n]) for n in SHOWN],
                ]
                for row in rows
            ],
        ),
    ]
    if calibrated:
        parts.append("## Calibration of P(wrong), voxels of all cases together")
        head = ["domain", "map", "region", "voxels", "wrong", "mean P(wrong)", "ECE"]
        keys = ("error_rate", "mean_probability", "ece")
        parts.append(
            markdown_table(
                head,
                [
                    [str(row[k]) for k in ("domain", "confid_name", "region", "voxels")]
                    + [_number(row[k]) for k in keys]
                    for row in calibrated
                ],
            )
        )
    parts += [f"![{name.removesuffix('.png').replace('_', ' ')}]({name})" for name in pictures]
    return "\n\n".join(parts) + "\n"


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) and value == value else "–"
