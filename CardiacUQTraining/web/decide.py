"""One request that changes a case: checked, decided, on the disk, and only then answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from CardiacUQLib.base.errors import ConflictError, UsageError
from CardiacUQLib.review import ELSEWHERE, Decision, Review, export_reviewed
from CardiacUQLib.review.decisions import runs_between

from .cases import Cases, OpenCase
from .payload import state_of
from .rle import parse_runs

LONGEST_NOTE = 500
_TOLD = 3

Action = Callable[[Review, Mapping[str, Any]], Decision | None]


def decide(case: OpenCase, action: str, content: Mapping[str, Any], cases: Cases) -> dict[str, Any]:
    """Do what a request asks for; returns the new state and the runs of voxels that changed.

    ``content["revision"]`` is what the page has seen; the request is refused with what was done since
    if that is not all. Raises ConflictError, UsageError or ValueError; then nothing has changed.
    """
    if action == "export":
        return _export(case, cases)
    do = ACTIONS.get(action)
    if do is None:
        raise UsageError("there is no such action")
    review = case.review
    _refuse_unseen(case, _whole(content, "revision"))
    before = review.labels
    decision = do(review, content)
    runs = [list(run) for run in runs_between(before, review.labels)]
    item = None if decision is None else decision.item
    return {"state": state_of(case), "changed": runs, "item": item}


def _refuse_unseen(case: OpenCase, revision: int) -> None:
    events = case.review.record.events
    if revision == len(events):
        return
    news = "; ".join(event.in_words() for event in events[max(0, revision) :][-_TOLD:])
    raise ConflictError(f"the case was changed meanwhile ({news or 'it was read anew'}); it is shown anew")


def _export(case: OpenCase, cases: Cases) -> dict[str, Any]:
    case.publish()
    target = export_reviewed(case.review, cases.exports)
    return {"state": state_of(case), "changed": [], "item": None, "exported": str(target)}


def _flag(review: Review, content: Mapping[str, Any]) -> Decision:
    note = content.get("note", "")
    if not isinstance(note, str) or len(note) > LONGEST_NOTE:
        raise ValueError(f"a note is a text of at most {LONGEST_NOTE} letters")
    return review.flag(_item(review, content), note)


def _paint(review: Review, content: Mapping[str, Any]) -> Decision | None:
    index = ELSEWHERE if content.get("item") is None else _item(review, content)
    return review.paint(index, parse_runs(content.get("runs")))


ACTIONS: Mapping[str, Action] = {
    "keep": lambda review, content: review.keep(_item(review, content)),
    "accept": lambda review, content: review.accept(_item(review, content)),
    "take_2d": lambda review, content: review.take_2d(_item(review, content)),
    "assign": lambda review, content: review.assign(_item(review, content), _whole(content, "label")),
    "flag": _flag,
    "paint": _paint,
    "undo": lambda review, content: review.undo(),
    "redo": lambda review, content: review.redo(),
}
"""What can be asked for, by the last part of the address."""


def _item(review: Review, content: Mapping[str, Any]) -> int:
    key = content.get("item")
    index = review.index_of(key) if isinstance(key, str) else ELSEWHERE
    if index == ELSEWHERE:
        raise UsageError("the case has no such region")
    return index


def _whole(content: Mapping[str, Any], name: str) -> int:
    value = content.get(name)
    if type(value) is not int or not np.iinfo(np.int32).min <= value <= np.iinfo(np.int32).max:
        raise ValueError(f'"{name}" must be a whole number')
    return value
