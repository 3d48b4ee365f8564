"""Who reviewed a case, when and how much: the stamp that ``measures.json`` carries after a review."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..base.json_codec import decode, to_plain
from .review import Review
from .sizes import Point, corrected_measures

REVIEW_KEY = "review"


@dataclass(frozen=True)
class Stamp:
    """What ``measures.json`` says about the review: names in order of appearance, the time of the last
    decision (ISO 8601, UTC), decisions in force, stops of the queue, of these decided and flagged, and the
    headline that the networks' own labels had."""

    reviewers: tuple[str, ...]
    time: str
    decisions: int
    items: int
    decided: int
    flagged: int
    model_headline: str

    def as_text(self) -> str:
        """ "reviewed by Jane Doe, 2026-01-31, 5 decisions, 1 flagged, 2 open" """
        who = ", ".join(self.reviewers)
        parts = [f"reviewed by {who}", self.time[:10]]
        parts.append(f"{self.decisions} decision{'' if self.decisions == 1 else 's'}")
        parts += [f"{self.flagged} flagged"] if self.flagged else []
        parts += [f"{self.items - self.decided} open"] if self.decided < self.items else []
        return ", ".join(parts)


def stamp_of(review: Review) -> Stamp | None:
    """The stamp of a review, None if no decision is in force."""
    if not review.decisions:
        return None
    progress = review.progress()
    return Stamp(
        reviewers=tuple(dict.fromkeys(decision.reviewer for decision in review.decisions)),
        time=max(decision.time for decision in review.decisions),
        decisions=progress.decisions,
        items=progress.items,
        decided=progress.decided,
        flagged=progress.flagged,
        model_headline=str(review.case.measures.get("headline", "")),
    )


def stamp_in(measures: Mapping[str, Any]) -> Stamp | None:
    """The stamp in the content of a ``measures.json``, None without a review."""
    entry = measures.get(REVIEW_KEY)
    if not isinstance(entry, Mapping):
        return None
    return decode(entry, Stamp, "review")


def reviewed_measures(review: Review, rv_insertion_ras: Point | None = None) -> dict[str, Any]:
    """Content of ``measures.json`` after the review, with its stamp; the networks' own without decisions.

    Raises :class:`UsageError` for an insertion point that is not beside the left ventricle.
    """
    stamp = stamp_of(review)
    measures = corrected_measures(review, rv_insertion_ras)
    if stamp is None:
        return measures
    # Volumes per class are the corrected ones too; the method is still the networks'.
    sizes = {
        info.name: round(float((review.labels == info.value).sum()) * review.case.geometry.voxel_volume_ml, 4)
        for info in review.case.classes
        if info.value
    }
    kept = {
        key: review.case.measures[key]
        for key in ("method", "phase", "comparison")
        if key in review.case.measures
    }
    return {**measures, **kept, "volumes_ml": sizes, REVIEW_KEY: to_plain(asdict(stamp))}
