"""The review on disk: an append-only list of events, and the same text as an attribute in a scene.

Undoing does not erase: the trail keeps who undid what and when, and replaying the events on the
original segmentation gives the corrected one together with everything that can still be redone.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from ..base.errors import InputError
from ..base.json_codec import Between
from ..base.json_file import decode_or_refuse, parse_object, read_text
from ..base.safe_files import write_whole
from .decisions import Action, Decision

FILE_NAME = "review.json"
FORMAT = "cardiacuq-review"
FORMAT_VERSION = 1


class Step(enum.StrEnum):
    """What happened to the list of decisions."""

    DECIDE = "decide"
    UNDO = "undo"
    REDO = "redo"


@dataclass(frozen=True)
class Event:
    """One step; only ``DECIDE`` carries a decision, the others only who and when (ISO 8601, UTC)."""

    step: Step
    reviewer: str
    time: str
    decision: Decision | None = None

    def as_json(self) -> dict[str, Any]:
        """The event as it stands in ``review.json``."""
        if self.decision is not None:
            return {"step": self.step.value, **self.decision.as_json()}
        return {"step": self.step.value, "reviewer": self.reviewer, "time": self.time}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Event:
        """Inverse of :meth:`as_json`."""
        step = Step(entry["step"])
        decision = Decision.from_json(entry) if step is Step.DECIDE else None
        return cls(step, str(entry["reviewer"]), str(entry["time"]), decision)

    @cached_property
    def line(self) -> str:
        """The event as its line in ``review.json``; made once, since every decision writes all lines."""
        return json.dumps(self.as_json())

    def in_words(self) -> str:
        """ "Jane: kept infarct: 2D said MVO, 3D says infarct; ..." """
        did = {Step.UNDO: "took the last decision back", Step.REDO: "brought a decision back"}
        return f"{self.reviewer}: {self.decision.what if self.decision else did[self.step]}"


@dataclass(frozen=True)
class ReviewRecord:
    """Everything that was done to one segmentation, identified by the hash of its voxels."""

    case: str
    bundle: str
    bundle_sha256: str
    segmentation_sha256: str
    events: tuple[Event, ...] = ()

    def with_event(self, event: Event) -> ReviewRecord:
        """The record with one more event."""
        return replace(self, events=(*self.events, event))

    def continues(self, other: ReviewRecord) -> bool:
        """True if this record is ``other`` plus further events (or the same)."""
        same = self.segmentation_sha256 == other.segmentation_sha256
        return same and self.events[: len(other.events)] == other.events

    def to_text(self) -> str:
        """JSON text, one event per line so that a person can read and compare it."""
        head = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "case": self.case,
            "bundle": self.bundle,
            "bundle_sha256": self.bundle_sha256,
            "segmentation_sha256": self.segmentation_sha256,
        }
        lines = ",\n".join("  " + event.line for event in self.events)
        events = f"[\n{lines}\n ]" if lines else "[]"
        return json.dumps(head, indent=1)[:-2] + f',\n "events": {events}\n}}\n'


def segmentation_sha256(labels: np.ndarray) -> str:
    """SHA-256 over shape and voxels of a uint8 label array."""
    digest = hashlib.sha256(str(labels.shape).encode())
    digest.update(np.ascontiguousarray(labels, np.uint8).tobytes())
    return digest.hexdigest()


REMEDY = "move it away to begin the review anew, or restore it from a backup"
_Voxels = Annotated[int, Between(0, 2**40)]
_Label = Annotated[int, Between(0, 255)]


@dataclass(frozen=True)
class _StoredRecord:
    case: str
    bundle: str
    bundle_sha256: str
    segmentation_sha256: str
    events: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class _StoredStep:
    step: Step
    reviewer: str
    time: str


@dataclass(frozen=True)
class _StoredDecision:
    step: Step
    action: Action
    item: str
    what: str
    label: _Label | None
    note: str
    reviewer: str
    time: str
    bundle_sha256: str
    voxels_changed: _Voxels
    runs: tuple[tuple[_Voxels, _Voxels, _Label], ...]


def parse_record(text: str, source: Path | str) -> ReviewRecord:
    """Inverse of :meth:`ReviewRecord.to_text`; raises :class:`InputError` naming ``source``."""
    content = parse_object(text, source, REMEDY)
    if content.pop("format", None) != FORMAT:
        raise InputError(source, "is not a CardiacUQ review", REMEDY)
    if (version := content.pop("format_version", None)) != FORMAT_VERSION:
        raise InputError(source, f"has review format {version}", "update CardiacUQ")
    stored: _StoredRecord = decode_or_refuse(content, _StoredRecord, "review", source, REMEDY)
    events = []
    for number, entry in enumerate(stored.events):
        kind = _StoredDecision if entry.get("step") == Step.DECIDE.value else _StoredStep
        decode_or_refuse(entry, kind, f"review.events[{number}]", source, REMEDY)
        events.append(Event.from_json(entry))
    head = (stored.case, stored.bundle, stored.bundle_sha256, stored.segmentation_sha256)
    return ReviewRecord(*head, tuple(events))


def read_record(folder: Path) -> ReviewRecord | None:
    """The review of a case folder, None if it has none; raises :class:`InputError` if damaged."""
    path = folder / FILE_NAME
    if not path.exists() and not path.is_symlink():
        return None
    return parse_record(read_text(path, REMEDY), path)


FileState = tuple[int, int, int]
"""Inode, size and time of change of ``review.json``: the same as long as nobody has replaced it."""


def file_state(folder: Path) -> FileState | None:
    """The state of the review file of a case folder, None if it has none."""
    try:
        found = (folder / FILE_NAME).stat()
    except FileNotFoundError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def write_record(record: ReviewRecord, folder: Path) -> None:
    """Replace ``review.json`` in one step: a crash leaves the old or the new file, never half of one.

    Raises :class:`InputError` if the folder cannot be written; the old file then stands.
    """
    path = folder / FILE_NAME
    try:
        write_whole(path, record.to_text())
    except OSError as error:
        raise not_stored(path, error) from error


def not_stored(where: Path | str, error: OSError) -> InputError:
    """The error that says why a decision is not on the disk."""
    problem = f"the decision could not be stored ({error.strerror})"
    return InputError(where, problem, "check space and permissions, then decide again")
