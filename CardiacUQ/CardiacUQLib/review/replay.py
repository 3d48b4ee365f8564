"""From the original labels and the events of a record to the corrected labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..base.errors import InputError
from .decisions import Decision, Run, apply_runs, overwritten_by
from .record import FILE_NAME, Event, Step


@dataclass
class ReviewState:
    """Labels and decisions after some events; every applied decision keeps what it overwrote."""

    labels: np.ndarray
    decisions: list[Decision] = field(default_factory=list)
    undone: list[Decision] = field(default_factory=list)
    overwritten: list[tuple[Run, ...]] = field(default_factory=list)

    def apply(self, event: Event) -> None:
        """One event; raises IndexError or ValueError if it cannot follow the ones before."""
        if event.step is Step.UNDO:
            self.labels = apply_runs(self.labels, self.overwritten.pop())
            self.undone.append(self.decisions.pop())
            return
        if event.step is Step.REDO:
            decision = self.undone.pop()
        elif event.decision is None:
            raise ValueError(f"the event {event.step.value} lacks its decision")
        else:
            decision = event.decision
            self.undone.clear()
        self.overwritten.append(overwritten_by(self.labels, decision.runs))
        self.labels = apply_runs(self.labels, decision.runs)
        self.decisions.append(decision)


def replayed(segmentation: np.ndarray, events: tuple[Event, ...], where: Path | str) -> ReviewState:
    """State after all ``events``; raises :class:`InputError` naming ``where`` if one cannot follow."""
    state = ReviewState(np.ascontiguousarray(segmentation, np.uint8))
    try:
        for event in events:
            state.apply(event)
    except (IndexError, ValueError) as error:
        remedy = "move it away to begin the review anew"
        raise InputError(where, f"its events cannot be replayed ({error})", remedy) from error
    return state


def labels_after(
    segmentation: np.ndarray, events: tuple[Event, ...], where: Path | str = FILE_NAME
) -> np.ndarray:
    """The corrected labels: ``events`` of a record replayed on the original ``segmentation`` (k, j, i).

    Raises :class:`InputError` naming ``where`` for events that contradict each other.
    """
    return replayed(segmentation, events, where).labels
