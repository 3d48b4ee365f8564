"""A size with everything a reader needs to trust it: value, interval, how the passes spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .display import SIZE_NAMES, unit_of
from .intervals import Interval, interval_of


@dataclass(frozen=True, eq=False)
class Size:
    """One reported size; ``key`` ends in its unit (``_ml``, ``_g``, ``_percent``).

    ``value`` is None where undefined (a share of nothing). ``distribution`` are equally likely values.
    """

    key: str
    value: float | None
    interval: Interval | None = None
    distribution: np.ndarray | None = None

    def as_json(self) -> dict[str, Any]:
        """Entry of ``measures.json``."""
        return {
            "label": SIZE_NAMES[self.key],
            "unit": unit_of(self.key),
            "value": self.value,
            "interval": None if self.interval is None else [self.interval.low, self.interval.high],
            "level": None if self.interval is None else self.interval.level,
            "calibrated": None if self.interval is None else self.interval.calibrated,
            "distribution": None if self.distribution is None else [float(v) for v in self.distribution],
        }


def sizes_with_intervals(
    values: Mapping[str, float | None],
    passes: Mapping[str, np.ndarray] | None,
    fitted: Mapping[str, Any] | None,
) -> dict[str, Size]:
    """Attach to every value the interval from its passes."""
    sizes = {}
    for key, value in values.items():
        interval, distribution = interval_of(key, value, None if passes is None else passes.get(key), fitted)
        sizes[key] = Size(key, value, interval, distribution)
    return sizes


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Shares in percent of each pass, NaN where the whole is nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, 100.0 * part / whole, np.nan)
