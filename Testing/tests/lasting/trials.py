"""One broken input: the command that meets it, the exit codes that fit, and what its result must not be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from material import FAST, Material
from stage import Outcome

from CardiacUQLib.base.errors import CardiacUQError
from CardiacUQLib.cases.casefolder import read_case

REFUSED = (2, 3, 4, 6)
ANY = (0, *REFUSED)

Check = Callable[[Outcome], str]


@dataclass(frozen=True)
class Trial:
    """``what`` was done to the input; ``check`` looks at a result that was given, "" if it may be."""

    what: str
    arguments: tuple[str | Path, ...]
    allowed: tuple[int, ...] = ANY
    check: Check = lambda outcome: ""


def segment(source: Path, out: Path, model: Path, *more: str | Path) -> tuple[str | Path, ...]:
    """The command line that segments one input in the fastest way."""
    return ("segment", source, "-o", out, "--model", model, *FAST, *more)


def as_undamaged(material: Material, out: Path, name: str = "heart") -> Check:
    """A result is that of the undamaged scan, or says what was odd about this one."""

    def check(outcome: Outcome) -> str:
        if outcome.code not in (0, 6) or not (out / name).is_dir():
            return ""
        try:
            case = read_case(out / name)
        except CardiacUQError as error:
            return f"a case that cannot be read: {error}"
        if case.warnings or outcome.complaints.strip():
            return ""
        same = np.array_equal(case.segmentation, material.labels)
        return "" if same else "another result without a word"

    return check
