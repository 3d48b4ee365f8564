"""Cohorts without patient data: nothing of a DICOM header that names a person or an examination is written.

Series are told apart by a pseudonym, the beginning of the SHA-256 of their selector: the same series has the
same one in every run. Paths stay, since they are what the user gave.
"""

from __future__ import annotations

import re
from dataclasses import replace

from .case import Case, Plan, Skipped, pseudonym

_FROM_HEADER = re.compile(r"-series\d{3}")
"""In the names of cases that an archive's headers gave."""
_DESCRIPTION = re.compile(r'description ".*"(?= names|, no)', re.S)
_NAMED = re.compile(r' \(".*"\)$', re.S)


def without_patient_data(plan: Plan) -> Plan:
    """The plan with pseudonyms for names from headers and no words of a header in the reasons."""
    cases = tuple(replace(case, name=_name(case.name, case), private=True) for case in plan.cases)
    return Plan(cases, tuple(_skipped(one) for one in plan.skipped))


def _skipped(one: Skipped) -> Skipped:
    reason = _NAMED.sub("", _DESCRIPTION.sub("description", one.reason))
    return replace(one, name=_name(one.name, one), reason=reason, series=pseudonym(one.series))


def _name(name: str, one: Case | Skipped) -> str:
    return f"series-{pseudonym(one.series)}" if one.series and _FROM_HEADER.search(name) else name
