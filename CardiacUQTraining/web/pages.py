"""The report of a case and the page of the cohort, as the running server shows them: with links into it."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.report import PACKAGES_MISSING, REPORT_FILE, can_render, render_report

from .cases import Cases, OpenCase

HERE = "."
"""The server's own address, from one of its pages."""


def report_page(case: OpenCase, *, read_only: bool) -> str:
    """The report of the labels as they stand, with a way back; raises UsageError if none can be drawn.

    ``read_only`` shows the one that is there.
    """
    if not read_only:
        case.publish()
    page = case.folder / REPORT_FILE
    if page.is_file():
        text = page.read_text("utf-8")
    elif can_render():
        text = render_report(case.case)
    else:
        raise UsageError(PACKAGES_MISSING)
    link = f'<p><a href="/#{escape(quote(case.folder.name), quote=True)}">Review this case</a></p>'
    return text.replace("<main>", f"<main>{link}", 1)


def cohort_page(cases: Cases) -> str:
    """The page of the cohort with a link to the review of every case; raises UsageError without a cohort."""
    from ..cohort.page import render_page
    from ..cohort.renewal import read_rows
    from ..cohort.table import TABLE

    if not can_render():
        raise UsageError(PACKAGES_MISSING)
    try:
        rows = read_rows(cases.out)
    except OSError:
        raise UsageError("these cases are no cohort: there is no cohort.csv beside them") from None
    page = render_page(rows, cases.out.resolve().name, HERE)
    for number, folder in enumerate(cases.folders):  # files are not served, their pages are
        page = page.replace(f'href="{quote(folder.name)}/{REPORT_FILE}"', f'href="report/{number}"')
    return page.replace(f'<a href="{TABLE}">{TABLE}</a>', TABLE)
