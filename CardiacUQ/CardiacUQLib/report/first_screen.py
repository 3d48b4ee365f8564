"""What a report says first: predicted Dice and the sizes, in the words of their tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..bundles.classes import LESIONS
from ..bundles.manifest import ClassInfo
from ..measures.display import digits, telling_sizes
from .contents import Contents


@dataclass(frozen=True)
class Headline:
    """One size with its unit and, where known, its interval in words; ``colour`` is that of its class."""

    label: str
    value: str
    unit: str
    interval: str = ""
    colour: str = ""


@dataclass(frozen=True)
class DiceCell:
    """Predicted Dice of one structure and its range, in words."""

    structure: str
    value: str
    range: str


def millilitres(volume_ml: float) -> str:
    """A volume with one sensible digit: 0, 0.42, 3.1, 118."""
    if volume_ml == 0 or volume_ml >= 9.95:
        return f"{volume_ml:.0f}"
    return f"{volume_ml:.1f}" if volume_ml >= 0.95 else f"{volume_ml:.2f}"


def intervals_hold(contents: Contents) -> bool:
    """False for a scan so unlike those of the training that nothing measured on them holds."""
    verdict = contents.case.verdict
    return verdict is None or not verdict.nothing_holds


def dice_cells(contents: Contents) -> list[DiceCell]:
    """The Dice to be expected; a lesion of which none is drawn has contours to speak of nowhere."""
    return [
        DiceCell(one.structure, "–", "none drawn")
        if one.structure in LESIONS and not _is_drawn(one.structure, contents)
        else DiceCell(one.structure, f"{one.value:.2f}", f"{one.low:.2f}–{one.high:.2f}")
        for one in contents.case.predicted_dice
    ]


def headlines(contents: Contents) -> list[Headline]:
    """The sizes of ``measures["sizes"]`` with their intervals, or else the plain volume of every class."""
    sizes = contents.case.measures.get("sizes")
    if sizes:
        return [_size(key, entry, contents) for key, entry in telling_sizes(sizes).items()]
    colours = {info.name: info.colour for info in contents.case.classes}
    return [
        Headline(name, millilitres(volume), "ml", colour=colours.get(name, ""))
        for name, volume in contents.case.measures.get("volumes_ml", {}).items()
    ]


def _size(key: str, entry: Mapping[str, Any], contents: Contents) -> Headline:
    value, interval = entry["value"], entry.get("interval")
    between = "" if value is None else "interval not available"
    if interval is not None:
        about = f"{100 * entry['level']:.0f} %" if entry["calibrated"] else "passes"
        between = f"{about}: {digits(interval[0])}–{digits(interval[1])}"
    if not intervals_hold(contents):
        between = "no interval"
    text = "not defined" if value is None else digits(value)
    unit = "" if value is None else str(entry["unit"])
    between = "; ".join(part for part in (between, _proposed(key, contents)) if part)
    return Headline(str(entry["label"]), text, unit, between, _class_colour(key, contents.case.classes))


def _proposed(key: str, contents: Contents) -> str:
    """ "1.1 ml proposed" for the volume of a lesion of which none is drawn."""
    proposals = contents.case.proposals
    for info in contents.case.classes:
        asked = key == f"{info.name.lower()}_volume_ml" and info.name in LESIONS
        if proposals is None or not asked or _is_drawn(info.name, contents):
            continue
        if voxels := int(np.count_nonzero(proposals == info.value)):
            return f"{millilitres(voxels * contents.case.geometry.voxel_volume_ml)} ml proposed"
    return ""


def _is_drawn(lesion: str, contents: Contents) -> bool:
    values = [info.value for info in contents.case.classes if info.name in LESIONS[lesion]]
    return bool(np.isin(contents.segmentation, values).any())


def _class_colour(key: str, classes: Sequence[ClassInfo]) -> str:
    """Colour of the class whose name the key of a size starts with; that of the myocardium for LV mass."""
    for info in classes:
        if key.startswith(info.name.lower().replace(" ", "_")) or (
            key.startswith("lv_mass") and info.name.endswith("myocardium")
        ):
            return info.colour
    return ""
