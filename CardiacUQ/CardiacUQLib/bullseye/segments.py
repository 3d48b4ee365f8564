"""What a bull's-eye shows: where each segment lies, which quantity it carries, on which fixed scale.

Scales are never stretched per case, so that two cases compare by eye; every segment also says its value
in print.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..bundles.colours import HEAT_STOPS
from ..measures.display import digits

RINGS = ((1, 6, 0.75, 1.0, 60.0), (7, 6, 0.5, 0.75, 60.0), (13, 4, 0.25, 0.5, 45.0))
"""First segment, count, inner and outer radius, start angle of the first segment of each ring."""
SHARE_STOPS = (
    "#FFFFE5",
    "#FFF7BC",
    "#FEE391",
    "#FEC44F",
    "#FE9929",
    "#EC7014",
    "#CC4C02",
    "#993404",
    "#662506",
)
"""Evenly spaced colours of ColorBrewer's YlOrBr: light for nothing, colour-blind safe, readable in grey."""


@dataclass(frozen=True)
class Quantity:
    """What a bull's-eye shows: key of the segment's entry, title, end of the fixed scale, unit, evenly spaced
    colours of that scale."""

    key: str
    title: str
    maximum: float
    unit: str
    colours: tuple[str, ...]

    def text(self, value: float) -> str:
        """Value as printed in its segment."""
        return digits(value) if self.unit == "%" else f"{value:.2f}"


INFARCT_SHARE = Quantity("infarct_share_percent", "Infarct share of segment", 100.0, "%", SHARE_STOPS)
TRANSMURALITY = Quantity(
    "transmurality_mean_percent", "Mean transmurality of infarcted chords", 100.0, "%", SHARE_STOPS
)
ERROR_PROBABILITY = Quantity(
    "mean_error_probability", "Mean probability of a wrong label", 1.0, "", HEAT_STOPS
)
WALL_THICKNESS = Quantity("wall_thickness_mm", "Wall thickness", 20.0, "mm", SHARE_STOPS)


def mean_scs(n_classes: int) -> Quantity:
    """The soft correction score with its fixed range 0 .. 2/C."""
    return Quantity("mean_scs", "Mean soft correction score", 2.0 / n_classes, "", HEAT_STOPS)


def default_quantities(items: Sequence[Mapping[str, Any]], n_classes: int = 5) -> tuple[Quantity, ...]:
    """Infarct and depth where infarct is known, else thickness; calibrated uncertainty where there is one."""
    lge = any(item["infarct_share_percent"] is not None for item in items)
    known = any(item["mean_error_probability"] is not None for item in items)
    unsure = ERROR_PROBABILITY if known else mean_scs(n_classes)
    return (INFARCT_SHARE, TRANSMURALITY, unsure) if lge else (WALL_THICKNESS, unsure)


def segments_note(measures: Mapping[str, Any]) -> str:
    """What the segments are counted from and which end is the base, for under the bull's-eyes."""
    segments = measures.get("segments")
    if not segments:
        return ""
    if segments["reference"] == "rv_insertion":
        start = "AHA 17 segments from the anterior insertion of the right ventricle"
    else:
        start = "17 sectors from 12 o'clock of the image: no RV insertion point, so not AHA segments"
    return f"{start}; base: slice {segments['base_slice'] + 1} ({segments['base_rule']})"
