"""``cardiacuq report``: the page of an existing case folder, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from CardiacUQLib.base.writable import check_writable


def command(
    case_folder: Annotated[Path, typer.Argument(help="A folder that 'cardiacuq segment' has written.")],
) -> None:
    """Make report.html of a case folder anew, from the files that lie there and the scan they came from."""
    from CardiacUQLib.base.case_lock import writing
    from CardiacUQLib.base.errors import UsageError
    from CardiacUQLib.cases.casefolder import read_case
    from CardiacUQLib.report import PACKAGES_MISSING, REPORT_FILE, can_render, publish, write_report
    from CardiacUQLib.review import CaseMaps, Review, read_record, stamp_in, stamp_of

    if not can_render():
        raise UsageError(PACKAGES_MISSING)
    check_writable(case_folder)
    case = read_case(case_folder)
    try:
        with writing(case.folder, "cardiacuq report"):
            if read_record(case.folder) is not None:
                review = Review(CaseMaps.of(case))
                if stamp_of(review) != stamp_in(case.measures):  # measures and report say the same
                    publish(review)
                    case = read_case(case_folder)
            typer.echo(write_report(case, case_folder / REPORT_FILE))
    except OSError as error:
        raise UsageError(f"{case_folder}: the report cannot be written there ({error.strerror})") from None
