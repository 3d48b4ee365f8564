"""Sizes that no heart has, and a ventricle without its apex, on cylinders and cones of known size."""

from __future__ import annotations

import numpy as np
import pytest

from CardiacUQLib.bundles.classes import CINE_CLASSES
from CardiacUQLib.images.volume import Geometry
from CardiacUQLib.uncertainty.assessment import Assessor
from CardiacUQLib.uncertainty.body_limits import cut_short, impossible
from CardiacUQLib.uncertainty.verdict import Verdict, Word, doubted

RV, WALL, LV = 1, 2, 3


def stack(areas: list[int]) -> np.ndarray:
    """Per slice that many voxels of cavity in a row of 100, and a right ventricle that must not count."""
    labels = np.zeros((len(areas), 2, 100), np.uint8)
    labels[:, 1] = RV
    for z, area in enumerate(areas):
        labels[z, 0, :area] = LV
        labels[z, 0, : area // 2] = WALL
    return labels


def grid(labels: np.ndarray, spacing: tuple[float, float, float]) -> Geometry:
    z, y, x = labels.shape
    return Geometry((x, y, z), spacing, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


def test_a_film_flattened_into_slices_is_longer_than_any_heart() -> None:
    labels = stack([0] + [50] * 18 + [0])
    assert impossible(labels, CINE_CLASSES, grid(labels, (1.0, 1.0, 10.0))) == ()
    long = stack([50] * 120)
    assert impossible(long, CINE_CLASSES, grid(long, (1.0, 1.0, 10.0))) == (
        "ventricle of 1200 mm, no heart is longer than 180",
    )


def test_a_heart_in_voxels_that_are_too_large_has_an_impossible_volume() -> None:
    labels = stack([100] * 10)  # 1,000 voxels of 1 x 1.2 x 1 cm
    assert impossible(labels, CINE_CLASSES, grid(labels, (10.0, 12.0, 10.0))) == ()
    assert impossible(labels, CINE_CLASSES, grid(labels, (10.0, 12.5, 10.0))) == (
        "ventricle with its wall of 1250 ml, no heart has more than 1200",
    )


def test_nothing_drawn_is_no_impossible_heart() -> None:
    labels = stack([0] * 5)
    assert impossible(labels, CINE_CLASSES, grid(labels, (1.0, 1.0, 10.0))) == ()
    assert cut_short(labels, CINE_CLASSES) == ""


@pytest.mark.parametrize("areas", [[90, 100, 80, 50, 20], [20, 50, 80, 100, 90], [0, 100, 100, 60, 0]])
def test_a_ventricle_that_tapers_is_whole_whichever_way_it_is_stored(areas: list[int]) -> None:
    assert cut_short(stack(areas), CINE_CLASSES) == ""


@pytest.mark.parametrize("areas", [[90, 100, 80], [80, 100, 90], [0, 90, 100, 80, 0]])
def test_a_ventricle_without_an_apex_ends_abruptly(areas: list[int]) -> None:
    assert cut_short(stack(areas), CINE_CLASSES) == (
        "the ventricle ends abruptly, with 80 % of its largest slice: is the apex in the stack?"
    )


def test_what_no_heart_is_leaves_no_figure_standing_and_what_is_odd_asks_for_a_check() -> None:
    assessor = Assessor({}, CINE_CLASSES)
    never = assessor.assess({}, {}, {}, (), ("ventricle of 1200 mm",)).verdict
    odd = assessor.assess({}, {}, {}, ("ends abruptly",)).verdict
    assert never is not None and never.word is Word.REDO and never.nothing_holds
    assert odd is not None and odd.word is Word.CHECK and not odd.nothing_holds
    assert "ventricle of 1200 mm" in never.reason and "ends abruptly" in odd.reason


def test_a_doubt_takes_trust_away_and_nothing_else() -> None:
    trust, redo = Verdict(Word.TRUST, "good", 0.01, 0.85), Verdict(Word.REDO, "bad", 0.9, 0.85)
    assert doubted(trust, "it stands still") == Verdict(Word.CHECK, "it stands still", 0.01, 0.85)
    assert doubted(trust, "") is trust and doubted(redo, "it stands still") is redo
    assert doubted(None, "it stands still") is None
