"""The words of a cohort: what is asked for (case, options), what is sent (ticket), what comes back (row)."""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from CardiacUQLib.images.volume import folder_name
from CardiacUQLib.studies.options import CaseOptions

STATE_FOLDER = ".cohort"
"""Folder inside the output folder that holds lock, tries and logs of internal errors."""

ROW_FILE = "cohort-row.json"
"""The row of a case inside its own case folder: it appears and disappears with the case."""


class State(enum.StrEnum):
    """What became of one input."""

    FAILED = "failed"
    DONE = "done"
    PENDING = "pending"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Case:
    """One scan to segment. ``files`` are those of a DICOM series in slice order, empty otherwise.

    A ``cine`` is a 4D file, or end-diastole in ``source`` and end-systole in ``es_source``: one case with two
    case folders, ``NAME_ED`` and ``NAME_ES``. Of a ``private`` one nothing that a header says of patient or
    examination is written.
    """

    name: str
    source: str
    bundle: str
    options: CaseOptions = field(default_factory=CaseOptions)
    series: str = ""
    files: tuple[str, ...] = ()
    cine: bool = False
    private: bool = False
    es_source: str = ""

    @property
    def folders(self) -> tuple[str, ...]:
        """Names of its case folders; the last one is written last and holds the row."""
        return (f"{self.name}_ED", f"{self.name}_ES") if self.cine else (self.name,)

    @property
    def shown_series(self) -> str:
        """The series as it is written: itself, or a pseudonym."""
        return pseudonym(self.series) if self.private else self.series


@dataclass(frozen=True)
class Skipped:
    """One input that is not segmented, and why."""

    name: str
    source: str
    reason: str
    series: str = ""


@dataclass(frozen=True)
class Plan:
    """What the inputs of a cohort amount to."""

    cases: tuple[Case, ...]
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class Ticket:
    """All that travels to the process which segments a case: paths and options, never arrays.

    ``out`` and ``bundle_folder`` must be the same places there. ``threads`` 0 leaves torch as it is;
    ``device`` "" takes that of the options.
    """

    name: str
    source: str
    series: str
    out: str
    bundle_folder: str
    bundle_sha256: str
    options: CaseOptions
    threads: int = 0
    device: str = ""
    cine: bool = False
    private: bool = False
    es_source: str = ""

    @property
    def shown_series(self) -> str:
        """The series as it is written: itself, or a pseudonym."""
        return pseudonym(self.series) if self.private else self.series


@dataclass(frozen=True)
class Row:
    """One line of ``cohort.csv``, and all that comes back from the process which did the work.

    ``report`` is the page of the case, from the output folder. ``measures`` by key with the unit at its
    end; ``uncertainty`` are means over the voxels that either stage calls foreground, and the number of
    regions to look at; ``features`` describe the input; ``flags`` say what looks unlike the training
    data. ``verdict`` is a word of :class:`CardiacUQLib.uncertainty.verdict.Word`, "" where the bundle cannot
    give one. Times in s, memory in MB.
    """

    name: str
    state: State
    source: str
    reason: str = ""
    series: str = ""
    headline: str = ""
    verdict: str = ""
    verdict_reason: str = ""
    report: str = ""
    measures: Mapping[str, float | None] = field(default_factory=dict)
    uncertainty: Mapping[str, float | None] = field(default_factory=dict)
    features: Mapping[str, float | None] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    tries: int = 0
    worker: str = ""
    finished: str = ""
    input_sha256: str = ""
    bundle: str = ""
    bundle_sha256: str = ""
    options: str = ""
    export_problem: str = ""
    review: str = ""
    reviewed: bool = False


def safe_name(text: str) -> str:
    """``text`` as the name of a case folder: no slashes, no control characters, not hidden."""
    return folder_name(re.sub(r'[\x00-\x1f/\\:*?"<>|]+', "_", text).strip(" ."))


def pseudonym(series: str) -> str:
    """What stands for a series where patient data are not written; "" for none."""
    return hashlib.sha256(series.encode("utf-8", "backslashreplace")).hexdigest()[:12] if series else ""
