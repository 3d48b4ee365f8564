"""Every voxel-wise map once: its key, the words and numbers it is told by, and how far it goes.

A map that is added here, and computed where the others are (``inference/accumulators.py``,
``inference/ensemble.py``), is stored in the case folder, offered in Slicer, told per cohort and judged by
the evaluation; with a DICOM entry it is also a column of the report, a line per slice and a DICOM object.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Self

from .classes import private
from .manifest import BundleKind, Code

BOTH = frozenset(BundleKind)
CASCADE = frozenset({BundleKind.CASCADE})
STREAMING = frozenset({BundleKind.STREAMING})
SEGMENTATION_SERIES, REPORT_SERIES = 1, 4
"""Series numbers of the DICOM objects that are no maps, beside those of :class:`DicomMap`."""

_PARTIES = {
    BundleKind.CASCADE: "the 2D and 3D stages",
    BundleKind.STREAMING: "the members of the ensemble",
    BundleKind.COMPARISON: "the two opinions",
}


class Use(enum.IntEnum):
    """How far a map goes: each use includes those before it."""

    STORED = 0
    """Kept in the case folder."""
    JUDGED = 1
    """Claims to point at errors: a row of the evaluation."""
    OFFERED = 2
    """A heat map for the reader; its mean over the heart is told of every case of a cohort."""
    REPORTED = 3
    """A column of the report, a line per slice, a DICOM object."""


@dataclass(frozen=True)
class DicomMap:
    """Concept of a reported map and the number of its series after the source's."""

    code: Code
    series: int


@dataclass(frozen=True)
class MapInfo:
    """What is known about a map; its place in the table is its rank, best first.

    ``title`` is for legends and tables, ``name`` for the selector, ``explanation`` for below a column
    ("{parties}" stands for whose opinions differ); ``highest`` gives the largest value for a number of
    classes, the fixed end of its scale; ``kinds`` are the methods that have it. ``calibrated`` maps are
    fitted to be the probability that a label is wrong and come before all others where there is one;
    ``is_probability`` claims to be that too. ``falling`` maps are 1 - doubt: 1 where nothing is in doubt.
    """

    title: str
    name: str
    explanation: str
    highest: Callable[[int], float]
    kinds: frozenset[BundleKind] = BOTH
    use: Use = Use.STORED
    dicom: DicomMap | None = None
    calibrated: bool = False
    is_probability: bool = False
    falling: bool = False

    def explain(self, kind: BundleKind) -> str:
        """The explanation for the method of a case."""
        return self.explanation.format(parties=_PARTIES[kind])


def _one(classes: int) -> float:
    return 1.0


def _two_by_classes(classes: int) -> float:
    return 2.0 / classes


def _variance(classes: int) -> float:
    return (1.0 - 1.0 / classes) / classes


def _member(what: str, number: int) -> MapInfo:
    title = f"{what} of member {number + 1}"
    return MapInfo(title, title.lower(), f"{what.lower()} of a member at each pixel", _one, STREAMING)


def _of_2d_stage(what: str, highest: Callable[[int], float], *, falling: bool = False) -> MapInfo:
    title = f"{what} (2D)"
    return MapInfo(title, title.lower(), f"{what.lower()} of the 2D stage", highest, CASCADE, falling=falling)


@enum.unique
class MapName(enum.StrEnum):
    """Voxel-wise maps; the value is the file stem in the case folder and the key in manifests, for ever.

    The plain names belong to the final prediction, ``*_2D`` to the 2D stage of the cascade, ``*_member*``
    to the members of a cine ensemble (of more than four, the first four are kept).
    """

    info: MapInfo

    def __new__(cls, key: str, info: MapInfo) -> Self:
        """A member whose value is ``key`` alone."""
        member = str.__new__(cls, key)
        member._value_ = key
        member.info = info
        return member

    SCS = (
        "scs",
        MapInfo(
            "SCS",
            "Soft Correction Score (SCS)",
            "Soft Correction Score: how far {parties} are apart",
            _two_by_classes,
            use=Use.REPORTED,
            dicom=DicomMap(private("SCS", "Soft correction score"), series=2),
        ),
    )
    UNCERTAINTY = (
        "uncertainty",
        MapInfo(
            "Uncertainty",
            "uncertainty of the ensemble",
            "how little {parties} commit themselves",
            _one,
            STREAMING,
            Use.REPORTED,
            DicomMap(private("UNCERT", "Uncertainty of the segmentation"), series=5),
        ),
    )
    ENTROPY = (
        "entropy",
        MapInfo("Entropy", "entropy", "entropy of the mean prediction, in nats", math.log, use=Use.OFFERED),
    )
    MUTUAL_INFORMATION = (
        "mutual_information",
        MapInfo(
            "Mutual information",
            "mutual information",
            "what the passes or members disagree about, in nats",
            math.log,
            use=Use.OFFERED,
        ),
    )
    VARIANCE = (
        "variance",
        MapInfo(
            "Variance", "variance", "variance of the passes, mean over classes", _variance, use=Use.OFFERED
        ),
    )
    MAX_PROBABILITY = (
        "max_probability",
        MapInfo(
            "Maximum probability",
            "maximum probability",
            "probability of the most likely class",
            _one,
            use=Use.JUDGED,
            is_probability=True,
            falling=True,
        ),
    )
    ERROR_PROBABILITY = (
        "error_probability",
        MapInfo(
            "P(wrong)",
            "probability of error",
            "calibrated probability that the label is wrong",
            _one,
            use=Use.REPORTED,
            dicom=DicomMap(private("PWRONG", "Probability that the label is wrong"), series=3),
            calibrated=True,
            is_probability=True,
        ),
    )
    VARIANCE_2D = "variance_2d", _of_2d_stage("Variance", _variance)
    ENTROPY_2D = "entropy_2d", _of_2d_stage("Entropy", math.log)
    MUTUAL_INFORMATION_2D = "mutual_information_2d", _of_2d_stage("Mutual information", math.log)
    MAX_PROBABILITY_2D = "max_probability_2d", _of_2d_stage("Maximum probability", _one, falling=True)
    SIGMA_0 = "sigma_member0", _member("Consistency", 0)
    SIGMA_1 = "sigma_member1", _member("Consistency", 1)
    SIGMA_2 = "sigma_member2", _member("Consistency", 2)
    SIGMA_3 = "sigma_member3", _member("Consistency", 3)
    WEIGHT_0 = "weight_member0", _member("Weight", 0)
    WEIGHT_1 = "weight_member1", _member("Weight", 1)
    WEIGHT_2 = "weight_member2", _member("Weight", 2)
    WEIGHT_3 = "weight_member3", _member("Weight", 3)


SIGMAS = (MapName.SIGMA_0, MapName.SIGMA_1, MapName.SIGMA_2, MapName.SIGMA_3)
"""How consistently each member of a cine ensemble sees one class over the slices; the same in all slices."""

WEIGHTS = (MapName.WEIGHT_0, MapName.WEIGHT_1, MapName.WEIGHT_2, MapName.WEIGHT_3)
"""What each member counts at each pixel."""


def maps_used(use: Use, present: Collection[MapName] = tuple(MapName)) -> tuple[MapName, ...]:
    """Those of the ``present`` maps that go at least as far as ``use``, by rank: calibrated ones first."""
    chosen = [name for name in MapName if name.info.use >= use and name in present]
    return tuple(sorted(chosen, key=lambda name: not name.info.calibrated))


def plain_first(names: Collection[MapName]) -> tuple[MapName, ...]:
    """The same maps with the calibrated ones last: for ranking slices and for columns."""
    return tuple(sorted((name for name in MapName if name in names), key=lambda name: name.info.calibrated))


def check_map(name: str, info: MapInfo) -> None:
    """Raise ValueError, naming the map, for an entry that would fail later: at a report or an export."""
    if not all((info.title, info.name, info.explanation, info.kinds)):
        raise ValueError(f"map {name}: title, name, explanation and kinds must not be empty")
    for kind in info.kinds:
        info.explain(kind)
    if any(not 0 < info.highest(classes) < math.inf for classes in (2, 16)):
        raise ValueError(f"map {name}: its highest value must be a positive number")
    if (info.use is Use.REPORTED) != (info.dicom is not None):
        raise ValueError(f"map {name}: a reported map, and no other, has a DICOM code")


def check_maps() -> None:
    """Raise ValueError, naming the map, for the first wrong or double entry of the table."""
    taken: dict[object, str] = {SEGMENTATION_SERIES: "the segmentation", REPORT_SERIES: "the report"}
    for member in MapName:
        info = member.info
        check_map(member.value, info)
        marks: list[object] = [info.title, info.name]
        marks += [] if info.dicom is None else [info.dicom.code.value, info.dicom.series]
        for mark in marks:
            if taken.setdefault(mark, member.value) != member.value:
                raise ValueError(f"map {member.value}: {mark!r} is that of {taken[mark]}")
