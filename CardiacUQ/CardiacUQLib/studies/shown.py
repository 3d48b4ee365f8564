"""Results for people who work in Python: a notebook shows them as their report, and they save themselves."""

from __future__ import annotations

import dataclasses
import functools
import html
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

from ..inference.result import Result
from ..inference.segment import segment as _compute
from ..report import can_render, render_report
from .options import CaseOptions
from .scan import write_result

P = ParamSpec("P")
_HEIGHT_PX = 640


class ShownResult(Result):
    """A :class:`Result` that a notebook shows as its report and that writes itself as a case folder."""

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the case folder with labels, maps, measures and report; returns its path.

        As ``cardiacuq segment`` writes it, so that review, report and measure take it. Raises UsageError
        for a place that cannot take the case, OSError if it cannot be written.
        """
        return write_result(self, Path(folder), CaseOptions(), overwrite=overwrite)

    def _repr_html_(self) -> str:
        """The report in a frame, so that its style stays inside; plain text without its packages."""
        if not can_render():
            return f"<pre>{html.escape(repr(self))}</pre>"
        page = html.escape(render_report(self), quote=True)
        return f'<iframe srcdoc="{page}" width="100%" height="{_HEIGHT_PX}" style="border:0"></iframe>'


def shown(result: Result) -> ShownResult:
    """The same result, shown as its report."""
    return ShownResult(**{one.name: getattr(result, one.name) for one in dataclasses.fields(result)})


def _showing(function: Callable[P, Result]) -> Callable[P, ShownResult]:
    """``function`` with its signature and its words, its result shown as a report."""

    @functools.wraps(function)
    def run(*args: P.args, **options: P.kwargs) -> ShownResult:
        return shown(function(*args, **options))

    return run


segment = _showing(_compute)
