"""What a review changes in the row of a case: headline and measures are those of the corrected labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.cases.measures_schema import read_measures
from CardiacUQLib.review import Stamp, stamp_in

from .case import Row
from .features import flat_measures

_PHASES = ("ED", "ES")


def with_review(row: Row, folder: Path) -> Row:
    """The row as the published reviews of its case folder say; both phases count for a cine."""
    contents = [_measures(one) for one in _folders(row, folder)]
    stamps = [stamp for content in contents if (stamp := stamp_in(content)) is not None]
    if not stamps:
        return row
    measures = flat_measures(contents[-1])
    kept = {key: value for key, value in measures.items() if key in row.measures} or measures
    return replace(
        row,
        headline=str(contents[-1].get("headline", row.headline)),
        measures=kept,
        review="; ".join(dict.fromkeys(stamp.as_text() for stamp in stamps)),
        reviewed=len(stamps) == len(contents) and all(_finished(stamp) for stamp in stamps),
    )


def _finished(stamp: Stamp) -> bool:
    return stamp.decided >= stamp.items


def _folders(row: Row, folder: Path) -> list[Path]:
    """The folder itself, or those of both phases with the one that holds the row last."""
    for phase in _PHASES:
        if folder.name == f"{row.name}_{phase}":
            others = [folder.with_name(f"{row.name}_{other}") for other in _PHASES if other != phase]
            return [*(other for other in others if other.is_dir()), folder]
    return [folder]


def _measures(folder: Path) -> Mapping[str, Any]:
    try:
        return read_measures(folder)
    except InputError:
        return {}
