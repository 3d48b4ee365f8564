"""Which passes each uncertainty method uses, by hand-made probabilities."""

import numpy as np
import pytest
from synthetic import final_maps, passes, ring

from CardiacUQLib.bundles.manifest import View
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQTraining.evaluation.shared.methods import (
    ROWS,
    CasePasses,
    Method,
    Row,
    Stage,
    StagePasses,
    predictions,
    why_unavailable,
)

PLAIN, TURNED = View.IDENTITY, View.HORIZONTAL


def stage(values, folds, views, dropout=None):
    """Two-class softmax of a single voxel per pass."""

    def softmax(several):
        return np.array([[[[[1 - v]]], [[[v]]]] for v in several], np.float32)

    return StagePasses(softmax(values), folds, views, None if dropout is None else softmax(dropout))


@pytest.fixture
def voxel():
    """Folds 0 and 1, plain and turned: 2D says .1 .3 .5 .7, the cascade .2 .2 .6 .6; dropout .0 and .4."""
    folds, views = (0, 0, 1, 1), (PLAIN, TURNED, PLAIN, TURNED)
    return CasePasses(
        stage([0.1, 0.3, 0.5, 0.7], folds, views, [0.0, 0.4]),
        stage([0.2, 0.2, 0.6, 0.6], folds, views, [0.1, 0.1]),
    )


def test_each_method_takes_its_own_passes(voxel):
    found = {p.row.key: p for p in predictions(voxel, Method)}
    value = {key: float(p.uncertainty[0, 0, 0]) for key, p in found.items() if p.uncertainty is not None}
    # two classes share the variance of one value v, since 1 - v varies alike
    assert value["tta_2d"] == pytest.approx(0.01, abs=1e-6)  # .1 and .3
    assert value["ensemble_2d"] == pytest.approx(0.04, abs=1e-6)  # .1 and .5
    assert value["ensemble_tta_2d"] == pytest.approx(0.05, abs=1e-6)  # .1 .3 .5 .7
    assert value["mc_dropout_2d"] == pytest.approx(0.04, abs=1e-6)  # .0 and .4
    assert value["tta_cascade"] == pytest.approx(0.0, abs=1e-6)
    assert value["scs_cascade"] == pytest.approx((0.1 + 0.1 + 0.1 + 0.1) / 4, abs=1e-6)
    assert value["max_probability_2d"] == pytest.approx(0.4, abs=1e-6)  # mean .4
    assert value["entropy_2d"] == pytest.approx(-(0.4 * np.log(0.4) + 0.6 * np.log(0.6)), abs=1e-6)
    assert float(found["tta_2d"].mean[1, 0, 0, 0]) == pytest.approx(0.2)
    assert float(found["mc_dropout_2d"].mean[1, 0, 0, 0]) == pytest.approx(0.2)


def test_pairwise_dice_is_a_score_of_the_case(voxel):
    found = {p.row.key: p for p in predictions(voxel, [Method.PAIRWISE_DICE])}
    # arg max of the cascade: 0 0 1 1; Dice 1 within, 0 between: 2 of 6 pairs agree
    assert found["pairwise_dice_cascade"].case_score == pytest.approx(1 - 2 / 6)
    assert found["pairwise_dice_cascade"].uncertainty is None


def test_one_unseen_fold_leaves_no_ensemble():
    one_fold = passes(ring(0), 0, folds=(2,))
    missing = {m for m in Method if why_unavailable(m, one_fold) is not None}
    assert missing == {Method.ENSEMBLE, Method.ENSEMBLE_TTA, Method.MC_DROPOUT, Method.ERROR_PROBABILITY}
    assert "did not see the case" in why_unavailable(Method.ENSEMBLE, one_fold)
    one_pass = passes(ring(0), 0, folds=(2,), views=(PLAIN,))
    assert why_unavailable(Method.TTA, one_pass) == "needs at least two views"
    assert why_unavailable(Method.MUTUAL_INFORMATION, one_pass) is not None


def test_rows_have_unique_keys_and_titles():
    assert len({row.key for row in ROWS}) == len({row.title for row in ROWS}) == len(ROWS) == 18
    assert Row(Stage.SLICES, Method.SCS) not in ROWS


def test_maps_kept_for_inference_equal_the_rows():
    made = passes(ring(1), 1)
    kept = final_maps(made)
    rows = {p.row.key: p for p in predictions(made, Method)}
    np.testing.assert_allclose(kept[MapName.SCS], rows["scs_cascade"].uncertainty, atol=1e-6)
    np.testing.assert_allclose(kept[MapName.ENTROPY_2D], rows["entropy_2d"].uncertainty, atol=1e-6)
    np.testing.assert_allclose(
        1 - kept[MapName.MAX_PROBABILITY], rows["max_probability_cascade"].uncertainty, atol=1e-6
    )
    np.testing.assert_allclose(kept[MapName.VARIANCE], rows["tta_cascade"].uncertainty, atol=1e-6)
