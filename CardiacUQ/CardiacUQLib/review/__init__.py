"""Review of one case, as plain data: the queue, the decisions, their undoing, the training case.

review = Review(CaseMaps.of(result), reviewer="Jane Doe")
review.take_2d(0)
export_reviewed(review, folder)
"""

from .belonging import corrected_labels
from .case_maps import RANKING, CaseMaps
from .decisions import Action, Decision
from .export import export_reviewed
from .items import ItemKind, ReviewItem
from .phases import OtherPhase, other_phase
from .queue import QueuedCase, next_open_case, read_queue
from .record import Event, ReviewRecord, parse_record, read_record
from .replay import labels_after
from .review import ELSEWHERE, ItemStatus, Progress, Review
from .sizes import corrected_measures, corrected_sizes, corrected_study
from .stamp import Stamp, reviewed_measures, stamp_in, stamp_of

__all__ = [
    "ELSEWHERE",
    "RANKING",
    "Action",
    "CaseMaps",
    "Decision",
    "Event",
    "ItemKind",
    "ItemStatus",
    "OtherPhase",
    "Progress",
    "QueuedCase",
    "Review",
    "ReviewItem",
    "ReviewRecord",
    "Stamp",
    "corrected_labels",
    "corrected_measures",
    "corrected_sizes",
    "corrected_study",
    "export_reviewed",
    "labels_after",
    "next_open_case",
    "other_phase",
    "parse_record",
    "read_queue",
    "read_record",
    "reviewed_measures",
    "stamp_in",
    "stamp_of",
]
