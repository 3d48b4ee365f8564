"""What ``measures.json`` must be like where it is read back; entries that nobody reads may be anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

from ..base.errors import InputError
from ..base.json_codec import Between, Count, Matches, NonNegative, Share
from ..base.json_file import decode_or_refuse, read_object
from ..measures.size_catalogue import UNITS

MEASURES_FILE = "measures.json"
_AGAIN = "segment the image again"
_SEGMENTS = 17
_Phase = Annotated[str, Matches("ED|ES", "ED or ES")]
_Number = Annotated[float, Between(-1e12, 1e12)]


@dataclass(frozen=True)
class _Size:
    OPEN_ENDED: ClassVar[bool] = True
    value: _Number | None
    interval: tuple[_Number, _Number] | None = None
    level: Share | None = None
    calibrated: bool | None = None
    label: str = ""
    unit: str = ""
    distribution: tuple[_Number, ...] | None = None


@dataclass(frozen=True)
class _Segments:
    OPEN_ENDED: ClassVar[bool] = True
    reference: str
    base_slice: Count
    base_rule: str
    items: Annotated[tuple[Mapping[str, Any], ...], Between(_SEGMENTS, _SEGMENTS)]


@dataclass(frozen=True)
class _ThresholdSize:
    OPEN_ENDED: ClassVar[bool] = True
    method: str
    share_of_lv_percent: _Number | None


@dataclass(frozen=True)
class _Thresholds:
    OPEN_ENDED: ClassVar[bool] = True
    sizes: tuple[_ThresholdSize, ...]


@dataclass(frozen=True)
class _Review:
    OPEN_ENDED: ClassVar[bool] = True
    reviewers: tuple[str, ...]
    time: str
    decisions: Count
    items: Count
    decided: Count
    flagged: Count
    model_headline: str


@dataclass(frozen=True)
class _Beat:
    cavity_ml: tuple[NonNegative | None, ...]
    frames: Mapping[str, Count]


@dataclass(frozen=True)
class _Measures:
    OPEN_ENDED: ClassVar[bool] = True
    headline: str = ""
    kind: str = ""
    method: str = ""
    phase: _Phase | None = None
    notes: tuple[str, ...] = ()
    volumes_ml: Mapping[str, NonNegative | None] = field(default_factory=dict)
    sizes: Mapping[str, _Size] = field(default_factory=dict)
    segments: _Segments | None = None
    thresholds: _Thresholds | None = None
    review: _Review | None = None
    beat: _Beat | None = None


def read_measures(folder: Path) -> dict[str, Any]:
    """``measures.json`` of a case folder as it stands now; raises InputError."""
    path = folder / MEASURES_FILE
    return checked_measures(read_object(path, _AGAIN), path)


def checked_measures(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """``document``, read from ``path``; raises InputError naming the entry that is not what it must be."""
    known: _Measures = decode_or_refuse(document, _Measures, "measures", path, _AGAIN)
    for key, size in known.sizes.items():
        if key.rsplit("_", 1)[-1] not in UNITS:
            raise InputError(path, f"measures.sizes.{key} has no unit", _AGAIN)
        _check_interval(size, f"measures.sizes.{key}", path)
    if known.beat is not None and (
        set(known.beat.frames) != {"ED", "ES"} or max(known.beat.frames.values()) >= len(known.beat.cavity_ml)
    ):
        raise InputError(path, "measures.beat names no frames of its curve", _AGAIN)
    for number, item in enumerate(known.segments.items if known.segments is not None else ()):
        _check_segment(item, f"measures.segments.items[{number}]", path)
    return document


def _check_interval(size: _Size, where: str, path: Path) -> None:
    if size.interval is not None and (size.level is None or size.calibrated is None):
        raise InputError(path, f"{where} has an interval without its level", _AGAIN)
    if size.interval is not None and size.interval[0] > size.interval[1]:
        raise InputError(path, f"{where}.interval ends before it begins", _AGAIN)


def _check_segment(item: Mapping[str, Any], where: str, path: Path) -> None:
    """Every entry of a segment is its name, its slices, or a number that may be undefined."""
    for key, value in item.items():
        wanted = {"name": str, "segments": Any, "slices": Any}.get(key, _Number | None)
        decode_or_refuse(value, wanted, f"{where}.{key}", path, _AGAIN)
