"""After a review everything agrees: measures and report of the case folder say what the reader decided.

``measures.json`` and ``report.html`` are those of the corrected labels and carry who reviewed, when and
how much; the networks' own measures stand beside them in ``measures_model.json``. Undoing every decision
brings the networks' own back.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..base.errors import InputError, UsageError
from ..base.json_file import parse_object
from ..base.safe_files import write_whole
from ..cases.casefolder import MEASURES_FILE, MODEL_MEASURES_FILE, read_case
from ..review import CaseMaps, Review, corrected_study, other_phase, reviewed_measures
from ..review.sizes import Point
from .page import REPORT_FILE, can_render, write_report

_AGAIN = "segment the cine again"
STALE_REPORT = "report_model.html"
"""Where the networks' report goes if a new one cannot be drawn here."""


def publish(review: Review, rv_insertion_ras: Point | None = None) -> tuple[Path, ...]:
    """Write measures and report of a reviewed case folder anew; returns the files that were written.

    Touches no MRML node and may run in a thread, on a review that nobody changes meanwhile. Without a case
    folder, and for a folder that says all this already, nothing happens. A report is only drawn where there
    was one; if it cannot be drawn here, the networks' report is renamed so that none contradicts the
    measures. Of a cine study the other phase and ``NAME_cine.json`` follow. Raises :class:`InputError` if
    the folder cannot be written.
    """
    written = _publish_one(review, rv_insertion_ras)
    other = other_phase(review.case) if written else None
    if other is None:
        return written
    second = Review(CaseMaps.of(read_case(other.folder)), review.reviewer)
    return (*written, *_publish_one(second, rv_insertion_ras), *_publish_study(review, rv_insertion_ras))


def _publish_one(review: Review, rv_insertion_ras: Point | None) -> tuple[Path, ...]:
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


def _publish_study(review: Review, point: Point | None) -> tuple[Path, ...]:
    """``NAME_cine.json`` of both phases as they stand, the networks' own beside it."""
    folder = review.case.folder
    if folder is None:
        return ()
    path = folder.with_name(f"{folder.name.rpartition('_')[0]}_cine.json")
    model = path.with_name(f"{path.stem}_model.json")
    if not path.is_file():
        return ()
    try:
        before = path.read_text("utf-8")
        original = parse_object(model.read_text("utf-8"), model, _AGAIN) if model.is_file() else {}
        current = parse_object(before, path, _AGAIN)
        if not original or original.get("study") != current.get("study"):  # none, or of an earlier run
            write_whole(model, before)
            original = current
        together = corrected_study(review, point)
        content = original if together is None else {**original, **together}
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        if json.loads(before) == json.loads(text):
            return ()
        write_whole(path, text)
        return (path,)
    except (ValueError, InputError):  # not ours to mend
        return ()
    except OSError as error:
        problem = f"the study could not be stored ({error.strerror})"
        raise InputError(path, problem, "check space and permissions and close the case again") from error


def _with_point_if_possible(review: Review, point: Point | None) -> dict[str, Any]:
    try:
        return reviewed_measures(review, point)
    except UsageError:  # an edit has moved the heart away from the point
        return reviewed_measures(review)


def _draw_report(folder: Path) -> tuple[Path, ...]:
    page = folder / REPORT_FILE
    if not page.exists() and not (folder / STALE_REPORT).exists():
        return ()
    if not can_render():
        if page.exists():
            page.replace(folder / STALE_REPORT)
        return ()
    return (write_report(read_case(folder), page),)
