"""What an output folder already holds: the finished cases to keep."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from CardiacUQLib.base.checksum import sha256_of
from CardiacUQLib.base.errors import InputError
from CardiacUQLib.base.json_codec import JsonMismatch, decode, json_text, to_plain
from CardiacUQLib.base.json_file import read_object
from CardiacUQLib.base.safe_files import write_whole
from CardiacUQLib.bundles.bundle import Bundle
from CardiacUQLib.cases.casefolder import CASE_FILE, read_case
from CardiacUQLib.cases.study_record import check_one_study, study_of
from CardiacUQLib.dicom.attempt import FOLDER
from CardiacUQLib.images.cine import read_cine
from CardiacUQLib.images.image_file import files_read
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.report import REPORT_FILE, can_render, write_report
from CardiacUQLib.studies.cine import joined_sha256

from .case import ROW_FILE, STATE_FOLDER, Case, Row, State
from .reviewed import with_review
from .tries import TRIES_FOLDER

_HASHERS = 4


def write_row(row: Row, folder: Path) -> None:
    """Put the row of a case into its (still temporary) folder."""
    write_whole(folder / ROW_FILE, json_text(to_plain(row), 1) + "\n")


def read_row(folder: Path) -> Row | None:
    """The row of a case folder, as corrected by its review; None if there is none or it is of another
    version."""
    if not (folder / CASE_FILE).is_file():
        return None
    try:
        row = decode(read_object(folder / ROW_FILE, "segment the scan again"), Row, "row")
    except (InputError, JsonMismatch):
        return None
    return with_review(row, folder)


def finished_rows(cases: tuple[Case, ...], bundles: Mapping[str, Bundle], out: Path) -> dict[str, Row]:
    """Rows of the cases that are whole and whose input, bundle and options are the same as now.

    A report that is missing from a case that is whole otherwise is drawn anew.
    """

    def check(case: Case) -> Row | None:
        row = read_row(out / case.folders[-1])
        if row is None or row.state is not State.DONE:
            return None
        asked = (bundles[case.bundle].sha256, case.options.key)
        if (row.bundle_sha256, row.options) != asked or (case.series and row.series != case.shown_series):
            return None
        if case.options.dicom and not all((out / folder / FOLDER).is_dir() for folder in case.folders):
            return None  # its export failed, and is tried again
        return row if _whole(case, out) and row.input_sha256 == fingerprint(case) else None

    with ThreadPoolExecutor(_HASHERS) as pool:
        rows = list(pool.map(check, cases))
    found = {case.name: row for case, row in zip(cases, rows, strict=True) if row is not None}
    for case in cases:
        if case.name in found and case.options.report:
            _restore_reports([out / folder for folder in case.folders])
    return found


def _whole(case: Case, out: Path) -> bool:
    """Every folder of the case is as it was finished, and all are of one run."""
    try:
        folders = [read_case(out / folder) for folder in case.folders]
        check_one_study(folders)
        return not case.cine or study_of(folders[0]) is not None
    except InputError:
        return False


def _restore_reports(folders: Sequence[Path]) -> None:
    for folder in folders:
        if not (folder / REPORT_FILE).exists() and can_render():
            with contextlib.suppress(OSError, InputError):
                write_report(read_case(folder), folder / REPORT_FILE)


def fingerprint(case: Case) -> str:
    """SHA-256 of the input as :func:`read_volume` states it; "" if the input cannot be read."""
    source = Path(case.source)
    try:
        if case.es_source:
            return joined_sha256(*(sha256_of(files_read(Path(one))) for one in (case.source, case.es_source)))
        if case.files:
            return sha256_of(Path(file) for file in case.files)
        if not source.is_dir():
            return sha256_of(files_read(source))
        series = case.series or None
        return (read_cine(source, series) if case.cine else read_volume(source, series=series)).sha256
    except (OSError, InputError):
        return ""


def forget_tries(out: Path) -> None:
    """After an orderly end: the cases that were under way are not to blame for it."""
    shutil.rmtree(out / STATE_FOLDER / TRIES_FOLDER, ignore_errors=True)
