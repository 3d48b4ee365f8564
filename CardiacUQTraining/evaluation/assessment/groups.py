"""Cases by the networks that had not seen them: what every fit that judges itself leaves out together."""

from __future__ import annotations

from collections.abc import Sequence

from ..shared.material import CaseMaterial


def groups_of(cases: Sequence[CaseMaterial], fewest: int = 5) -> list[list[CaseMaterial]]:
    """Cases by group; if all share their networks, every fifth case in turn."""
    groups: dict[str, list[CaseMaterial]] = {}
    for case in cases:
        groups.setdefault(case.group, []).append(case)
    if len(groups) > 1:
        return list(groups.values())
    return [part for n in range(fewest) if (part := list(cases[n::fewest]))]
