"""A review belongs to one segmentation: its record is used with that one and with no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..base.errors import InputError
from ..cases.case import CaseView
from .record import FILE_NAME, ReviewRecord, read_record, segmentation_sha256
from .replay import labels_after

_REMEDY = "move it away or segment the volume again"


def check_belongs(record: ReviewRecord, segmentation: np.ndarray, classes: int, where: Path | str) -> None:
    """Raise InputError unless ``record`` is of this ``segmentation`` (k, j, i) and gives ``classes`` only."""
    if record.segmentation_sha256 != segmentation_sha256(segmentation):
        raise InputError(where, "the review belongs to another segmentation", _REMEDY)
    labels = {label for event in record.events if event.decision for _, _, label in event.decision.runs}
    if strange := sorted(label for label in labels if label >= classes):
        raise InputError(where, f"the review gives label {strange[0]}, which is no class", _REMEDY)


def corrected_labels(case: CaseView) -> tuple[np.ndarray, ReviewRecord | None]:
    """Labels (z, y, x) with whatever a reader has changed, and the review; None without one.

    Raises InputError for a review that is damaged or belongs to another segmentation.
    """
    record = None if case.folder is None else read_record(case.folder)
    if case.folder is None or record is None:
        return case.segmentation, None
    where, stored = case.folder / FILE_NAME, case.storage.to_stored(case.segmentation)
    check_belongs(record, stored, len(case.classes), where)
    return case.storage.from_stored(labels_after(stored, record.events, where)), record
