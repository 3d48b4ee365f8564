"""How many places need a look: one count for memory, case folder and the bare record."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from review_cases import make_placed, make_result, write_image

from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.cases.places import count_stops, need_a_look, places_in_record, places_of
from CardiacUQLib.cases.writing import write_case
from CardiacUQLib.review import CaseMaps, Review


def test_places_are_counted_as_they_are_reviewed(tmp_path: Path) -> None:
    result = make_placed(tmp_path)
    result = replace(result, looks=result.looks[:2])
    folder = write_case(result, tmp_path / "out", name="heart")
    record = json.loads((folder / "case.json").read_text("utf-8"))
    case = read_case(folder)
    listed = Review(CaseMaps.of(case), "Jane").listed
    assert len(result.components) > listed == 2
    assert count_stops(result) == count_stops(case) == places_in_record(record) == listed


def test_slices_of_one_proposal_are_one_place(tmp_path: Path) -> None:
    result = make_placed(tmp_path)
    record = json.loads((write_case(result, tmp_path / "out") / "case.json").read_text("utf-8"))
    assert len(result.looks) == 4 and count_stops(result) == places_in_record(record) == 3
    assert need_a_look([result]).startswith("3 places to look at, about ")
    assert need_a_look([result, result]).startswith("6 places to look at")


def test_without_a_look_corrected_regions_are_counted(tmp_path: Path) -> None:
    image = tmp_path / "heart.nii.gz"
    result = make_result(image, write_image(image))
    record = json.loads((write_case(result, tmp_path / "out") / "case.json").read_text("utf-8"))
    assert places_of(result) is None and places_in_record(record) is None
    assert count_stops(result) == len(result.components) > 0
    assert need_a_look([result]) == f"{len(result.components)} regions where the stages disagree"
    assert need_a_look([replace(result, components=())]) == "no corrections"
    for damaged in ({}, {"maps": 3}, {"maps": ["error_probability"], "evidence": {"a": 1}, "looks": "no"}):
        assert places_in_record(damaged) is None
