"""After a review everything agrees: measures and report of the case folder say what the reader decided.

``measures.json`` and ``report.html`` are those of the corrected labels and carry who reviewed, when and
how much; the networks' own measures stand beside them in ``measures_model.json``. Undoing every decision
brings the networks' own back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..base.errors import InputError, UsageError
from ..base.json_codec import decode, to_plain
from ..base.safe_files import write_whole
from ..cases.casefolder import MEASURES_FILE, MODEL_MEASURES_FILE, read_case
from .review import Review
from .sizes import Point, corrected_measures

REVIEW_KEY = "review"
STALE_REPORT = "report_model.html"
"""Where the networks' report goes if a new one cannot be drawn here."""


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
    kept = {key: review.case.measures[key] for key in ("method", "phase") if key in review.case.measures}
    return {**measures, **kept, "volumes_ml": sizes, REVIEW_KEY: to_plain(asdict(stamp))}


def publish(review: Review, rv_insertion_ras: Point | None = None) -> tuple[Path, ...]:
    """Write measures and report of a reviewed case folder anew; returns the files that were written.

    Touches no MRML node and may run in a thread, on a review that nobody changes meanwhile. Without a case
    folder, and for a folder that says all this already, nothing happens. A report is only drawn where there
    was one; if it cannot be drawn here, the networks' report is renamed so that none contradicts the
    measures. Raises :class:`InputError` if the folder cannot be written.
    """
    folder = review.case.folder
    if folder is None:
        return ()
    measures = _with_point_if_possible(review, rv_insertion_ras)
    text = json.dumps(measures, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        path, model = folder / MEASURES_FILE, folder / MODEL_MEASURES_FILE
        before = path.read_text("utf-8")
        if json.loads(before) == json.loads(text):
            return ()
        if not model.exists():
            write_whole(model, before)
        write_whole(path, text)
        return (path, *_draw_report(folder))
    except OSError as error:
        remedy = "check space and permissions and close the case again"
        problem = f"measures and report could not be stored ({error.strerror})"
        raise InputError(folder, problem, remedy) from error


def _with_point_if_possible(review: Review, point: Point | None) -> dict[str, Any]:
    try:
        return reviewed_measures(review, point)
    except UsageError:  # an edit has moved the heart away from the point
        return reviewed_measures(review)


def _draw_report(folder: Path) -> tuple[Path, ...]:
    from ..report import REPORT_FILE, can_render, write_report

    page = folder / REPORT_FILE
    if not page.exists() and not (folder / STALE_REPORT).exists():
        return ()
    if not can_render():
        if page.exists():
            page.replace(folder / STALE_REPORT)
        return ()
    return (write_report(read_case(folder), page),)
