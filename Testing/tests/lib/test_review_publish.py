"""After a review the case folder agrees with itself, and the queue of a cohort knows what is done."""

from __future__ import annotations

import dataclasses
import importlib
import json
import shutil

import numpy as np
import pytest
from review_cases import make_case

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.images.orientation import reorder_geometry
from CardiacUQLib.measures.anatomy import anatomy_of
from CardiacUQLib.measures.insertion import Insertion, point_at_angle
from CardiacUQLib.report import can_render, publish, write_report
from CardiacUQLib.review import (
    ELSEWHERE,
    CaseMaps,
    Review,
    corrected_measures,
    next_open_case,
    read_queue,
    stamp_in,
)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return make_case(tmp_path_factory.mktemp("publish")).folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "out" / "heart")


def _review(folder) -> Review:
    times = iter(f"2026-01-{day:02d}T10:00:00+00:00" for day in range(1, 32))
    return Review(CaseMaps.of(read_case(folder)), "Jane Doe", now=lambda: next(times))


def _measures(folder) -> dict:
    return json.loads((folder / "measures.json").read_text("utf-8"))


def test_keep_keeps_what_a_hand_has_painted_and_restores_what_a_key_has_changed(folder) -> None:
    review = _review(folder)
    region = review.mask(0)
    painted = review.labels.copy()
    spots = np.argwhere(region)[:3]
    painted[tuple(spots.T)] = 4
    review.edited(0, painted)
    review.keep(0)
    assert (review.labels == painted).all(), "three voxels painted by hand stay"
    assert "what was painted" in review.decisions[-1].what
    review.take_2d(0)
    assert (review.labels[region] == review.items[0].was).all(), "the other opinion was asked for"
    review.keep(0)
    np.testing.assert_array_equal(review.labels[region], review.case.segmentation[region])


def test_keep_also_keeps_what_was_painted_before_any_region_was_chosen(folder) -> None:
    review = _review(folder)
    painted = review.labels.copy()
    painted[tuple(np.argwhere(review.mask(1))[0])] = 1
    review.edited(ELSEWHERE, painted)
    review.keep(1)
    assert (review.labels == painted).all()


def test_measures_follow_the_decisions_and_the_networks_own_stand_beside(folder) -> None:
    own = _measures(folder)
    review = _review(folder)
    for index in range(len(review.items)):
        review.take_2d(index)
    review.flag(0, "ask a colleague")
    written = publish(review)
    assert [path.name for path in written] == ["measures.json"]
    now = _measures(folder)
    stamp = stamp_in(now)
    assert stamp.reviewers == ("Jane Doe",) and stamp.decisions == len(review.items) + 1
    assert stamp.as_text().startswith("reviewed by Jane Doe, 2026-01-") and "1 flagged" in stamp.as_text()
    assert stamp.model_headline == own["headline"] != now["headline"]
    voxel = review.case.geometry.voxel_volume_ml
    assert now["volumes_ml"]["infarct"] == pytest.approx((review.labels == 3).sum() * voxel, abs=1e-3)
    assert now["method"] == own["method"]
    assert json.loads((folder / "measures_model.json").read_text("utf-8")) == own
    assert publish(review) == (), "nothing to write a second time"
    again = read_case(folder)
    assert again.model_measures == own and again.measures == now
    while review.undo():
        pass
    publish(review)
    assert _measures(folder) == own, "without decisions the networks' own stand again"


def test_the_review_goes_on_from_a_published_folder(folder) -> None:
    review = _review(folder)
    review.take_2d(0)
    publish(review)
    resumed = _review(folder)
    assert (resumed.labels == review.labels).all()
    assert resumed.undo() and resumed.case.measures["headline"] == stamp_in(_measures(folder)).model_headline


@pytest.mark.skipif(not can_render(), reason="the report needs jinja2 and pillow")
def test_the_report_is_drawn_from_the_corrected_labels(folder) -> None:
    write_report(read_case(folder), folder / "report.html")
    review = _review(folder)
    review.assign(0, 4)
    assert [path.name for path in publish(review)] == ["measures.json", "report.html"]
    page = (folder / "report.html").read_text("utf-8")
    assert "Reviewed by Jane Doe" in page and _measures(folder)["headline"] in page


def test_where_no_report_can_be_drawn_the_old_one_does_not_stay(folder, monkeypatch) -> None:
    report = importlib.import_module("CardiacUQLib.report.publish")
    (folder / "report.html").write_text("the networks' report", "utf-8")
    monkeypatch.setattr(report, "can_render", lambda: False)
    review = _review(folder)
    review.take_2d(0)
    publish(review)
    assert not (folder / "report.html").exists()
    assert (folder / "report_model.html").read_text("utf-8") == "the networks' report"


def test_a_folder_that_cannot_be_written_says_so(folder, monkeypatch) -> None:
    module = importlib.import_module("CardiacUQLib.report.publish")

    def full(path, text):
        raise OSError(28, "No space left on device")

    review = _review(folder)
    review.take_2d(0)
    before = _measures(folder)
    monkeypatch.setattr(module, "write_whole", full)
    with pytest.raises(InputError, match="No space left"):
        publish(review)
    assert _measures(folder) == before


def test_the_queue_has_the_order_of_the_table_and_skips_what_is_done(folder, tmp_path) -> None:
    out = folder.parent
    for name in ("b", "film_ED", "film_ES"):
        shutil.copytree(folder, out / name)
    (out / "cohort.csv").write_text(
        "rank,case,state,headline,flags\n1,broken,failed,,\n2,b,done,Infarct 9 %,MVO\n3,film,done,EF 50 %,\n"
        "4,heart,done,,\n5,gone,done,,\n6,'../heart,done,,\n",
        "utf-8",
    )
    cases = read_queue(out / "cohort.csv")
    assert [case.name for case in cases] == ["b", "film_ED", "film_ES", "heart"]
    assert (cases[0].headline, cases[0].flags) == ("Infarct 9 %", "MVO")
    assert next_open_case(cases) == 0 and next_open_case(cases, after=3) == 0
    review = _review(out / "b")
    for index in range(len(review.items)):
        review.keep(index)
    assert not cases[0].done, "not before it is published"
    publish(review)
    assert cases[0].done and next_open_case(cases) == 1
    assert read_queue(out) == cases


def test_a_folder_without_a_table_is_a_queue_too_and_nothing_is_none(folder, tmp_path) -> None:
    assert [case.name for case in read_queue(folder.parent)] == ["heart"]
    with pytest.raises(InputError, match="lists no case"):
        read_queue(tmp_path)
    with pytest.raises(InputError, match="is not there"):
        read_queue(tmp_path / "nothing.csv")


def test_where_segments_count_from_survives_a_decision(folder) -> None:
    """A point that was found or marked before the review holds for the corrected labels too."""
    case = read_case(folder)
    anatomy = anatomy_of(
        case.storage.from_stored(case.segmentation),
        case.classes,
        reorder_geometry(case.geometry, case.storage),
    )
    point = point_at_angle(anatomy, reorder_geometry(case.geometry, case.storage), 120.0)
    assert point is not None
    segments = {**case.measures["segments"], "insertion": Insertion(point, "cine-streaming", 24.0).as_json()}
    known = dataclasses.replace(case, model_measures={**case.measures, "segments": segments})
    review = Review(CaseMaps.of(known), "Jane Doe")
    review.take_2d(0)
    corrected = corrected_measures(review)["segments"]
    assert corrected["reference"] == "rv_insertion"
    assert corrected["insertion"]["by"] == "cine-streaming"
