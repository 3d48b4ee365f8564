"""What a review session says in numbers: the headline, the table, the bull's-eyes, the stamp."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bullseye.picture import bullseyes_picture
from CardiacUQLib.review import Review, corrected_sizes, reviewed_measures, stamp_of

from .bullseyes import fill_bullseyes
from .case_nodes import CaseNodes
from .tables import fill_measures

Point = tuple[float, float, float]


@dataclass(frozen=True)
class SegmentCount:
    """Measures with the point that their segments are counted from, and their bull's-eyes.

    ``insertion_ras`` None is 12 o'clock of the image; ``measures`` is the content of ``measures.json``,
    empty for those of the case; ``picture`` is uint8 (rows, columns, RGB).
    """

    insertion_ras: Point | None = None
    measures: Mapping[str, Any] = field(default_factory=dict)
    picture: np.ndarray | None = None


class SessionMeasures:
    """Numbers for the labels as they stand in a review; sizes at once, everything when asked for."""

    def __init__(self, review: Review) -> None:
        self.headline = ""
        self._review = review
        self._counted = SegmentCount()

    @property
    def insertion_ras(self) -> Point | None:
        """Where segments are counted from, mm in RAS; None for 12 o'clock."""
        return self._counted.insertion_ras

    @property
    def stamp(self) -> str:
        """ "reviewed by Jane Doe, 2026-01-31, 5 decisions", "" without a decision."""
        stamp = stamp_of(self._review)
        return "" if stamp is None else stamp.as_text()

    @property
    def model_headline(self) -> str:
        """What the networks' own labels gave."""
        return str(self._review.case.measures.get("headline", ""))

    def renew_sizes(self, nodes: CaseNodes) -> None:
        """Headline and sizes after a decision, in a few milliseconds."""
        sizes = corrected_sizes(self._review)
        self.headline = str(sizes.get("headline", ""))
        counted = self._counted.measures
        if "segments" in sizes and counted:  # the labels are the networks' again, and so are their segments
            sizes = {**sizes, "segments": counted["segments"], "notes": counted["notes"]}
        fill_measures(nodes.measures, sizes)

    def renew(self, nodes: CaseNodes) -> None:
        """All measures of the corrected labels into the table."""
        try:
            measures = reviewed_measures(self._review, self._counted.insertion_ras)
        except UsageError:  # an edit has moved the heart away from the point
            measures = reviewed_measures(self._review)
        fill_measures(nodes.measures, measures)

    def counted_from(self, point: Point | None) -> SegmentCount:
        """Measures with AHA segments from a point; see :meth:`ReviewSession.counted_from`."""
        measures = reviewed_measures(self._review, point)
        picture = bullseyes_picture(measures, len(self._review.case.classes))
        return SegmentCount(point, measures, picture)

    def take_count(self, count: SegmentCount, nodes: CaseNodes) -> None:
        """Let table and bull's-eyes show it, until it is counted from another point."""
        self._counted = count
        fill_measures(nodes.measures, count.measures)
        if count.picture is not None and nodes.bullseyes is not None:
            fill_bullseyes(nodes.bullseyes, count.picture)
