"""The review as plain data: queue, decisions, undo and redo, the record on disk."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from review_cases import STORAGES, make_case

from CardiacUQLib.base.case_lock import LOCK_FILE
from CardiacUQLib.base.errors import InputError, UsageError
from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.images.volume import Geometry, StorageOrder
from CardiacUQLib.inference.result import Component
from CardiacUQLib.review import ELSEWHERE, CaseMaps, ItemKind, ItemStatus, Review, labels_after, read_record
from CardiacUQLib.review.decisions import apply_runs, runs_between
from CardiacUQLib.review.sizes import corrected_measures, corrected_sizes

GEOMETRY = Geometry((6, 5, 4), (1.5, 1.5, 8.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def tiny_case(folder: Path | None = None) -> CaseMaps:
    """Two regions on a 4 x 5 x 6 grid: 12 voxels where 2D said 2 and 3D 3, 10 voxels of 0 -> 1."""
    segmentation = np.zeros(GEOMETRY.shape, np.uint8)
    segmentation[1, :, :] = 2
    stage2d = segmentation.copy()
    ids = np.zeros(GEOMETRY.shape, np.int32)
    segmentation[1, :2, :] = 3
    ids[1, :2, :] = 1
    segmentation[2, :2, :5] = 1
    ids[2, :2, :5] = 2
    dcm = np.where(ids == 1, 13, np.where(ids == 2, 1, 0)).astype(np.uint8)
    error = np.where(ids == 1, 0.47, 0.1).astype(np.float32)
    rows = (
        Component(1, 2, 3, 12, 216.0, 1, 1, (-3.75, -0.75, 8.0), 0.3, 0.35, 1.0),
        Component(2, 0, 1, 10, 180.0, 2, 2, (-3.0, -0.75, 16.0), 0.2, 0.25, 9.0),
    )
    case = CaseMaps(
        name="tiny",
        kind=BundleKind.CASCADE,
        classes=LGE_CLASSES,
        geometry=GEOMETRY,
        storage=StorageOrder(),
        segmentation=segmentation,
        opinion=stage2d,
        dcm=dcm,
        component_ids=ids,
        components=rows,
        maps={MapName.SCS: (0.5 * error).astype(np.float32), MapName.ERROR_PROBABILITY: error},
        bundle="b",
        bundle_sha256="cd" * 32,
        folder=folder,
    )
    case.check()
    return case


# -- the queue


def test_components_come_by_priority_and_the_card_says_it_in_words() -> None:
    review = Review(tiny_case(), "Jane")
    assert [item.key for item in review.items] == ["component 2", "component 1"]
    assert review.card_text(1) == (
        "2D said healthy myocardium, 3D says infarct; 12 voxels, 0.2 ml; P(wrong) 0.47; region 2 of 2"
    )


def test_centre_is_a_voxel_of_the_region_even_for_a_ring() -> None:
    case = tiny_case()
    ids = np.zeros_like(case.component_ids)
    ids[1, 1:4, 1:4] = 1
    ids[1, 2, 2] = 0
    dcm = np.where(ids == 1, 13, 0).astype(np.uint8)
    ring = replace(case, component_ids=ids, dcm=dcm, components=(replace(case.components[0], voxels=8),))
    right, anterior, superior = Review(ring, "Jane").items[0].centre_ras
    x, y, z = round(-right / 1.5), round(-anterior / 1.5), round(superior / 8.0)
    assert ids[z, y, x] == 1


def test_without_components_the_most_uncertain_slices_are_offered() -> None:
    case = replace(tiny_case(), components=(), component_ids=None, dcm=None)
    scs = np.zeros(GEOMETRY.shape, np.float32)
    scs[2] = 0.3  # but only where the heart is does it count
    scs[1] = 0.1
    scs[3] = 0.4  # no heart here
    review = Review(replace(case, maps={MapName.SCS: scs}), "Jane")
    assert [(item.kind, item.number) for item in review.items] == [(ItemKind.SLICE, 2), (ItemKind.SLICE, 1)]
    assert review.items[0].mean_score == pytest.approx(0.3)
    assert "slice 1 of 2" in review.card_text(0)
    with pytest.raises(UsageError, match="whole slice"):
        review.assign(0, 3)
    assert not review.decisions


def test_an_empty_segmentation_leaves_nothing_to_look_at() -> None:
    case = tiny_case()
    nothing = np.zeros_like(case.segmentation)
    review = Review(
        replace(case, segmentation=nothing, opinion=nothing, components=(), component_ids=None, dcm=None), "J"
    )
    assert review.items == ()
    assert review.progress().done
    assert review.first_open() == ELSEWHERE


# -- decisions


def test_each_decision_changes_only_its_region() -> None:
    case = tiny_case()
    region, elsewhere = case.component_ids == 1, case.component_ids != 1
    review = Review(case, "Jane")
    infarct = review.index_of("component 1")
    for decide, expected in (
        (lambda: review.take_2d(infarct), 2),
        (lambda: review.assign(infarct, 4), 4),
        (lambda: review.keep(infarct), 3),
        (lambda: review.assign(infarct, 0), 0),
    ):
        decision = decide()
        assert (review.labels[region] == expected).all()
        assert (review.labels[elsewhere] == case.segmentation[elsewhere]).all()
        assert decision.voxels_changed == 12
    assert review.flag(infarct, "ask Ann").voxels_changed == 0
    assert review.status(infarct) == ItemStatus.FLAGGED
    assert review.decisions[-1].note == "ask Ann"


def test_a_decision_tells_who_when_what_and_with_which_model() -> None:
    review = Review(tiny_case(), "Jane Doe", now=lambda: "2026-11-21T18:00:00+00:00")
    decision = review.take_2d(1)
    assert (decision.reviewer, decision.time) == ("Jane Doe", "2026-11-21T18:00:00+00:00")
    assert decision.bundle_sha256 == "cd" * 32
    assert decision.what.startswith("took the 2D label: 2D said healthy myocardium, 3D says infarct")
    assert decision.item == "component 1"


def test_progress_counts_and_words() -> None:
    review = Review(tiny_case(), "Jane")
    assert review.progress().as_text() == "0 of 2 decided"
    review.flag(0)
    assert review.progress().as_text() == "1 of 2 decided, 1 flagged"
    review.keep(1)
    assert review.progress().as_text() == "done, 2 decisions, 1 flagged"
    review.undo()
    assert review.status(1) == ItemStatus.NOT_STARTED
    assert review.first_open() == 1


def test_impossible_decisions_leave_everything_as_it_was(tmp_path: Path) -> None:
    review = Review(tiny_case(tmp_path), "Jane")
    with pytest.raises(UsageError, match="label 7 is no class"):
        review.assign(0, 7)
    with pytest.raises(UsageError, match="no 2D stage"):
        Review(replace(tiny_case(), opinion=None), "Jane").take_2d(0)
    with pytest.raises(ValueError, match="shape"):
        review.edited(0, np.zeros((1, 2, 3), np.uint8))
    with pytest.raises(ValueError, match="no classes"):
        review.edited(0, np.full(GEOMETRY.shape, 9, np.uint8))
    assert not review.decisions
    assert not list(tmp_path.iterdir())


# -- undo, redo, replay


def _drawn(seed: int, share: float) -> np.ndarray:
    """Labels of which about ``share`` differ from the tiny case's, some of them in runs."""
    random = np.random.default_rng(seed)
    labels = tiny_case().segmentation
    labels[random.random(labels.shape) < share] = random.integers(0, 5)
    scattered = random.random(labels.shape) < share / 2
    return np.where(scattered, random.integers(0, 5, labels.shape), labels).astype(np.uint8)


ARRAYS = st.builds(_drawn, st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.3, 1.0]))
STEPS = st.one_of(
    st.tuples(st.sampled_from(["keep", "take_2d", "flag"]), st.integers(0, 1)),
    st.tuples(st.just("assign"), st.integers(0, 1), st.integers(0, 4)),
    st.tuples(st.just("edited"), st.integers(-1, 1), ARRAYS),
    st.tuples(st.sampled_from(["undo", "redo"])),
)


@given(before=ARRAYS, after=ARRAYS)
def test_runs_carry_exactly_the_change(before: np.ndarray, after: np.ndarray) -> None:
    runs = runs_between(before, after)
    assert np.array_equal(apply_runs(before, runs), after)
    assert sum(count for _, count, _ in runs) == np.count_nonzero(before != after)
    assert all(a + n <= b for (a, n, _), (b, _, _) in itertools.pairwise(runs))


def test_strokes_are_decisions_of_their_own_and_only_where_something_changes() -> None:
    case = tiny_case()
    review = Review(case, "Jane")
    stroke = [(30, 2, 4), (33, 1, 0)]  # slice 1: flat index 30 is (1, 0, 0)
    assert review.paint(1, stroke).runs == ((30, 2, 4), (33, 1, 0))
    assert review.labels[1, 0, :4].tolist() == [4, 4, 3, 0]
    assert review.paint(ELSEWHERE, stroke) is None
    assert review.paint(ELSEWHERE, [(0, 3, 1), (2, 2, 2)]).runs == ((0, 2, 1), (2, 2, 2))  # the later wins
    review.undo()
    review.undo()
    assert np.array_equal(review.labels, case.segmentation)
    review.redo()
    assert review.labels[1, 0, 0] == 4 and review.status(1) == ItemStatus.COMPLETED


@pytest.mark.parametrize(
    "runs",
    [
        [(-1, 1, 1)],
        [(0, 0, 1)],
        [(119, 2, 1)],
        [(0, 1, 5)],
        [(0, 1, 300)],
        [(0, 1, -1)],
        [(2**62, 2**62, 1)],
        [(0, 120, 1), (0, 120, 2)],
    ],
)
def test_a_stroke_that_cannot_be_is_refused(runs: list[tuple[int, int, int]]) -> None:
    review = Review(tiny_case(), "Jane")
    with pytest.raises(ValueError):
        review.paint(0, runs)
    assert not review.decisions


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(STEPS, max_size=14))
def test_any_sequence_equals_a_list_of_whole_states(
    steps: list[tuple], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Model: a list of label arrays, each with what a hand has painted in it, and a position in it. After a
    crash the replay stands there too."""
    folder = tmp_path_factory.mktemp("review")
    case = tiny_case(folder)
    review = Review(case, "Jane")
    states, at = [(case.segmentation.copy(), np.zeros(case.segmentation.shape, bool))], 0
    for step in steps:
        name, arguments = step[0], step[1:]
        if name == "undo":
            assert (review.undo() is not None) == (at > 0)
            at = max(0, at - 1)
        elif name == "redo":
            assert (review.redo() is not None) == (at + 1 < len(states))
            at = min(len(states) - 1, at + 1)
        else:
            before, hand = states[at]
            expected = _model(case, review, before, hand, name, *arguments)
            getattr(review, name)(*arguments)
            changed = expected != before
            states = [*states[: at + 1], (expected, np.where(changed, name == "edited", hand))]
            at += 1
        assert np.array_equal(review.labels, states[at][0])
        assert len(review.decisions) == at
        assert review.can_redo == (at + 1 < len(states))
    resumed = Review(case, "Ann")
    assert np.array_equal(resumed.labels, states[at][0])
    assert resumed.decisions == review.decisions
    while resumed.redo():
        at += 1
        assert np.array_equal(resumed.labels, states[at][0])
    assert at == len(states) - 1
    while resumed.undo():
        pass
    assert np.array_equal(resumed.labels, case.segmentation)


def _model(
    case: CaseMaps, review: Review, labels: np.ndarray, hand: np.ndarray, name: str, *arguments: object
) -> np.ndarray:
    if name == "flag":
        return labels
    if name == "edited":
        return arguments[1]
    region = case.component_ids == review.items[arguments[0]].number
    if name == "keep":
        region &= ~hand
    expected = labels.copy()
    if name == "assign":
        expected[region] = arguments[1]
    else:
        expected[region] = (case.segmentation if name == "keep" else case.opinion)[region]
    return expected


def test_the_record_alone_gives_the_corrected_labels(tmp_path: Path) -> None:
    case = tiny_case(tmp_path)
    review = Review(case, "Jane")
    review.take_2d(1)
    painted = review.labels.copy()
    painted[3, 4, 5] = 4
    review.edited(ELSEWHERE, painted)
    review.flag(0)
    review.undo()
    record = read_record(tmp_path)
    assert np.array_equal(labels_after(case.segmentation, record.events), painted)
    assert [event.step.value for event in record.events] == ["decide", "decide", "decide", "undo"]


def test_the_longer_of_scene_and_file_is_resumed_and_a_contradiction_refused(tmp_path: Path) -> None:
    case = tiny_case(tmp_path)
    review = Review(case, "Jane")
    review.keep(0)
    early = review.record
    review.take_2d(1)
    assert len(Review(case, "Jane", record=early).decisions) == 2
    (tmp_path / "review.json").unlink()
    assert len(Review(case, "Jane", record=review.record).decisions) == 2
    Review(case, "Ann").flag(0)
    with pytest.raises(InputError, match="differ"):
        Review(case, "Jane", record=review.record)


# -- the file


def test_a_full_disk_keeps_the_old_record_and_the_old_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    review = Review(tiny_case(tmp_path), "Jane")
    review.keep(0)
    before, labels = (tmp_path / "review.json").read_bytes(), review.labels.copy()

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("CardiacUQLib.base.safe_files.os.fsync", full)
    with pytest.raises(InputError, match="No space left"):
        review.take_2d(1)
    assert (tmp_path / "review.json").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"review.json", LOCK_FILE}
    assert np.array_equal(review.labels, labels)
    assert len(review.decisions) == 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "damaged"),
        (lambda text: "[]", "damaged"),
        (lambda text: text.replace("cardiacuq-review", "shopping"), "not a CardiacUQ review"),
        (lambda text: text.replace('"format_version": 1', '"format_version": 9'), "format 9"),
        (lambda text: text.replace('"keep"', '"burn"'), "damaged"),
        (lambda text: text.replace('"step": "decide"', '"step": "undo"', 1), "unknown entry"),
        (lambda text: text.replace('"runs": [[', '"runs": [[99999, 3, 1], ['), "cannot be replayed"),
        (lambda text: text.replace('"segmentation_sha256": "', '"segmentation_sha256": "0'), "another seg"),
    ],
)
def test_a_damaged_record_is_refused_in_one_line_and_left_alone(
    tmp_path: Path, damage: object, message: str
) -> None:
    review = Review(tiny_case(tmp_path), "Jane")
    review.keep(0)
    review.take_2d(1)
    path = tmp_path / "review.json"
    path.write_text(damage(path.read_text()))
    damaged = path.read_bytes()
    with pytest.raises(InputError, match=message) as caught:
        Review(tiny_case(tmp_path), "Jane")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == damaged


def test_notes_and_names_in_any_script_survive(tmp_path: Path) -> None:
    Review(tiny_case(tmp_path), '顎 "quoted" O\'Neil').flag(0, "line one\nline two; 50 % <b>")
    decision = Review(tiny_case(tmp_path), "Jane").decisions[0]
    assert decision.reviewer == '顎 "quoted" O\'Neil'
    assert decision.note == "line one\nline two; 50 % <b>"
    assert json.loads((tmp_path / "review.json").read_text())["format"] == "cardiacuq-review"


# -- real case folders


@pytest.mark.parametrize("storage", STORAGES)
def test_a_case_folder_and_its_result_give_the_same_queue(tmp_path: Path, storage: str) -> None:
    case = make_case(tmp_path, storage)
    maps = CaseMaps.of(case)
    review = Review(maps, "Jane")
    transitions = {(item.was, item.became) for item in review.items}
    assert transitions == {(2, 3), (3, 2), (0, 1)}
    for index, item in enumerate(review.items):
        x, y, z = np.linalg.solve(
            maps.geometry.index_to_lps, [-item.centre_ras[0], -item.centre_ras[1], item.centre_ras[2], 1.0]
        )[:3].round()
        assert review.mask(index)[int(z), int(y), int(x)]
        component = next(c for c in maps.components if c.id == item.number)
        within = maps.storage.from_stored(review.mask(index)).any(axis=(1, 2)).nonzero()[0]
        assert (within[0], within[-1]) == (component.first_slice, component.last_slice)


def test_a_case_folder_whose_files_do_not_fit_together_is_refused(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    other = case.folder.with_name("other")
    shutil.copytree(case.folder, other)
    shutil.copy(other / "segmentation.nii.gz", other / "components.nii.gz")
    with pytest.raises(InputError, match=r"components\.nii\.gz: the file is truncated or was changed"):
        CaseMaps.of(read_case(other))
    maps = CaseMaps.of(case)
    with pytest.raises(InputError, match="not in its map of components"):
        replace(maps, component_ids=maps.segmentation.astype(np.int32)).check()


def test_sizes_follow_the_corrections(tmp_path: Path) -> None:
    review = Review(CaseMaps.of(make_case(tmp_path)), "Jane")
    untouched = corrected_sizes(review)
    assert untouched == dict(review.case.measures)
    index = next(n for n, item in enumerate(review.items) if item.became == 3)
    lost = review.items[index].volume_ml
    review.take_2d(index)
    sizes, full = corrected_sizes(review)["sizes"], corrected_measures(review)["sizes"]
    before = review.case.measures["sizes"]["infarct_volume_ml"]["value"]
    assert sizes["infarct_volume_ml"]["value"] == pytest.approx(before - lost, abs=1e-3)
    for key, size in sizes.items():
        assert size["value"] == pytest.approx(full[key]["value"], abs=1e-3)
        assert full[key]["interval"] is None
    review.undo()
    assert corrected_sizes(review) == untouched
