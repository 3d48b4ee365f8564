"""The queue of a case whose places are known: few, best first, disjoint; a proposal accepted by one call."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from review_cases import INFARCT, MVO, MYOCARDIUM, RADIUS, make_placed

from CardiacUQLib.base.errors import InputError, UsageError
from CardiacUQLib.cases.casefolder import CaseFolder, read_case
from CardiacUQLib.cases.writing import write_case
from CardiacUQLib.inference.result import Result
from CardiacUQLib.review import Action, CaseMaps, ItemKind, ItemStatus, Review, corrected_labels


def stored(result: Result, folder: Path) -> CaseFolder:
    return read_case(write_case(result, folder / "cases"))


def review_of(case: CaseFolder | Result) -> Review:
    return Review(CaseMaps.of(case), "Jane Doe", now=lambda: "2026-01-31T10:00:00+00:00")


@pytest.mark.parametrize("storage", ["axial", "oblique", "flipped", "sagittal", "left-handed"])
def test_places_come_first_and_no_voxel_belongs_to_two(tmp_path: Path, storage: str) -> None:
    result = make_placed(tmp_path, storage)
    review = review_of(stored(result, tmp_path))
    assert review.listed == 3
    assert [item.key for item in review.items[:3]] == ["place 1", "place 2", "place 4"]
    assert {item.kind for item in review.items[3:]} <= {ItemKind.COMPONENT}
    gains = [item.look.gain for item in review.items[:3] if item.look is not None]
    assert gains == pytest.approx([0.1 + 0.1 / 3, 0.05, 0.025])
    masks = [review.case.storage.from_stored(review.mask(n)) for n in range(len(review.items))]
    assert np.stack(masks).sum(axis=0).max() == 1
    assert (masks[0] == (result.proposals == MVO)).all(), "the outline through all its slices"
    place = result.looks[1]
    grid = np.moveaxis(np.indices(result.segmentation.shape), 0, -1)[..., ::-1]
    near = np.linalg.norm(result.geometry.index_to_ras(grid) - place.centre_ras, axis=-1) <= RADIUS
    near[np.arange(len(near)) != place.slice] = False
    assert (masks[1] == (near & (result.proposals == 0))).all(), "its disc, in its slice"
    corrected = result.component_ids > 0
    assert (np.any(masks, axis=0) | ~corrected).all(), "nothing that was corrected is lost"


def test_one_call_accepts_a_proposal_and_it_can_be_undone(tmp_path: Path) -> None:
    result = make_placed(tmp_path)
    case = stored(result, tmp_path)
    review = review_of(case)
    before = review.labels
    decision = review.accept(0)
    assert decision.action is Action.ACCEPT and decision.label == MVO and decision.item == "place 1"
    assert decision.what.startswith("accepted the proposed MVO: possible MVO, 1 ml, probability 0.35")
    assert decision.voxels_changed == 2 * 3 * 4
    labels, record = corrected_labels(read_case(case.folder))
    assert (labels[3:5, 60:63, 30:34] == MVO).all() and record is not None
    assert (labels != result.segmentation).sum() == 24
    again = review_of(read_case(case.folder))
    assert again.decisions == (decision,) and again.status(0) is ItemStatus.COMPLETED
    assert again.progress().as_text() == "1 of 3 decided"
    again.undo()
    assert (again.labels == before).all()
    again.redo()
    assert (again.labels == review.labels).all()


def test_only_a_proposal_can_be_accepted(tmp_path: Path) -> None:
    review = review_of(make_placed(tmp_path))
    with pytest.raises(UsageError, match="nothing is proposed here"):
        review.accept(1)
    assert not review.decisions


def test_a_class_is_given_to_what_is_in_question_only(tmp_path: Path) -> None:
    result = make_placed(tmp_path)
    review = review_of(result)
    item, mask = review.items[1], review.mask(1)
    doubt = mask & (result.opinion == MYOCARDIUM) & (result.segmentation == INFARCT)
    assert 0 < item.voxels == doubt.sum() < mask.sum()
    decision = review.assign(1, MYOCARDIUM)
    assert decision.voxels_changed == doubt.sum()
    assert (review.labels[doubt] == MYOCARDIUM).all()
    review.assign(0, INFARCT)
    assert (review.labels[review.mask(0)] == INFARCT).all()


def test_keep_and_take_2d_reach_the_whole_disc_but_no_neighbour(tmp_path: Path) -> None:
    result = make_placed(tmp_path)
    review = review_of(result)
    review.take_2d(1)
    taken = review.labels.copy()
    inside = review.mask(1)
    assert (taken[inside] == result.opinion[inside]).all() and (
        taken[inside] != result.segmentation[inside]
    ).any()
    review.keep(2)
    assert (review.labels == taken).all(), "the overlap belongs to the better place"


def test_a_place_of_an_earlier_version_names_no_label(tmp_path: Path) -> None:
    result = make_placed(tmp_path)
    bare = tuple(replace(one, was=None, became=None) for one in result.looks)
    review = review_of(replace(result, looks=bare))
    with pytest.raises(UsageError, match="edit it by hand"):
        review.assign(1, INFARCT)
    assert review.accept(0).voxels_changed == 24


def test_a_case_where_nothing_is_worth_a_look_is_done_with_its_regions_folded(tmp_path: Path) -> None:
    result = replace(make_placed(tmp_path), looks=(), proposals=None)
    review = review_of(result)
    assert review.listed == 0 and len(review.items) == len(result.components)
    assert review.first_open() == -1 and review.progress().done
    assert "further region 1 of" in review.card_text(0)
    before = review_of(replace(result, evidence={}))
    assert before.listed == len(result.components), "folders of earlier versions: nobody has looked"


def test_the_card_says_what_a_look_is_worth(tmp_path: Path) -> None:
    review = review_of(make_placed(tmp_path))
    assert review.card_text(0) == (
        "possible MVO, 1 ml, probability 0.35; expected gain 0.133 Dice; region 1 of 3"
    )
    assert review.card_text(1).startswith("2D said A, 3D says B; ")
    assert review.card_text(1).endswith("expected gain 0.050 Dice, 0.6 ml of scar at stake; region 2 of 3")


def test_a_place_that_cannot_be_is_refused_by_name(tmp_path: Path) -> None:
    result = make_placed(tmp_path)
    folder = write_case(replace(result, looks=(replace(result.looks[0], slice=99),)), tmp_path / "cases")
    with pytest.raises(InputError, match=r"case\.looks\[0\] lies in slice 99 of 6"):
        read_case(folder)


def test_a_case_that_nobody_holds_is_gone_at_once(tmp_path: Path) -> None:
    """Without waiting for the collector: its arrays would pile up over a queue of cases."""
    case = stored(make_placed(tmp_path), tmp_path)
    review = review_of(case)
    review.accept(0)
    review.release()
    left = [weakref.ref(case), weakref.ref(review), weakref.ref(review.case)]
    gc.disable()
    try:
        del case, review
        assert [ref() for ref in left] == [None, None, None]
    finally:
        gc.enable()
