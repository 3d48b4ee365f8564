"""Small histograms for the cohort page: bins, axis and the cases that stand out, in pixels of an SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .case import Row, State

WIDTH, HEIGHT = 300, 120
LEFT, RIGHT, TOP, BASE = 10, 290, 34, 96
MOST_BINS = 24
MOST_DOTS = 40
PREFERRED = (
    "infarct_share_of_lv_percent", "infarct_volume_ml", "mvo_volume_ml", "lv_mass_g", "ef_percent",
    "predicted_dice_mean", "edv_ml", "blood_pool_volume_ml",
    "mean_error_probability", "mean_scs", "regions", "corrected_share",
    "contrast", "bright_tail", "slice_distance_mm",
)  # fmt: skip
MOST_HISTOGRAMS = 8


@dataclass(frozen=True)
class Bin:
    """One bin: its rectangle and what it holds."""

    x: float
    width: float
    y: float
    height: float
    words: str


@dataclass(frozen=True)
class Dot:
    """One case that stands out, at its value."""

    x: float
    y: float
    name: str
    words: str


@dataclass(frozen=True)
class AxisTick:
    """One number of the axis."""

    x: float
    label: str


@dataclass(frozen=True)
class Histogram:
    """One quantity over the finished cases."""

    key: str
    title: str
    median: str
    cases: int
    bars: tuple[Bin, ...]
    dots: tuple[Dot, ...]
    ticks: tuple[AxisTick, ...]


def histograms(
    rows: Iterable[Row], apart: Mapping[str, Sequence[str]], titles: Mapping[str, str]
) -> tuple[Histogram, ...]:
    """The quantities that vary over the finished cases, the most telling first, eight at most."""
    done = [row for row in rows if row.state is State.DONE]
    found = []
    for key in PREFERRED:
        values = {
            row.name: value
            for row in done
            for group in (row.measures, row.uncertainty, row.features)
            if (value := group.get(key)) is not None
        }
        if len(set(values.values())) > 1:
            marked = [name for name in values if key in apart.get(name, ())]
            found.append(_histogram(key, titles.get(key, key.replace("_", " ")), values, marked))
    return tuple(found[:MOST_HISTOGRAMS])


def _histogram(key: str, title: str, values: Mapping[str, float], marked: Sequence[str]) -> Histogram:
    array = np.array(list(values.values()))
    ticks = nice_ticks(float(array.min()), float(array.max()))
    low, high = min(ticks[0], float(array.min())), max(ticks[-1], float(array.max()))
    bins = int(np.clip(np.ceil(np.sqrt(len(array))), 5, MOST_BINS))
    counts, edges = np.histogram(array, bins, (low, high))

    def place(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * (value - low) / (high - low)

    bars = tuple(
        Bin(
            x=round(place(a) + 0.5, 1),
            width=round(place(b) - place(a) - 1, 1),
            y=round(BASE - (BASE - TOP) * count / counts.max(), 1),
            height=round((BASE - TOP) * count / counts.max(), 1),
            words=f"{number(a)} to {number(b)}: {count} case{'' if count == 1 else 's'}",
        )
        for count, a, b in zip(counts, edges[:-1], edges[1:], strict=True)
        if count
    )
    dots = tuple(
        Dot(round(place(values[name]), 1), 90 - 8 * (n % 3), name, f"{name}: {number(values[name])}")
        for n, name in enumerate(sorted(marked, key=lambda name: -abs(values[name] - np.median(array))))
        if n < MOST_DOTS
    )
    axis = tuple(
        AxisTick(round(place(tick), 1), label) for tick, label in zip(ticks, tick_labels(ticks), strict=True)
    )
    return Histogram(key, title, number(float(np.median(array))), len(array), bars, dots, axis)


def nice_ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers from at most ``low`` to at least ``high`` in steps of 1, 2 or 5 times a power of ten."""
    step = (high - low) / about
    power = 10.0 ** np.floor(np.log10(step))
    step = power * next(factor for factor in (1, 2, 5, 10) if step <= factor * power * (1 + 1e-9))
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    return [float(n * step) for n in np.arange(first, last + 1)]


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """The numbers of an axis with as many decimals as tell them apart."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [f"{tick + 0.0:.{decimals}f}" if abs(tick) > step / 2 else "0" for tick in ticks]


def number(value: float) -> str:
    """Three significant digits, without exponents where people would not write any."""
    if value == 0:
        return "0"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
