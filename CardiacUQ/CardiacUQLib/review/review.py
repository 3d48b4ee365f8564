"""The review itself: original labels, the events that led to the corrected ones, and the queue."""

from __future__ import annotations

import enum
import getpass
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ..base.case_lock import CaseLock
from ..base.errors import UsageError
from ..bundles.manifest import BundleKind
from .agenda import agenda_of
from .case_maps import CaseMaps
from .decisions import Action, Decision, Run, apply_runs, runs_between
from .items import ItemKind, ReviewItem, card_text
from .record import FILE_NAME, Event, ReviewRecord, Step, file_state, not_stored, write_record
from .replay import replayed
from .resume import refuse_stale, starting_record

ELSEWHERE = -1
"""Item index of an edit that belongs to no item of the queue."""


class ItemStatus(enum.StrEnum):
    """Where one item stands; the values are the names of Slicer's segment status."""

    NOT_STARTED = "NotStarted"
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FLAGGED = "Flagged"


@dataclass(frozen=True)
class Progress:
    """How far the review is: items worth a look, of these decided and flagged, decisions in force."""

    items: int
    decided: int
    flagged: int
    decisions: int

    @property
    def done(self) -> bool:
        """True if every item has a decision."""
        return self.decided == self.items

    def as_text(self) -> str:
        """ "done, 5 decisions, 1 flagged" or "2 of 5 decided, 1 flagged" """
        count = f"{self.decisions} decision{'' if self.decisions == 1 else 's'}"
        head = f"done, {count}" if self.done else f"{self.decided} of {self.items} decided"
        return f"{head}, {self.flagged} flagged" if self.flagged else head


def utc_now() -> str:
    """Now in ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Review:
    """Walks the queue of one case and keeps what was decided.

    Labels are uint8 (k, j, i) in the order of the case's files. Every decision is in ``review.json``
    of the case folder before the call returns; if it cannot be written (InputError), or if another
    program is writing to the case or has changed its review meanwhile (ConflictError), nothing has
    changed. A case without a folder is kept in memory only.

    The first decision makes this process the one writer of the case, until :meth:`release`.
    """

    def __init__(
        self,
        case: CaseMaps,
        reviewer: str = "",
        *,
        record: ReviewRecord | None = None,
        now: Callable[[], str] = utc_now,
    ) -> None:
        """Begin, or resume from ``record`` or the case folder's ``review.json``, whichever is longer.

        Raises :class:`InputError` if a record is damaged, belongs to another segmentation, or if
        the two records contradict each other.
        """
        self.case = case
        self.reviewer = reviewer or getpass.getuser()
        self._agenda = agenda_of(case)
        self._now = now
        self._lock = None if case.folder is None else CaseLock(case.folder, self.reviewer)
        self._seen = None if case.folder is None else file_state(case.folder)
        self.record = starting_record(case, record, self._where)
        self._state = replayed(case.segmentation, self.record.events, self._where)

    # -- what there is to decide

    @property
    def items(self) -> tuple[ReviewItem, ...]:
        """All stops: those worth a look, best first, then what is folded behind one line."""
        return self._agenda.items

    @property
    def listed(self) -> int:
        """How many of the items are worth a look; progress counts these."""
        return self._agenda.listed

    @property
    def regions(self) -> np.ndarray | None:
        """Position of the item of every voxel, int32 (k, j, i), from 1, 0 in none; None where items are
        slices."""
        return self._agenda.regions

    def mask(self, index: int) -> np.ndarray:
        """Boolean (k, j, i): the voxels that a decision about item ``index`` may change."""
        if self._agenda.regions is None:
            return self.case.slice_mask(self.items[index].number)
        return self._agenda.regions == index + 1

    def card_text(self, index: int) -> str:
        """The line on the card of item ``index``."""
        return card_text(self.case, self.items, self.listed, index)

    # -- what stands now

    @property
    def labels(self) -> np.ndarray:
        """The corrected labels."""
        return self._state.labels

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The decisions in force, oldest first."""
        return tuple(self._state.decisions)

    @property
    def can_undo(self) -> bool:
        """True if a decision is in force."""
        return bool(self._state.decisions)

    @property
    def can_redo(self) -> bool:
        """True if the last thing that happened was an undo."""
        return bool(self._state.undone)

    def status(self, index: int) -> ItemStatus:
        """Status of item ``index`` by its latest decision in force."""
        for decision in reversed(self._state.decisions):
            if decision.item == self.items[index].key:
                flagged = decision.action is Action.FLAG
                return ItemStatus.FLAGGED if flagged else ItemStatus.COMPLETED
        return ItemStatus.NOT_STARTED

    def progress(self) -> Progress:
        """Counts over the items worth a look."""
        states = [self.status(index) for index in range(self.listed)]
        decided = sum(state != ItemStatus.NOT_STARTED for state in states)
        return Progress(len(states), decided, states.count(ItemStatus.FLAGGED), len(self._state.decisions))

    def first_open(self) -> int:
        """Index of the first undecided item worth a look, the last if all are decided, -1 without any."""
        states = [self.status(index) for index in range(self.listed)]
        return states.index(ItemStatus.NOT_STARTED) if ItemStatus.NOT_STARTED in states else len(states) - 1

    # -- decisions

    def keep(self, index: int) -> Decision:
        """The final network was right: its label stands in this item, but what a hand has painted stays."""
        painted = self._painted_by_hand()
        after = np.where(self.mask(index) & ~painted, self.case.segmentation, self.labels)
        kept = "what was painted" if (self.mask(index) & painted).any() else self._final(index)
        return self._decide(Action.KEEP, index, after, f"kept {kept}")

    def take_2d(self, index: int) -> Decision:
        """The 2D stage was right: its labels replace the item's. Raises UsageError if there is none."""
        if self.case.opinion is None:
            raise UsageError(
                f"{self.case.name}: the case has no 2D stage to take labels from; give a class instead"
            )
        after = np.where(self.mask(index), self.case.opinion, self.labels)
        first = self.case.kind.opinions[0]
        whose = f"the {first}" if self.case.kind is BundleKind.CASCADE else f"{first}'s"
        return self._decide(Action.TAKE_2D, index, after, f"took {whose} label")

    def accept(self, index: int) -> Decision:
        """What the item proposes is there: its outline becomes the proposed label.

        Raises UsageError for an item that proposes nothing.
        """
        label = self.items[index].proposed
        if label is None:
            raise UsageError("nothing is proposed here; keep it, give it a class or edit it by hand")
        after = np.where(self.mask(index), np.uint8(label), self.labels)
        what = f"accepted the proposed {self.case.class_name(label)}"
        return self._decide(Action.ACCEPT, index, after, what, label=label)

    def assign(self, index: int, label: int) -> Decision:
        """Neither was right: what is in question here becomes ``label``: the component, the outline of a
        proposal, of another place the voxels that its words are about.

        Raises UsageError for a slice, a place without such voxels, and a label that is no class.
        """
        values = [info.value for info in self.case.classes]
        if label not in values:
            raise UsageError(
                f"label {label} is no class of this case; give one of {', '.join(map(str, values))}"
            )
        if self.items[index].kind is ItemKind.SLICE:
            raise UsageError("a whole slice cannot be given one class; edit it by hand")
        where = self._questioned(index)
        if not where.any():
            raise UsageError("no outline here could be given one class; edit it by hand")
        after = np.where(where, np.uint8(label), self.labels)
        return self._decide(
            Action.ASSIGN, index, after, f"gave it {self.case.class_name(label)}", label=label
        )

    def flag(self, index: int, note: str = "") -> Decision:
        """Someone else has to look at this item; no voxel changes."""
        return self._decide(Action.FLAG, index, self.labels, "flagged", note=note)

    def edited(self, index: int, labels: np.ndarray) -> Decision:
        """What a hand has painted: ``labels`` (k, j, i) is the whole edited segmentation.

        ``index`` is the item it settles, ``ELSEWHERE`` for none. Raises ValueError for another shape
        or a label value that is no class.
        """
        if labels.shape != self.labels.shape:
            raise ValueError(f"edited labels of shape {labels.shape} on a case of shape {self.labels.shape}")
        strange = set(np.unique(labels).tolist()) - {info.value for info in self.case.classes}
        if strange:
            raise ValueError(f"edited labels hold {sorted(strange)}, which are no classes")
        return self._decide(Action.EDITED, index, labels, "edited by hand")

    def paint(self, index: int, runs: Sequence[Run]) -> Decision | None:
        """One stroke of a brush: ``runs`` of flat (k, j, i) index, number of voxels and label.

        One decision like :meth:`edited`, so strokes are undone one by one; None if no voxel changes.
        Raises ValueError for a run outside the volume or a label that is no class.
        """
        after = apply_runs(self.labels, tuple(runs))
        return None if np.array_equal(after, self.labels) else self.edited(index, after)

    def undo(self) -> Decision | None:
        """Take back the latest decision in force and return it; None if there is none."""
        return self._step_back_or_forth(Step.UNDO) if self.can_undo else None

    def redo(self) -> Decision | None:
        """Bring back the decision that was undone last and return it; None if there is none."""
        return self._step_back_or_forth(Step.REDO) if self.can_redo else None

    def index_of(self, key: str) -> int:
        """Index of the item with this key, ``ELSEWHERE`` if no item has it."""
        return next((n for n, item in enumerate(self.items) if item.key == key), ELSEWHERE)

    # -- keeping it

    def hold(self) -> None:
        """Become the one writer of the case now; raises ConflictError naming the one who is."""
        if self._lock is not None:
            try:
                self._lock.acquire()
            except OSError as error:
                raise not_stored(self._where, error) from error

    def release(self) -> None:
        """Let others write to the case; the next decision takes it again."""
        if self._lock is not None:
            self._lock.release()

    def _painted_by_hand(self) -> np.ndarray:
        """Boolean (k, j, i): the voxel's label comes from an edit, not from a decision about a region."""
        painted = np.zeros(self.labels.size, bool)
        for decision in self._state.decisions:
            for start, count, _ in decision.runs:
                painted[start : start + count] = decision.action is Action.EDITED
        return painted.reshape(self.labels.shape)

    def _questioned(self, index: int) -> np.ndarray:
        """Boolean (k, j, i): the voxels of item ``index`` whose label its words put in question."""
        mask, questioned = self.mask(index), self._agenda.questioned
        return mask if questioned is None else mask & questioned

    def _final(self, index: int) -> str:
        became = self.items[index].became
        return "the final label" if became is None else self.case.class_name(became)

    def _decide(
        self,
        action: Action,
        index: int,
        after: np.ndarray,
        what: str,
        *,
        label: int | None = None,
        note: str = "",
    ) -> Decision:
        item = "" if index == ELSEWHERE else self.items[index].key
        decision = Decision(
            action=action,
            item=item,
            what=what if index == ELSEWHERE else f"{what}: {self.card_text(index)}",
            reviewer=self.reviewer,
            time=self._now(),
            bundle_sha256=self.case.bundle_sha256,
            runs=runs_between(self.labels, np.asarray(after, np.uint8)),
            label=label,
            note=note,
        )
        self._commit(Event(Step.DECIDE, decision.reviewer, decision.time, decision))
        return decision

    def _step_back_or_forth(self, step: Step) -> Decision:
        decision = self._state.decisions[-1] if step is Step.UNDO else self._state.undone[-1]
        self._commit(Event(step, self.reviewer, self._now()))
        return decision

    def _commit(self, event: Event) -> None:
        """Write first, then change memory: what the reader sees is never ahead of the disk."""
        record = self.record.with_event(event)
        if self.case.folder is not None:
            self.hold()
            refuse_stale(self.record, self._seen, self.case.folder)
            write_record(record, self.case.folder)
            self._seen = file_state(self.case.folder)
        self.record = record
        self._state.apply(event)

    @property
    def _where(self) -> Path | str:
        return self.case.name if self.case.folder is None else self.case.folder / FILE_NAME
