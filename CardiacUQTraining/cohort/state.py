"""What an output folder already holds: finished cases to keep, debris of killed runs to clear."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from CardiacUQLib.base.checksum import sha256_of
from CardiacUQLib.base.errors import InputError
from CardiacUQLib.base.folder_swap import REVIEW_FILE
from CardiacUQLib.base.json_codec import JsonMismatch, decode, to_plain
from CardiacUQLib.bundles.bundle import Bundle
from CardiacUQLib.cases.casefolder import CASE_FILE
from CardiacUQLib.images.cine import read_cine
from CardiacUQLib.images.image_file import files_read
from CardiacUQLib.images.reading import read_volume

from .case import ROW_FILE, STATE_FOLDER, Case, Row, State
from .lock import process_lives
from .reviewed import with_review
from .tries import TRIES_FOLDER

_DEBRIS = re.compile(r"\.(?P<name>.+)\.(?P<kind>partial|replaced)-(?P<pid>\d+)")
_HASHERS = 4


def write_row(row: Row, folder: Path) -> None:
    """Put the row of a case into its (still temporary) folder."""
    (folder / ROW_FILE).write_text(json.dumps(to_plain(row), indent=1, ensure_ascii=False) + "\n", "utf-8")


def read_row(folder: Path) -> Row | None:
    """The row of a whole case folder, as corrected by its review; None if there is none or it is of another
    version."""
    if not (folder / CASE_FILE).is_file():
        return None
    try:
        row = decode(json.loads((folder / ROW_FILE).read_text("utf-8")), Row, "row")
    except (OSError, ValueError, JsonMismatch):
        return None
    return with_review(row, folder)


def finished_rows(cases: tuple[Case, ...], bundles: Mapping[str, Bundle], out: Path) -> dict[str, Row]:
    """Rows of the cases whose folder is whole and whose input, bundle and options are the same as now."""

    def check(case: Case) -> Row | None:
        row = read_row(out / case.folders[-1])
        if row is None or row.state is not State.DONE:
            return None
        if not all((out / folder / CASE_FILE).is_file() for folder in case.folders):
            return None
        asked = (bundles[case.bundle].sha256, case.options.key)
        if (row.bundle_sha256, row.options) != asked or (case.series and row.series != case.series):
            return None
        return row if row.input_sha256 == fingerprint(case) else None

    with ThreadPoolExecutor(_HASHERS) as pool:
        rows = pool.map(check, cases)
        return {case.name: row for case, row in zip(cases, rows, strict=True) if row is not None}


def fingerprint(case: Case) -> str:
    """SHA-256 of the input as :func:`read_volume` states it; "" if the input cannot be read."""
    source = Path(case.source)
    try:
        if case.files:
            return sha256_of(Path(file) for file in case.files)
        if not source.is_dir():
            return sha256_of(files_read(source))
        series = case.series or None
        return (read_cine(source, series) if case.cine else read_volume(source, series=series)).sha256
    except (OSError, InputError):
        return ""


def clear_debris(out: Path) -> int:
    """Remove what killed runs left behind and return how much it was; whole cases are never touched.

    Only for the holder of the lock. Folders of processes that still run on this machine stay. A case
    that had been moved aside for a replacement that never came goes back to its place.
    """
    cleared = 0
    for left in sorted(out.iterdir()):
        found = _DEBRIS.fullmatch(left.name)
        if found is None or process_lives(int(found["pid"])):
            continue
        if not left.is_dir():
            left.unlink(missing_ok=True)
            continue
        target = out / found["name"]
        if found["kind"] == "replaced" and not target.exists():
            left.rename(target)
        elif found["kind"] == "replaced" and (left / REVIEW_FILE).is_file():
            left.rename(_free_name(target))
        else:
            shutil.rmtree(left, ignore_errors=True)
        cleared += 1
    for unfinished in out.glob("cohort.*.partial-*"):
        unfinished.unlink(missing_ok=True)
    return cleared


def forget_tries(out: Path) -> None:
    """After an orderly end: the cases that were under way are not to blame for it."""
    shutil.rmtree(out / STATE_FOLDER / TRIES_FOLDER, ignore_errors=True)


def _free_name(target: Path) -> Path:
    number = 1
    while (free := target.with_name(f"{target.name}.reviewed-{number}")).exists():
        number += 1
    return free
