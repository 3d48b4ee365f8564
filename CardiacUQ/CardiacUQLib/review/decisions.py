"""What a reviewer decided about one region, and which voxels that changed."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class Action(enum.StrEnum):
    """The ways to settle an item of the queue."""

    KEEP = "keep"
    TAKE_2D = "take_2d"
    ACCEPT = "accept"
    ASSIGN = "assign"
    EDITED = "edited"
    FLAG = "flag"


Run = tuple[int, int, int]
"""(first flat index in (k, j, i) order, number of voxels, new label)"""


def runs_between(before: np.ndarray, after: np.ndarray) -> tuple[Run, ...]:
    """The changed voxels of two label arrays of one shape, run-length encoded with their new labels."""
    flat_after = after.ravel()
    indices = np.flatnonzero(before.ravel() != flat_after)
    return runs_of(indices, flat_after[indices])


def runs_of(indices: np.ndarray, labels: np.ndarray) -> tuple[Run, ...]:
    """Runs of the voxels at ascending flat ``indices`` with their ``labels``, both (n,)."""
    if indices.size == 0:
        return ()
    starts = np.flatnonzero((np.diff(indices) != 1) | (np.diff(labels.astype(int)) != 0)) + 1
    first = np.concatenate([[0], starts])
    counts = np.diff(np.concatenate([first, [indices.size]]))
    return tuple(zip(indices[first].tolist(), counts.tolist(), labels[first].tolist(), strict=True))


def voxels_of(runs: Sequence[Run], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Flat indices and labels (uint8) of every voxel of the runs, in their order.

    Raises ValueError for a run that leaves an array of ``size`` voxels or a label that is no byte.
    """
    if not runs:
        return np.zeros(0, np.int64), np.zeros(0, np.uint8)
    starts, counts, labels = np.array(runs, np.int64).T
    wrong = (starts < 0) | (counts < 1) | (counts > size) | (starts > size - counts)
    if wrong.any():
        start, count, _ = runs[int(wrong.argmax())]
        raise ValueError(f"run {start}+{count} leaves an array of {size} voxels")
    if labels.min() < 0 or labels.max() > 255:
        raise ValueError("labels lie in 0 to 255")
    if counts.sum() > size:
        raise ValueError("the runs hold more voxels than the array")
    offsets = np.repeat(starts - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
    return offsets + np.arange(counts.sum()), np.repeat(labels, counts).astype(np.uint8)


def apply_runs(labels: np.ndarray, runs: tuple[Run, ...]) -> np.ndarray:
    """A copy of ``labels`` (uint8) with the runs written into it; ValueError if one leaves the array."""
    changed = np.array(labels, np.uint8, order="C")
    indices, new = voxels_of(runs, changed.size)
    changed.reshape(-1)[indices] = new
    return changed


def overwritten_by(labels: np.ndarray, runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """The runs that undo ``runs`` after they were applied to ``labels``; ValueError as above."""
    indices = np.unique(voxels_of(runs, labels.size)[0])
    return runs_of(indices, labels.reshape(-1)[indices])


@dataclass(frozen=True)
class Decision:
    """One entry of the audit trail.

    ``item`` is the key of the queue item or "" for an edit made outside the queue; ``label`` is the
    class given by ``ASSIGN`` or ``ACCEPT``; ``time`` is ISO 8601 in UTC; ``runs`` are the changed voxels
    in the order of the case folder's files.
    """

    action: Action
    item: str
    what: str
    reviewer: str
    time: str
    bundle_sha256: str
    runs: tuple[Run, ...] = ()
    label: int | None = None
    note: str = ""

    @property
    def voxels_changed(self) -> int:
        """Number of voxels whose label this decision changed."""
        return sum(count for _, count, _ in self.runs)

    def as_json(self) -> dict[str, Any]:
        """The decision as it stands in ``review.json``."""
        return {
            "action": self.action.value,
            "item": self.item,
            "what": self.what,
            "label": self.label,
            "note": self.note,
            "reviewer": self.reviewer,
            "time": self.time,
            "bundle_sha256": self.bundle_sha256,
            "voxels_changed": self.voxels_changed,
            "runs": [list(run) for run in self.runs],
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Decision:
        """Inverse of :meth:`as_json`; raises KeyError, TypeError or ValueError on anything else."""
        return cls(
            action=Action(entry["action"]),
            item=str(entry["item"]),
            what=str(entry["what"]),
            reviewer=str(entry["reviewer"]),
            time=str(entry["time"]),
            bundle_sha256=str(entry["bundle_sha256"]),
            runs=tuple((int(start), int(count), int(label)) for start, count, label in entry["runs"]),
            label=None if entry["label"] is None else int(entry["label"]),
            note=str(entry["note"]),
        )
