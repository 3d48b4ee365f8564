"""Review of one case, as plain data: the queue, the decisions, their undoing, the training case.

>>> review = Review(CaseMaps.from_result(result), reviewer="Jane Doe")   # doctest: +SKIP
>>> review.take_2d(0); review.undo(); export_reviewed(review, folder)    # doctest: +SKIP
"""

from .case_maps import RANKING, CaseMaps
from .decisions import Action, Decision
from .export import export_reviewed
from .items import ItemKind, ReviewItem
from .record import ReviewRecord, parse_record, read_record
from .review import ELSEWHERE, ItemStatus, Progress, Review

__all__ = [
    "ELSEWHERE",
    "RANKING",
    "Action",
    "CaseMaps",
    "Decision",
    "ItemKind",
    "ItemStatus",
    "Progress",
    "Review",
    "ReviewItem",
    "ReviewRecord",
    "export_reviewed",
    "parse_record",
    "read_record",
]
