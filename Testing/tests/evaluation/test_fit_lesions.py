"""Choosing the smallest believable lesion from cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from CardiacUQTraining.evaluation.lge.fit_lesions import LesionCase, fit_smallest_lesions, nested_mean_dice

VALUES = {"infarct": 3, "MVO": 4}


def case(found: int, true: int, found_mvo: int = 0, true_mvo: int = 0) -> LesionCase:
    """A case of 0.1 ml voxels with so many infarct and MVO voxels found and in truth."""

    def labels(infarct: int, mvo: int) -> np.ndarray:
        flat = np.full(400, 2)
        flat[:infarct], flat[infarct : infarct + mvo] = 3, 4
        flat[-50:] = 1
        return flat.reshape(1, 20, 20)

    return LesionCase(labels(found, found_mvo), labels(true, true_mvo), 0.1, VALUES, 5)


def test_false_infarcts_of_normal_hearts_set_the_limit():
    normal, ill = case(9, 0), case(60, 60)
    assert fit_smallest_lesions([normal, ill]) == {"infarct": 1.0}


def test_without_false_lesions_there_is_no_limit():
    assert fit_smallest_lesions([case(60, 60), case(0, 0), case(40, 38, 5, 5)]) == {}


def test_a_small_true_infarct_holds_the_limit_down():
    # a limit above 3 ml would free the second normal heart, but cost two small true infarcts
    cases = [case(9, 0), case(30, 0), case(15, 15), case(20, 20)]
    assert fit_smallest_lesions(cases)["infarct"] == pytest.approx(1.0)


def test_mvo_has_its_own_limit_and_leaves_the_infarct():
    dropped = case(40, 40, 3, 0).dropped({"MVO": 0.5, "infarct": 1.0})
    assert int((dropped == 3).sum()) == 43
    assert fit_smallest_lesions([case(40, 43, 3, 0)] * 2) == {"MVO": 0.4}


def test_dice_by_hand():
    # infarct 20 of 30 found: 2 * 20 / 50; healthy 330 and 320 of which 320 agree; pool and MVO are right
    assert case(20, 30).mean_dice({}) == pytest.approx((1 + 2 * 320 / 650 + 2 * 20 / 50 + 1) / 4)


def test_limits_are_judged_on_cases_that_did_not_choose_them():
    cases = [case(9, 0), case(60, 60), case(8, 0), case(60, 60)]
    plain, nested = nested_mean_dice(cases, [0, 0, 1, 1])
    # either half chooses 1.0 ml, which frees the other half's normal heart of its false infarct
    assert nested == pytest.approx(1.0)
    assert plain < 0.9
