"""Which record a review goes on from, and whether it is still the newest when a decision is to be stored."""

from __future__ import annotations

from pathlib import Path

from ..base.errors import ConflictError, InputError
from .belonging import check_belongs
from .case_maps import CaseMaps
from .record import FILE_NAME, FileState, ReviewRecord, file_state, read_record, segmentation_sha256

_TOLD = 3
"""How many of the decisions of someone else a refusal names."""


def starting_record(case: CaseMaps, given: ReviewRecord | None, where: Path | str) -> ReviewRecord:
    """``given`` or the ``review.json`` of the case folder, whichever is longer; a new one without either.

    Raises InputError naming ``where`` for a record of another segmentation, or two that contradict.
    """
    empty = ReviewRecord(case.name, case.bundle, case.bundle_sha256, segmentation_sha256(case.segmentation))
    stored = read_record(case.folder) if case.folder is not None else None
    records = [record for record in (stored, given) if record is not None]
    for record in records:
        check_belongs(record, case.segmentation, len(case.classes), where)
    if len(records) == 2 and not (records[0].continues(records[1]) or records[1].continues(records[0])):
        problem = "the review in the scene and the one in the case folder differ"
        raise InputError(where, problem, "show the case folder anew")
    return max(records, key=lambda record: len(record.events), default=empty)


def refuse_stale(record: ReviewRecord, seen: FileState | None, folder: Path) -> None:
    """Raise ConflictError if ``review.json`` holds what ``record``, read in state ``seen``, does not.

    The error says what was decided meanwhile.
    """
    now = file_state(folder)
    if now is None or now == seen:
        return
    stored = read_record(folder)
    if stored is None or record.continues(stored):
        return
    known = len(record.events) if stored.continues(record) else 0
    news = "; ".join(event.in_words() for event in stored.events[known:][-_TOLD:]) or "it was begun anew"
    raise ConflictError(
        f"{folder / FILE_NAME}: the review was changed meanwhile ({news}); open the case anew"
    )
