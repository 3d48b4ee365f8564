"""``cardiacuq report``: the page of an existing case folder, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    case_folder: Annotated[Path, typer.Argument(help="A folder that 'cardiacuq segment' has written.")],
) -> None:
    """Make report.html of a case folder anew, from the files that lie there and the scan they came from."""
    from CardiacUQLib.casefolder import read_case

    from CardiacUQLib.report import render_report

    page = render_report(read_case(case_folder))
    target = case_folder / "report.html"
    unfinished = case_folder / ".report.html.part"
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(target)
    typer.echo(str(target))
