"""One self-contained page per case: pictures of every slice, volumes, regions to check, provenance."""

from __future__ import annotations

from .page import PACKAGES_MISSING, REPORT_FILE, can_render, render_report, report_writer, write_report
from .publish import publish

__all__ = [
    "PACKAGES_MISSING",
    "REPORT_FILE",
    "can_render",
    "publish",
    "render_report",
    "report_writer",
    "write_report",
]
