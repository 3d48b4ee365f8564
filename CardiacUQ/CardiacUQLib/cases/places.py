"""How many places of a case need a look: counted in one way by command, cohort, study and browser."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from ..base.json_codec import JsonMismatch, decode
from ..bundles.manifest import BundleKind
from ..bundles.map_catalogue import MapName
from ..uncertainty.look import Look, one_for_each_proposal
from .case import CaseView


def was_looked_through(maps: Container[MapName], evidence: Mapping[str, float]) -> bool:
    """True if places were sought: that needs P(wrong), and folders of versions before it know no evidence."""
    return MapName.ERROR_PROBABILITY in maps and bool(evidence)


def places_of(case: CaseView) -> tuple[Look, ...] | None:
    """The places as they are reviewed, one for each proposal; None where nobody has looked for any."""
    return one_for_each_proposal(case.looks) if was_looked_through(case.maps, case.evidence) else None


def count_stops(case: CaseView) -> int:
    """Number of places worth a look; of corrected regions where nobody has looked for places."""
    places = places_of(case)
    return len(case.components if places is None else places)


def places_in_record(document: Mapping[str, Any]) -> int | None:
    """The number of places from the content of ``case.json`` alone; None where nobody has looked for any, or
    what is written there cannot be read."""
    maps, evidence = document.get("maps"), document.get("evidence")
    if not isinstance(maps, list) or not isinstance(evidence, dict) or not was_looked_through(maps, evidence):
        return None
    try:
        return len(one_for_each_proposal(decode(document.get("looks"), tuple[Look, ...], "looks")))
    except JsonMismatch:
        return None


def need_a_look(cases: Sequence[CaseView]) -> str:
    """ "3 places to look at, about 1.2 ml of scar at stake"; where nobody has looked for places, what both
    opinions disagree about."""
    count = sum(map(count_stops, cases))
    if any(places_of(case) is None for case in cases):
        words = f"{count} region{'s' * (count != 1)} where the {_opinions(cases[0])} disagree"
        return words if count else "no corrections"
    scar = sum(look.scar_ml for case in cases for look in case.looks)
    places = f"{count} place{'s' * (count != 1)} to look at" if count else "no place to look at"
    return f"{places}, about {scar:.1f} ml of scar at stake" if scar >= 0.05 else places


def _opinions(case: CaseView) -> str:
    return "stages" if case.kind is BundleKind.CASCADE else "members"
