"""Base and apex decided on the stack as a whole, on stacks whose answer is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from cine_material import heart_labels, write_band_bundle

from CardiacUQLib.base.errors import ModelError
from CardiacUQLib.base.json_codec import to_plain
from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.inference.slice_decision import NO_DECISION, SliceDecision, decide_slices, evidence_of
from CardiacUQLib.uncertainty.linear import LinearModel
from CardiacUQLib.uncertainty.slice_presence import (
    EVIDENCE,
    KEY,
    STRUCTURES,
    FoldPresence,
    SlicePresence,
    likely_stretch,
)


def softmax_of(labels: np.ndarray, sure: float = 0.9) -> np.ndarray:
    """Softmax (C, z, y, x) that is ``sure`` of its labels and undecided between the other classes."""
    p = np.full((4, *labels.shape), (1 - sure) / 3, np.float32)
    np.put_along_axis(p, labels[None].astype(int), sure, axis=0)
    return p


def by_area(least_log_cm2: float) -> LinearModel:
    """Present where the structure's area exceeds a limit."""
    return LinearModel(("area",), (least_log_cm2,), (0.01,), (1.0,), 0.0)


def calibration(*folds: int, model: LinearModel, names: tuple[str, ...] = ("RV",)) -> dict:
    fitted = SlicePresence({str(fold): FoldPresence(dict.fromkeys(names, model)) for fold in folds})
    return {KEY: to_plain(fitted)}


@pytest.mark.parametrize(
    ("p", "inside"),
    [
        ([0.9, 0.9, 0.3, 0.9, 0.1], [1, 1, 1, 1, 0]),  # a gap between two sure slices is none
        ([0.9, 0.1, 0.1, 0.9, 0.9], [0, 0, 0, 1, 1]),
        ([0.1, 0.5, 0.1], [0, 0, 0]),
        ([0.59, 0.61, 0.59], [0, 1, 0]),  # from 0.6 on
        ([1.0, 0.0, 1.0], [1, 0, 0]),  # certainty does not break it
    ],
)
def test_one_stretch_of_slices(p: list[float], inside: list[int]) -> None:
    assert likely_stretch(np.array(p)).astype(int).tolist() == inside


class TestEvidence:
    labels = heart_labels(6, depth=6)

    def tapered(self) -> np.ndarray:
        """A heart that ends before the last slice, and has no RV in the first."""
        labels = self.labels.copy()
        labels[5] = 0
        labels[0][labels[0] == 1] = 0
        return labels

    def test_of_a_stack_read_from_its_other_end_is_the_same(self) -> None:
        p = softmax_of(self.tapered())
        there, back = (evidence_of(q, CINE_CLASSES, 4.0, 10.0) for q in (p, p[:, ::-1]))
        for name in STRUCTURES:
            for one, other in zip(there[name], back[name][::-1], strict=True):
                assert one == pytest.approx(other)

    def test_counts_millimetres_not_pixels(self) -> None:
        p = softmax_of(self.tapered())
        fine = p.repeat(2, axis=2).repeat(2, axis=3)
        coarse, finer = evidence_of(p, CINE_CLASSES, 4.0, 10.0), evidence_of(fine, CINE_CLASSES, 1.0, 10.0)
        for name in STRUCTURES:
            for one, other in zip(coarse[name], finer[name], strict=True):
                closed = {key for key in one if key.startswith("closed wall")}  # a rim is a pixel wide
                assert {k: v for k, v in one.items() if k not in closed} == pytest.approx(
                    {k: v for k, v in other.items() if k not in closed}
                )

    def test_by_hand(self) -> None:
        p = softmax_of(self.tapered(), sure=1.0)
        row = evidence_of(p, CINE_CLASSES, 100.0, 8.0)["RV"][1]  # the second slice from the base
        pixels = float((self.labels[1] == 1).sum())
        assert set(row) == {*EVIDENCE}
        assert row["area"] == pytest.approx(np.log(pixels + 0.0225))
        assert row["share of largest: RV"] == pytest.approx(pixels / (pixels + 0.0225))
        assert row["share of largest towards base"] == 0.0
        assert row["growth from apex"] == pytest.approx(0.0)
        assert row["below first cavity (cm)"] == pytest.approx(0.8)
        assert row["above last cavity (cm)"] == pytest.approx(2.4)  # cavity in slices 0 to 4
        assert row["closed wall"] == 1.0 and row["closed wall towards base"] == 1.0
        assert (row["first slice"], row["basal half"]) == (0.0, 1.0)


class TestDecision:
    labels = heart_labels(6)

    def test_a_slice_without_the_structure_takes_the_next_class(self) -> None:
        p = softmax_of(self.labels)
        p[2][self.labels == 1] += 0.01  # myocardium is what the RV could be second
        present = np.array([False, True, True, True, True])
        found = SliceDecision({1: present}).labels(p, CINE_CLASSES)
        assert not (found[0] == 1).any()
        assert (found[1:] == self.labels[1:]).all()
        assert (p[1][0] > 0.5).any(), "the probabilities stay as they were"

    def test_what_must_be_there_is_drawn_where_it_is_likeliest(self) -> None:
        p = softmax_of(self.labels)
        rv = self.labels[4] == 1
        p[:, 4][:, rv] = np.array([0.7, 0.3, 0.0, 0.0])[:, None]
        p[1, 4][~rv] = 0.1
        assert not (NO_DECISION.labels(p, CINE_CLASSES)[4] == 1).any()
        found = SliceDecision({1: np.ones(5, bool)}).labels(p, CINE_CLASSES)
        assert ((found[4] == 1) == rv).all()

    def test_follows_the_fit_of_its_folds(self, tmp_path: Path) -> None:
        bundle = write_band_bundle(tmp_path / "bands", folds=(0, 1))
        p = softmax_of(self.labels, sure=1.0)
        p[1, 0], p[0, 0] = 0.0, p[0, 0] + p[1, 0]  # no RV in the first slice
        area = np.log(float((self.labels[1] == 1).sum()) * 4 / 100)
        for least, shown in ((area - 1, [False, True, True, True, True]), (area + 1, [False] * 5)):
            manifest = dataclasses.replace(
                bundle.manifest, calibration=calibration(0, 1, model=by_area(least))
            )
            found = decide_slices(p, manifest, (0, 1), 4.0, 10.0).labels(p, manifest.classes)
            assert (found == 1).any(axis=(1, 2)).tolist() == shown
            assert ((found == 3) == (self.labels == 3)).all()
        damaged = dataclasses.replace(bundle.manifest, calibration={KEY: {"folds": 3}})
        with pytest.raises(ModelError, match="calibration"):
            decide_slices(p, damaged, (0,), 4.0, 10.0)
        with pytest.raises(ModelError, match="knows no fold 2"):
            decide_slices(p, manifest, (2,), 4.0, 10.0)
        strange = calibration(0, model=by_area(0.0))
        strange[KEY]["folds"]["0"]["structures"]["spleen"] = strange[KEY]["folds"]["0"]["structures"]["RV"]
        with pytest.raises(ModelError, match="no structure of a cine"):
            decide_slices(p, dataclasses.replace(bundle.manifest, calibration=strange), (0,), 4.0, 10.0)

    def test_without_a_fit_the_likeliest_class_is_taken(self, tmp_path: Path) -> None:
        manifest = write_band_bundle(tmp_path / "bands").manifest
        p = softmax_of(self.labels)
        assert decide_slices(p, manifest, (0,), 4.0, 10.0) is NO_DECISION
        assert (NO_DECISION.labels(p, CINE_CLASSES) == self.labels).all()

    def test_other_classes_are_refused(self) -> None:
        with pytest.raises(ModelError, match="no class named 'RV'"):
            evidence_of(np.ones((5, 3, 8, 8), np.float32), LGE_CLASSES, 4.0, 10.0)
