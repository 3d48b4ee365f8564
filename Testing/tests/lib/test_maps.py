"""Every map against values worked out by hand; numpy and torch must agree."""

import math

import numpy as np
import pytest
import torch

from CardiacUQLib.inference import maps


def one_hot(channel, n_classes, shape=(1, 1, 1)):
    p = np.zeros((n_classes, *shape))
    p[channel] = 1
    return p


@pytest.mark.parametrize("n_classes", [2, 4, 5, 8])
def test_scs_of_opposite_one_hot_predictions_is_two_over_c(n_classes):
    p2d, p3d = one_hot(0, n_classes)[None], one_hot(1, n_classes)[None]
    assert maps.soft_correction_score(p2d, p3d)[0, 0, 0] == pytest.approx(2 / n_classes)


def test_scs_averages_over_passes_and_is_not_the_difference_of_means():
    # Pass 1: |0.7-0.4| + |0.2-0.5| + |0.1-0.1| = 0.6 over 3 classes; pass 2 the other way round. The
    # mean predictions are equal, the score is not 0.
    first, second = np.array([0.7, 0.2, 0.1]), np.array([0.4, 0.5, 0.1])
    score = maps.soft_correction_score(np.stack([first, second]), np.stack([second, first]))
    assert score == pytest.approx(0.2)


def test_scs_of_equal_stages_is_zero_and_unequal_shapes_are_refused():
    p = np.random.default_rng(0).dirichlet(np.ones(5), (2, 3)).transpose(0, 2, 1)
    assert not maps.soft_correction_score(p, p).any()
    with pytest.raises(ValueError, match="differ in shape"):
        maps.soft_correction_score(p, p[:1])


def test_variance_is_the_population_variance_averaged_over_classes():
    # Class 0 over three passes: 0.2, 0.5, 0.8 -> 0.06; class 1 mirrors it; class 2 is always 0.
    p = np.array([[0.2, 0.8, 0.0], [0.5, 0.5, 0.0], [0.8, 0.2, 0.0]])
    assert maps.ensemble_variance(p) == pytest.approx((0.06 + 0.06 + 0.0) / 3)


def test_variance_of_one_pass_is_zero():
    assert maps.ensemble_variance(np.array([[0.3, 0.7]])) == 0


def test_entropy_in_nats_and_normalised():
    p = np.array([[1.0, 0.5, 0.25], [0.0, 0.5, 0.25], [0.0, 0.0, 0.25], [0.0, 0.0, 0.25]])
    np.testing.assert_allclose(maps.entropy(p), [0, math.log(2), math.log(4)])
    np.testing.assert_allclose(maps.entropy(p, normalised=True), [0, 0.5, 1])
    assert not np.signbit(maps.entropy(p)[0])


def test_mutual_information_is_full_when_certain_passes_contradict_each_other():
    p = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert maps.mutual_information(p) == pytest.approx(math.log(2))


def test_mutual_information_is_zero_when_unsure_passes_agree():
    p = np.array([[0.1, 0.6, 0.3]] * 4)
    assert maps.mutual_information(p) == pytest.approx(0, abs=1e-12)
    assert maps.mutual_information(p) >= 0


def test_mutual_information_in_between():
    # H(0.7, 0.3) - (H(0.9, 0.1) + H(0.5, 0.5)) / 2 = 0.610864 - (0.325083 + 0.693147) / 2
    assert maps.mutual_information(np.array([[0.9, 0.1], [0.5, 0.5]])) == pytest.approx(0.101749, abs=1e-6)


def test_maximum_probability():
    np.testing.assert_allclose(maps.maximum_probability(np.array([[0.2, 0.5], [0.8, 0.5]])), [0.8, 0.5])


def test_torch_tensors_give_the_same_values_as_arrays():
    rng = np.random.default_rng(1)
    p, q = (np.moveaxis(rng.dirichlet(np.ones(5), (3, 2, 4)), -1, 1) for _ in range(2))
    p[0, :, 0, 0] = [1, 0, 0, 0, 0]
    tp, tq = torch.from_numpy(p), torch.from_numpy(q)
    pairs = [
        (maps.soft_correction_score(p, q), maps.soft_correction_score(tp, tq)),
        (maps.ensemble_variance(p), maps.ensemble_variance(tp)),
        (maps.entropy(p[0]), maps.entropy(tp[0])),
        (maps.mutual_information(p), maps.mutual_information(tp)),
        (maps.maximum_probability(p[0]), maps.maximum_probability(tp[0])),
    ]
    for array, tensor in pairs:
        assert array.shape == (2, 4)
        assert isinstance(tensor, torch.Tensor)
        np.testing.assert_allclose(array, tensor.numpy(), atol=1e-14)


PAIRS = [(was, became) for was in range(5) for became in range(5) if was != became]


@pytest.mark.parametrize(("was", "became"), PAIRS)
def test_every_correction_decodes_to_its_pair(was, became):
    dcm = maps.discrete_correction_map(np.array([[was]], np.uint8), np.array([[became]], np.uint8), 5)
    assert dcm.dtype == np.uint8
    assert dcm[0, 0] == was * 5 + became
    assert maps.decode_dcm(dcm[0, 0], 5) == (was, became)


def test_the_twenty_codes_are_distinct_and_none_is_zero():
    codes = {maps.discrete_correction_map(np.array([w]), np.array([b]), 5)[0] for w, b in PAIRS}
    assert len(codes) == 20
    assert 0 not in codes


def test_equal_labels_are_no_correction():
    labels = np.arange(5, dtype=np.uint8)
    assert not maps.discrete_correction_map(labels, labels, 5).any()


def test_known_code():
    # healthy myocardium (2) that became infarct (3)
    assert maps.discrete_correction_map(np.array([2]), np.array([3]), 5)[0] == 13


@pytest.mark.parametrize("code", [-1, 0, 6, 12, 18, 24, 25])
def test_numbers_that_are_no_correction_are_refused(code):
    with pytest.raises(ValueError, match="no correction code"):
        maps.decode_dcm(code, 5)


def test_dcm_refuses_labels_beyond_the_classes_and_other_shapes():
    with pytest.raises(ValueError, match=r"0\.\.4"):
        maps.discrete_correction_map(np.array([5]), np.array([0]), 5)
    with pytest.raises(ValueError, match="differ in shape"):
        maps.discrete_correction_map(np.zeros(2, int), np.zeros(3, int), 5)
    with pytest.raises(ValueError, match="2 to 16"):
        maps.discrete_correction_map(np.zeros(2, int), np.zeros(2, int), 17)
